package main

import (
	"path/filepath"
	"testing"
	"time"

	"egate/configs"
	"egate/hal"
	"egate/hal/simhal"
	"egate/inspect/decoder/selfchild"
	"egate/sim/pn532end"
	"egate/sim/scanner"
)

// TestC11Probe: a probe opens the real driver, asks and closes; what is not there does not answer.
func TestC11Probe(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	d := devices{configs.Devices{Scanner: configs.Device{Driver: "mrzscan", Device: at("scanner")}, NFC: configs.Device{Driver: "pn532", Device: at("nfc"), Baud: 921600},
		Camera: configs.Camera{Driver: "simhal", Device: at("camera")}}, true, selfchild.Prefork}
	for _, device := range []string{"scanner", "nfc", "camera", "door"} {
		if err := probe(d, device); err == nil {
			t.Errorf("%s answers and is not there", device)
		}
	}
	glass, err := scanner.Open(at("scanner"))
	if err != nil {
		t.Fatal(err)
	}
	defer glass.Close()
	antenna, err := pn532end.Open(at("nfc"))
	if err != nil {
		t.Fatal(err)
	}
	defer antenna.Close()
	view, err := simhal.NewCameraServer(at("camera"), 64, 48, 30, func(_ time.Duration, f *hal.Frame) {
		for i := range f.Pix {
			f.Pix[i] = 120
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	for range 2 { // nothing is left open by the first
		for _, device := range []string{"scanner", "nfc", "camera"} {
			if err := probe(d, device); err != nil {
				t.Errorf("%s: %v", device, err)
			}
		}
	}
}
