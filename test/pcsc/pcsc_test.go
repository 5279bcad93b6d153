// Package pcsc plays a passport chip behind the real pcscd, through vpcd, and reads it with our PC/SC driver
// and with the real egatectl. It runs in network and mount namespaces of its own: vpcd listens on every
// interface, and pcscd's socket has one place.
package pcsc

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"egate/emrtd"
	"egate/emrtd/chip"
	"egate/emrtd/chip/vpcd"
	"egate/emrtd/issue"
	"egate/emrtd/mrz"
	"egate/emrtd/trust"
	"egate/hal"
	"egate/hal/haltest"
	"egate/hal/pcsc"
	"egate/sim/faces"
	"egate/verdict"
)

const (
	inside = "EGATE_PCSC_NAMESPACE"
	reader = "Virtual PCD 00 00"
)

var skip string

func TestMain(m *testing.M) {
	if os.Getenv(inside) != "" {
		os.Exit(m.Run())
	}
	for _, need := range []string{"pcscd", "unshare", "ip", "mount"} {
		if _, err := exec.LookPath(need); err != nil {
			skip = need + " is not installed (apt-get install pcscd vsmartcard-vpcd util-linux iproute2)"
		}
	}
	if _, err := os.Stat("/etc/reader.conf.d/vpcd"); err != nil {
		skip = "vpcd is not installed (apt-get install vsmartcard-vpcd)"
	}
	namespaces := []string{"-n", "-m", "-p", "-f"} // with the first process all others end
	if os.Geteuid() != 0 {
		namespaces = append(namespaces, "-r")
	}
	if skip == "" && exec.Command("unshare", append(slices.Clone(namespaces), "sh", "-c", "mount -t tmpfs none /run && ip link set lo up")...).Run() != nil {
		skip = "this machine allows no network and mount namespaces"
	}
	if skip != "" {
		os.Exit(m.Run())
	}
	cmd := exec.Command("unshare", slices.Concat(namespaces, []string{"--kill-child", os.Args[0]}, os.Args[1:])...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var (
	once     sync.Once
	startErr error
)

// daemon starts pcscd once for all tests.
func daemon(t testing.TB) {
	t.Helper()
	if skip != "" {
		t.Skip("SKIP: " + skip + ": nothing is tested against the real PC/SC daemon")
	}
	once.Do(func() {
		for _, c := range [][]string{{"ip", "link", "set", "lo", "up"}, {"mount", "-t", "tmpfs", "none", "/run"}, {"mkdir", "/run/pcscd"}} {
			if out, err := exec.Command(c[0], c[1:]...).CombinedOutput(); err != nil {
				startErr = fmt.Errorf("%v: %w: %s", c, err, out)
				return
			}
		}
		cmd := exec.Command("pcscd", "--foreground")
		if startErr = cmd.Start(); startErr != nil {
			return
		}
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) { // polling a daemon that tells nobody
			list, err := pcsc.Readers(context.Background(), "")
			if err == nil && len(list) > 0 {
				startErr = nil
				return
			}
			startErr = fmt.Errorf("pcscd shows no reader: %v", err)
		}
	})
	if startErr != nil {
		t.Fatal(startErr)
	}
}

func authority(t *testing.T) *issue.Authority {
	t.Helper()
	a, err := issue.NewAuthority("UTO", rand.Reader, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func passport(t *testing.T, a *issue.Authority, p issue.Profile) *issue.Passport {
	t.Helper()
	face, err := faces.Get("astronaut")
	if err != nil {
		t.Fatal(err)
	}
	p.Number, p.Surname, p.Nationality, p.BirthDate, p.Expiry, p.Portrait = "X1234567", "MUSTER", "UTO", "1990-01-01", time.Now().AddDate(5, 0, 0).Format(time.DateOnly), face.DG2JPEG()
	out, err := a.Personalise(p)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// signedBundle is the trust of one authority: the store, its public key's file and its own.
func signedBundle(t *testing.T, dir string, a *issue.Authority) (store *trust.Store, key, file string) {
	t.Helper()
	b, err := issue.Bundle("test", 1, time.Now(), a)
	if err != nil {
		t.Fatal(err)
	}
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, file = filepath.Join(dir, "trust.pub"), filepath.Join(dir, "trust.json")
	if err := b.Save(file, priv); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, []byte(hex.EncodeToString(pub)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if store, err = trust.Load(file, pub, time.Now()); err != nil {
		t.Fatal(err)
	}
	return store, key, file
}

// seen waits until pcscd has seen a card come (or go). It looks two or three times a second, and a card that is
// exchanged faster than that, which no hand does, is the old one to it, and mute.
func seen(come bool) {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) { // a daemon that tells nobody
		list, err := pcsc.Readers(context.Background(), "")
		if err == nil && slices.ContainsFunc(list, func(i pcsc.Info) bool { return i.Name == reader && i.Changes%2 == 1 == come }) {
			return
		}
	}
}

// lay puts a chip into the virtual reader; the function takes it away.
func lay(c *chip.Chip) func() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil { // vpcd takes one card after the other
			_ = vpcd.Serve(ctx, vpcd.DefaultAddress, c)
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}()
	seen(true)
	return func() { cancel(); <-done; seen(false) }
}

// TestC11Conformance holds the laws of hal.CardReader and hal.Card against the real daemon.
func TestC11Conformance(t *testing.T) {
	daemon(t)
	p := passport(t, authority(t), issue.Profile{Access: issue.AccessBAC})
	haltest.CardReader(t, func(t *testing.T) haltest.CardBench {
		r, err := pcsc.Open(t.Context(), pcsc.Options{Reader: reader})
		if err != nil {
			t.Fatal(err)
		}
		take := func() {}
		t.Cleanup(func() {
			take()
			_ = r.Close()
		})
		return haltest.CardBench{Reader: r, Command: []byte{0x00, 0xA4, 0x04, 0x0C, 0x07, 0xA0, 0x00, 0x00, 0x02, 0x47, 0x10, 0x01},
			Lay:     func() { take(); take = lay(chip.New(p, chip.Options{})) },
			LayMute: func() { take(); take = layMute() },
			Lift:    func() { take(); take = func() {} }}
	})
}

// layMute puts a card into the reader that has an ATR and answers nothing.
func layMute() func() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", vpcd.DefaultAddress)
		if err != nil {
			return
		}
		defer c.Close()
		stop := context.AfterFunc(ctx, func() { c.Close() })
		defer stop()
		for {
			var n [2]byte
			if _, err := io.ReadFull(c, n[:]); err != nil {
				return
			}
			b := make([]byte, binary.BigEndian.Uint16(n[:]))
			if _, err := io.ReadFull(c, b); err != nil {
				return
			}
			if len(b) == 1 && b[0] == 4 {
				atr := vpcd.ATR([]byte("mute"))
				_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(atr))), atr...))
			}
		}
	}()
	seen(true)
	return func() { cancel(); <-done; seen(false) }
}

