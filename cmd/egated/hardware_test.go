package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"egate/configs"
	"egate/hal/identity/sysfake"
	"egate/hal/recovery"
	"egate/health"
	"egate/pairing"
	"egate/seal"
)

// wired is a board with a gate's devices, their configuration, and who may pair them.
type wired struct {
	*sysfake.Tree
	cfg                 configs.Gate
	technician, officer *seal.Signer
}

var usbScanner = sysfake.USB{Bus: 1, Port: "1.1", Vendor: "0483", Product: "5740", Serial: "OCR-77", Class: "02", Node: "/dev/ttyACM0", Kind: "tty"}

func newWired(t *testing.T) *wired {
	t.Helper()
	w := &wired{Tree: sysfake.New(t)}
	dir := t.TempDir()
	key := func(name string) (*seal.Signer, string) {
		_, k, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		s, err := seal.NewSigner(k)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := seal.Save(path, s.Public(), false); err != nil {
			t.Fatal(err)
		}
		return s, path
	}
	g, err := configs.Example(configs.GateYAML)
	if err != nil {
		t.Fatal(err)
	}
	var tech, officer string
	w.technician, tech = key("technician.pub")
	w.officer, officer = key("officer.pub")
	g.Hardware = configs.Hardware{Pairing: filepath.Join(dir, "pairing.json"), Technicians: []string{tech}, Officers: []string{officer}, Socket: filepath.Join(dir, "service.sock")}
	g.Devices.Scanner.Device, g.Devices.NFC.Device, g.Devices.Camera.Device = "/dev/ttyACM0", "/dev/ttyAMA0", "/dev/video0"
	w.cfg = g
	w.Plug(usbScanner)
	w.Board("/dev/ttyAMA0", "platform/soc/fe201000.serial/tty/ttyAMA0", "of:Nserial")
	w.Board("/dev/video0", "platform/soc/fe801000.csi/video4linux/video0", "of:Ncsi")
	w.Board("/dev/gpiochip0", "platform/soc/fe200000.gpio/gpio/gpiochip0", "of:Ngpio")
	return w
}

// pairing is a file that binds what is plugged now, signed by both.
func (w *wired) pairing(t *testing.T, version int, by ...*seal.Signer) []byte {
	t.Helper()
	p, err := pairing.Draft(w.Sys(), w.cfg.Site, w.cfg.Gate, version, time.Unix(1e9, 0), deviceNodes(w.cfg))
	if err != nil {
		t.Fatal(err)
	}
	f, err := pairing.Sign(p, by[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range by[1:] {
		f.Countersign(s)
	}
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (w *wired) start(t *testing.T, last string) (*hardware, *health.Board) {
	t.Helper()
	board := health.New(nil)
	h, err := newHardware(w.cfg, w.Sys(), board, last, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	h.look()
	return h, board
}

// TestX04ChangedDeviceIsTamperUntilPaired: a gate that was never paired takes nobody; a swapped device is a
// tamper fault by its part at the next look, outlasts the swap back and a restart of nothing, and ends with a
// pairing that an officer has countersigned, and his reset.
func TestX04ChangedDeviceIsTamperUntilPaired(t *testing.T) {
	w := newWired(t)
	h, board := w.start(t, "")
	if f, blocked := board.Blocked(); !blocked || f.Code != health.DevicesUnpaired {
		t.Fatalf("not paired: %v %v", f, blocked)
	}
	if _, _, err := h.install(w.pairing(t, 1, w.technician)); err == nil {
		t.Fatal("a technician alone has paired the gate")
	}
	if was, now, err := h.install(w.pairing(t, 1, w.technician, w.officer)); err != nil || was != "none" || versionIn(now) != 1 {
		t.Fatal(was, now, err)
	}
	if f, blocked := board.Blocked(); blocked {
		t.Fatalf("paired: %v", f)
	}

	w.Unplug(usbScanner)
	other := usbScanner
	other.Serial = "OCR-78"
	w.Plug(other)
	h.look()
	if !board.Has(health.Tamper, health.PartScanner) {
		t.Fatal("another scanner, and no tamper fault")
	}
	if board.Reset(); !board.Has(health.Tamper, health.PartScanner) {
		t.Fatal("an officer's reset has ended the tamper while the other scanner is plugged")
	}
	// The next start finds it again, from the file.
	again, fresh := w.start(t, h.version())
	if !fresh.Has(health.Tamper, health.PartScanner) {
		t.Fatal("a restart has forgotten the swap")
	}
	if _, _, err := again.install(w.pairing(t, 1, w.technician, w.officer)); err == nil {
		t.Fatal("a pairing of the same version was taken")
	}
	if _, _, err := again.install(w.pairing(t, 2, w.technician, w.officer)); err != nil {
		t.Fatal(err)
	}
	if !fresh.Has(health.Tamper, health.PartScanner) {
		t.Fatal("the tamper fault is gone without an officer's reset")
	}
	if fresh.Reset(); fresh.Has(health.Tamper, health.PartScanner) {
		t.Fatal("paired and reset, and still a tamper fault")
	}
	// The pairing before it is refused at the next start: its devices are bound no more.
	if h, _ := w.start(t, "v3-00"); h.version() != "none" {
		t.Errorf("an older pairing than the last one is in use: %s", h.version())
	}
}

// TestX04UnlistedUSBDevice: what nobody paired is a tamper fault; what goes away is a lost part, no tamper.
func TestX04UnlistedUSBDevice(t *testing.T) {
	w := newWired(t)
	h, board := w.start(t, "")
	if _, _, err := h.install(w.pairing(t, 1, w.technician, w.officer)); err != nil {
		t.Fatal(err)
	}
	w.Plug(sysfake.USB{Bus: 1, Port: "4", Vendor: "04d9", Product: "1702", Name: "Keyboard", Class: "03"})
	h.look()
	if !board.Has(health.Tamper, health.PartUSB) {
		t.Error("a keyboard in a free port, and no tamper fault")
	}
	w.Unplug(usbScanner)
	h.look()
	if board.Has(health.Tamper, health.PartScanner) || !board.Has(health.ScannerLost, health.PartScanner) {
		t.Error("an unplugged scanner is a lost part")
	}
	w.Plug(usbScanner)
	h.look()
	if board.Has(health.ScannerLost, health.PartScanner) {
		t.Error("the scanner is back, and lost")
	}
}

// TestC11FoundInTwoSecondsBackInFifteen: the targets of C-11 over the real look-out and ladder: a part that is pulled is told
// within two seconds, whether somebody uses it or not; plugged in again, it is none the worse within fifteen.
func TestC11FoundInTwoSecondsBackInFifteen(t *testing.T) {
	w := newWired(t)
	h, board := w.start(t, "")
	if _, _, err := h.install(w.pairing(t, 1, w.technician, w.officer)); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan struct{})
		go func() { defer close(ended); h.run(ctx) }()
		lost := func(want bool, within time.Duration) {
			t.Helper()
			began := time.Now()
			for board.Has(health.ScannerLost, health.PartScanner) != want {
				if time.Since(began) > within {
					t.Fatalf("lost is %v after %v", !want, within)
				}
				time.Sleep(10 * time.Millisecond)
			}
		}
		for range 3 {
			w.Unplug(usbScanner)
			lost(true, 2*time.Second)
			w.Plug(usbScanner)
			lost(false, recovery.Limit)
		}
		cancel()
		<-ended
	})
	if recovery.Limit > 15*time.Second {
		t.Errorf("a recovery may take %v", recovery.Limit)
	}
}
