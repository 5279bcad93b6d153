// Package production holds the list of what a gate in service refuses: what plays a device, a person or an
// issuer, and what was made for development. One table, one row each.
package production

import (
	"crypto/ed25519"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"egate/configs"
	"egate/console/centre"
	"egate/emrtd/issue"
	"egate/emrtd/trust"
	"egate/facematch"
	"egate/hal/identity/sysfake"
	"egate/hal/pcsc"
	"egate/hal/serialhal"
	"egate/hal/v4l2"
	"egate/officers"
	"egate/seal"
	"egate/sim/passkey"
)

// gateWith is what the configuration of a gate in service says to one change of it.
func gateWith(old, changed string) func(*testing.T) error {
	return func(t *testing.T) error {
		base := string(configs.GateYAML)
		raw := strings.Replace(base, old, changed, 1)
		if raw == base {
			t.Fatalf("%q is not in the profile", old)
		}
		path := filepath.Join(t.TempDir(), "gate.yaml")
		if err := os.WriteFile(path, []byte(raw), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := configs.Load(path)
		return err
	}
}

// placed is the refusal of a device by its place in the kernel's tree.
func placed(path string) func(*testing.T) error {
	return func(t *testing.T) error {
		f := sysfake.New(t)
		f.Board("/dev/node", path, "platform:x")
		id, err := f.Sys().Of("/dev/node")
		if err == nil && id.Simulated() {
			err = errorf("simulated: " + id.Port)
		}
		return err
	}
}

type errorf string

func (e errorf) Error() string { return string(e) }

func keyPair(t *testing.T) (ed25519.PublicKey, ed25519.PrivateKey) {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return pub, key
}

// TestX08ProductionProfile: whatever plays a device, an officer or an issuer is refused in service, by name.
func TestX08ProductionProfile(t *testing.T) {
	for name, c := range map[string]struct {
		try  func(*testing.T) error
		want string
	}{
		"simulated lines":              {gateWith("driver: gpio", "driver: simhal"), "lines.driver: simhal is for the simulation"},
		"simulated camera":             {gateWith("camera: {driver: v4l2", "camera: {driver: simhal"), "devices.camera.driver: simhal is for the simulation"},
		"pseudo-terminal as scanner":   {gateWith("/dev/serial/by-path/scanner", "/dev/pts/4"), "devices.scanner.device: /dev/pts/4 is a pseudo-terminal"},
		"pseudo-terminal as reader":    {gateWith("/dev/serial/by-path/nfc", "/dev/ptmx"), "devices.nfc.device: /dev/ptmx is a pseudo-terminal"},
		"old pseudo-terminal":          {gateWith("/dev/serial/by-path/nfc", "/dev/ttyp0"), "is a pseudo-terminal"},
		"pseudo-terminal under a link": {pseudoTerminal, "/scanner: serialhal: a pseudo-terminal is no device"},
		"record mode":                  {gateWith("devices:    ", "record: /tmp/traffic\ndevices:    "), "record is no key of this place"},
		"camera by name: vivid":        {cameraNamed("vivid", "platform:vivid-000"), "vivid"},
		"camera by bus: v4l2loopback":  {cameraNamed("HD Pro Webcam C920", "platform:v4l2loopback-000"), "v4l2loopback"},
		"camera by place: virtual":     {placed("virtual/video4linux/a/video4linux/video0"), "virtual/video4linux"},
		"camera by place: vivid":       {placed("platform/vivid.0/video4linux/video0"), "platform/vivid.0"},
		"lines by place: gpio-sim":     {placed("platform/gpio-sim.0/gpio/gpiochip1"), "platform/gpio-sim.0"},
		"lines by place: gpio-mockup":  {placed("platform/gpio-mockup.0/gpio/gpiochip1"), "platform/gpio-mockup.0"},
		"USB gadget of this machine":   {placed("platform/dummy_hcd.0/tty/ttyACM0"), "platform/dummy_hcd.0"},
		"virtual chip reader":          {virtualReader, "virtual"},
		"demo officer":                 {demoOfficer, "a demo officer is for the simulation only"},
		"simulated CSCA":               {simulatedIssuer, trust.ErrSimulation.Error()},
		"development model pack":       {developmentPack, "a demonstration pack cannot serve in production"},
		"one signature on the models":  {gateWith(", /etc/egate/keys/models-2.pub", ""), "inspect.model_keys: needs the keys of two persons"},
		"no technician":                {gateWith("  technicians: [/etc/egate/keys/technician-1.pub]", "  technicians: []"), "hardware: needs pairing, technicians and officers"},
		"broker without TLS":           {gateWith("tls://broker.example:8883", "tcp://broker.example:1883"), "link.broker: tcp is for loopback only"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.try(t)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("must be refused with %q: %v", c.want, err)
			}
		})
	}
}