// TestC01PassportsOverPCSC reads whole passports through the real daemon: BAC, PACE with chip
// authentication, active authentication; a copy is found.
func TestC01PassportsOverPCSC(t *testing.T) {
	daemon(t)
	a := authority(t)
	store, _, _ := signedBundle(t, t.TempDir(), a)
	for name, c := range map[string]struct {
		profile   issue.Profile
		misbehave []string
		clone     verdict.Result
	}{
		"BAC":                {issue.Profile{Access: issue.AccessBAC}, nil, verdict.NotApplicable},
		"PACE and CA":        {issue.Profile{Access: issue.AccessPACE, ChipAuth: "ecdh"}, nil, verdict.Pass},
		"BAC and AA":         {issue.Profile{Access: issue.AccessBAC, ActiveAuth: "rsa"}, nil, verdict.Pass},
		"a copy of CA":       {issue.Profile{Access: issue.AccessPACE, ChipAuth: "ecdh"}, []string{"clone"}, verdict.Fail},
		"PACE, long answers": {issue.Profile{Access: issue.AccessPACE, ExtendedLength: true}, nil, verdict.NotPossible},
	} {
		t.Run(name, func(t *testing.T) {
			p := passport(t, a, c.profile)
			take := lay(chip.New(p, chip.Options{Misbehave: c.misbehave}))
			defer take()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			r, err := pcsc.Open(ctx, pcsc.Options{Reader: reader})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			card, err := r.Connect(ctx)
			if err != nil {
				t.Fatal(err)
			}
			doc, err := mrz.Parse([][]byte{[]byte(p.Lines[0]), []byte(p.Lines[1])}, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			rep, err := emrtd.Read(ctx, card, doc, emrtd.Options{Now: time.Now(), Trust: store, AllowBAC: true, Reconnect: func(ctx context.Context) (hal.Card, error) { return r.Connect(ctx) }})
			if rep == nil {
				t.Fatal(err)
			}
			defer rep.Wipe()
			got := map[verdict.CheckID]verdict.Result{}
			for _, x := range rep.Checks {
				got[x.ID] = x.Result
			}
			if got[verdict.CheckSODSignature] != verdict.Pass || got[verdict.CheckDGHashes] != verdict.Pass || got[verdict.CheckClone] != c.clone {
				t.Errorf("%v %+v", err, rep.Checks)
			}
		})
	}
}

// program is the path of one that make build has built.
func program(t *testing.T, name string) string {
	t.Helper()
	bin := os.Getenv("EGATE_BIN")
	if bin == "" {
		bin = filepath.Join("..", "..", "bin")
	}
	path, err := filepath.Abs(filepath.Join(bin, name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skip("SKIP: " + name + " is not built: it is NOT tested on a reader (make build)")
	}
	return path
}

// TestC04DocumentRead runs the real egatectl on the virtual reader: its exit status tells pass, fail and not
// possible apart (C-04).
func TestC04DocumentRead(t *testing.T) {
	daemon(t)
	ctl := program(t, "egatectl")
	dir := t.TempDir()
	a := authority(t)
	_, key, trustFile := signedBundle(t, dir, a)
	for name, c := range map[string]struct {
		profile   issue.Profile
		misbehave []string
		args      []string
		status    int
		want      []string
	}{
		"genuine":   {issue.Profile{Access: issue.AccessPACE, ChipAuth: "ecdh"}, nil, []string{"--trust", trustFile, "--key", key}, 0, []string{"chip_clone", "pass", "AUTHENTIC"}},
		"copy":      {issue.Profile{Access: issue.AccessPACE, ChipAuth: "ecdh"}, []string{"clone"}, []string{"--trust", trustFile, "--key", key}, 1, []string{"clone_suspected", "NOT AUTHENTIC"}},
		"no anchor": {issue.Profile{Access: issue.AccessBAC}, nil, nil, 3, []string{"no_trust_anchor", "COULD NOT BE CHECKED"}},
		"json":      {issue.Profile{Access: issue.AccessBAC}, nil, []string{"--trust", trustFile, "--key", key, "--json"}, 0, []string{`"answer": "authentic"`}},
	} {
		t.Run(name, func(t *testing.T) {
			p := passport(t, a, c.profile)
			take := lay(chip.New(p, chip.Options{Misbehave: c.misbehave}))
			defer take()
			zone := filepath.Join(dir, "mrz-"+strings.ReplaceAll(name, " ", "-"))
			if err := os.WriteFile(zone, []byte(p.Lines[0]+"\n"+p.Lines[1]+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, ctl, append([]string{"document", "read", "--reader", "pcsc:" + reader, "--mrz", zone}, c.args...)...)
			out, err := cmd.CombinedOutput()
			status := 0
			if err != nil {
				status = cmd.ProcessState.ExitCode()
			}
			if status != c.status {
				t.Errorf("exit status %d, want %d\n%s", status, c.status, out)
			}
			for _, w := range c.want {
				if !strings.Contains(string(out), w) {
					t.Errorf("lacks %q:\n%s", w, out)
				}
			}
			if bytes.Contains(out, []byte("MUSTER")) || bytes.Contains(out, []byte(p.Lines[1][:9])) {
				t.Errorf("personal data that nobody asked for:\n%s", out)
			}
		})
	}
}

// TestC01TwoPrograms is what a developer of another reader does: egate-sim plays a chip behind pcscd, and
// a program reads it; here egatectl, by the printed lines and by the card access number.
func TestC01TwoPrograms(t *testing.T) {
	daemon(t)
	sim, ctl := program(t, "egate-sim"), program(t, "egatectl")
	issuer := filepath.Join(t.TempDir(), "issuer")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, sim, "chip", "--issuer", issuer)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer seen(false)
	defer func() { cancel(); _ = cmd.Wait() }()
	var lines []string
	var number string
	for in := bufio.NewScanner(out); in.Scan() && !strings.Contains(in.Text(), "lies on the virtual reader"); {
		if l := in.Text(); len(l) == 44 {
			lines = append(lines, l)
		} else if n, ok := strings.CutPrefix(l, "card access number: "); ok {
			number = n
		}
	}
	seen(true)
	for name, c := range map[string]struct {
		flag, key string
	}{"lines": {"--mrz", strings.Join(lines, "\n")}, "number": {"--can", number}} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(ctx, ctl, "document", "read", "--reader", "pcsc:"+reader, c.flag, "-",
				"--trust", filepath.Join(issuer, "trust.json"), "--key", filepath.Join(issuer, "trust.pub"))
			cmd.Stdin = strings.NewReader(c.key)
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "AUTHENTIC\n") || !strings.Contains(string(out), "The chip is no copy") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// BenchmarkAPDU is what one command costs over the real pcscd and vpcd beyond what the chip itself takes: the driver, two
// sockets and the daemon. SELECT of a file, with a status word back.
func BenchmarkAPDU(b *testing.B) {
	daemon(b)
	a, err := issue.NewAuthority("UTO", rand.Reader, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	p, err := a.Personalise(issue.Profile{Number: "X1234567", Surname: "MUSTER", Nationality: "UTO", BirthDate: "1990-01-01",
		Expiry: time.Now().AddDate(5, 0, 0).Format(time.DateOnly), Portrait: append([]byte{0xFF, 0xD8, 0xFF, 0xE0}, make([]byte, 15000)...), Access: issue.AccessPACE})
	if err != nil {
		b.Fatal(err)
	}
	command := []byte{0x00, 0xA4, 0x02, 0x0C, 0x02, 0x01, 0x1C} // EF.CardAccess
	b.Run("chip alone", func(b *testing.B) {
		c := chip.Direct(chip.New(p, chip.Options{}), nil)
		for b.Loop() {
			if _, err := c.Transmit(b.Context(), command); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("pcscd", func(b *testing.B) {
		take := lay(chip.New(p, chip.Options{}))
		defer take()
		r, err := pcsc.Open(b.Context(), pcsc.Options{Reader: reader})
		if err != nil {
			b.Fatal(err)
		}
		defer r.Close()
		c, err := r.Connect(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := c.Transmit(b.Context(), command); err != nil {
				b.Fatal(err)
			}
		}
	})
}