// TestProfileItselfIsAccepted: what is refused above is refused for the one change.
func TestProfileItselfIsAccepted(t *testing.T) {
	if err := gateWith("site: example", "site: harbour")(t); err != nil {
		t.Error(err)
	}
	if err := placed("platform/soc/fe201000.serial/tty/ttyAMA0")(t); err != nil {
		t.Error(err)
	}
	if v4l2.Virtual("HD Pro Webcam C920", "usb-0000:00:14.0-4") || pcsc.Virtual("ACS ACR1252 00 00") {
		t.Error("a real device is refused")
	}
}

func pseudoTerminal(t *testing.T) error {
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer slave.Close()
	link := filepath.Join(t.TempDir(), "scanner")
	if err := os.Symlink(slave.Name(), link); err != nil {
		t.Fatal(err)
	}
	if p, err := serialhal.Open(serialhal.Options{Device: link}); err != nil { // in a simulation it serves
		t.Fatal(err)
	} else if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = serialhal.Open(serialhal.Options{Device: link, RefusePseudo: true})
	return err
}

func cameraNamed(name, bus string) func(*testing.T) error {
	return func(*testing.T) error {
		if v4l2.Virtual(name, bus) {
			return errorf("virtual: " + name + " " + bus)
		}
		return nil
	}
}

func virtualReader(*testing.T) error {
	for _, n := range []string{"Virtual PCD 00 00", "Virtual PCD 00 01"} {
		if !pcsc.Virtual(n) {
			return nil
		}
	}
	return errorf("virtual readers")
}

func demoOfficer(t *testing.T) error {
	pub, key := keyPair(t)
	signer, err := seal.NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	_, secret, err := seal.GenerateHPKE()
	if err != nil {
		t.Fatal(err)
	}
	rosterKey, seed := keyPair(t)
	offline, err := seal.NewSigner(seed)
	if err != nil {
		t.Fatal(err)
	}
	auth, err := passkey.New(officers.EdDSA, "localhost", "http://localhost:8090")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := auth.Enlist(offline, "harbour", "officer-demo", true, []string{"gate-1"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := officers.NewKeeper("harbour", "gate-1", false, seal.Trust(rosterKey), nil).Offer(raw); err == nil {
		t.Error("a gate in service takes the roster of the demo officer")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "roster.signed")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = centre.New(centre.Config{Site: "harbour", Gates: map[string]ed25519.PublicKey{"gate-1": pub}, Signer: signer, SealKey: secret, Roster: file, RosterKey: rosterKey,
		WatchList: filepath.Join(dir, "watchlist.yaml"), Database: filepath.Join(dir, "history.db"), AnswerChild: []string{"true"}, Keep: 48 * time.Hour})
	return err
}

func simulatedIssuer(t *testing.T) error {
	now := time.Now()
	a, err := issue.NewAuthority("UTO", rand.Reader, now)
	if err != nil {
		t.Fatal(err)
	}
	b, err := issue.Bundle("harbour", 1, now, a)
	if err != nil {
		t.Fatal(err)
	}
	pub, key := keyPair(t)
	b.Simulation = false // the mark is left out: the issuer is known all the same
	raw, err := b.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	_, err = trust.Open(raw, pub, now, trust.InService())
	return err
}

// developmentPack is the pack of `make models`, signed by two persons by mistake.
func developmentPack(t *testing.T) error {
	from := os.Getenv("EGATE_MODELS")
	if from == "" {
		from = filepath.Join("..", "..", ".cache", "models")
	}
	raw, err := os.ReadFile(filepath.Join(from, "manifest.json"))
	if err != nil {
		t.Skip("SKIP: the model files are not here: the refusal of the development pack is NOT tested (make models)")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "manifest.json"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	keys := seal.Keys{}
	for range 2 {
		pub, key := keyPair(t)
		if err := facematch.SignManifest(dir, seal.KeyID(pub), key); err != nil {
			t.Fatal(err)
		}
		keys[seal.KeyID(pub)] = pub
	}
	_, err = facematch.LoadPack(dir, facematch.LoadOptions{Production: true, Signers: keys, Today: time.Now()})
	return err
}
