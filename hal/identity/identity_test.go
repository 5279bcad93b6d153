package identity_test

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"egate/hal"
	"egate/hal/identity"
	"egate/hal/identity/sysfake"
)

var scanner = sysfake.USB{Bus: 1, Port: "1.4", Vendor: "0483", Product: "5740", Serial: "OCR-77", Name: "OCR scanner", Class: "02", More: []string{"0a"}, Node: "/dev/ttyACM0", Kind: "tty"}

func of(t *testing.T, f *sysfake.Tree, node string) identity.Identity {
	t.Helper()
	id, err := f.Sys().Of(node)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestX04Identity: the same device at the same port is the same under another name and another number of its
// bus; another port, serial number or descriptor is another, and is named.
func TestX04Identity(t *testing.T) {
	f := sysfake.New(t)
	f.Plug(scanner)
	was := of(t, f, "/dev/ttyACM0")
	if was.Port != "pci0000:00/0000:00:14.0/usb:1.4" || was.Serial != "OCR-77" || was.Vendor != "0483" || was.Name != "OCR scanner" || len(was.Descriptors) != 64 {
		t.Fatalf("%+v", was)
	}
	if was.Simulated() {
		t.Error("a USB device counts as simulated")
	}
	for name, c := range map[string]struct {
		change func(*sysfake.USB)
		want   []string
	}{
		"other name and bus": {func(u *sysfake.USB) { u.Node, u.Bus = "/dev/ttyACM1", 3 }, nil},
		"other port":         {func(u *sysfake.USB) { u.Port = "1.3" }, []string{"port"}},
		"other controller":   {func(u *sysfake.USB) { u.Controller = "platform/fd500000.pcie" }, []string{"port"}},
		"other serial":       {func(u *sysfake.USB) { u.Serial = "OCR-78" }, []string{"serial", "descriptors"}},
		"no serial":          {func(u *sysfake.USB) { u.Serial = "" }, []string{"serial", "descriptors"}},
		"one more keyboard":  {func(u *sysfake.USB) { u.More = append(slices.Clone(u.More), "03") }, []string{"descriptors"}},
		"other product":      {func(u *sysfake.USB) { u.Product = "5741" }, []string{"descriptors", "product"}},
	} {
		u := scanner
		c.change(&u)
		g := sysfake.New(t)
		g.Plug(u)
		if got := was.Differs(of(t, g, u.Node)); !slices.Equal(got, c.want) {
			t.Errorf("%s: differs in %v, want %v", name, got, c.want)
		}
	}
	f.Unplug(scanner)
	if _, err := f.Sys().Of("/dev/ttyACM0"); !errors.Is(err, hal.ErrLost) {
		t.Errorf("unplugged: %v", err)
	}
}

// TestX08SimulatedDevicesAreTold: devices of the kernel without hardware are told by their place in the tree.
func TestX08SimulatedDevicesAreTold(t *testing.T) {
	for path, want := range map[string]bool{
		"platform/vivid.0/video4linux/video0":             true,
		"platform/v4l2loopback/video4linux/video0":        true,
		"virtual/video4linux/v/video4linux/video0":        true,
		"platform/gpio-sim.0/gpio/gpiochip0":              true,
		"platform/soc/fe201000.serial/tty/ttyAMA0":        false,
		"platform/soc/fe801000.csi/video4linux/video0":    false,
		"platform/vividly-named.serial/tty/ttyAMA0/x/y":   true, // refused rather than trusted
		"pci0000:00/0000:00:1f.0/serial8250/tty/ttyS0":    false,
		"platform/soc/not-virtual/serial/tty/ttyAMA0/a/b": false,
	} {
		f := sysfake.New(t)
		f.Board("/dev/node", path, "of:NserialT(null)Carm,pl011")
		id := of(t, f, "/dev/node")
		if id.Simulated() != want || id.Port != filepath.Dir(filepath.Dir(path)) {
			t.Errorf("%s: %+v simulated %v", path, id, id.Simulated())
		}
	}
	f := sysfake.New(t)
	u := scanner
	u.Controller = "platform/dummy_hcd.0"
	f.Plug(u)
	if !of(t, f, u.Node).Simulated() {
		t.Error("a USB gadget of this machine passes for a device")
	}
}

func TestX04USBDevicesAndClasses(t *testing.T) {
	f := sysfake.New(t)
	f.Plug(scanner)
	f.Plug(sysfake.USB{Bus: 1, Port: "2", Vendor: "046d", Product: "c31c", Name: "Keyboard", Class: "03"})
	all, err := f.Sys().USB()
	if err != nil || len(all) != 2 {
		t.Fatalf("%+v %v", all, err)
	}
	slices.SortFunc(all, func(a, b identity.Device) int { return len(b.Sysname) - len(a.Sysname) })
	if !slices.Equal(all[0].Classes, []string{"02", "0a"}) || !slices.Equal(all[1].Classes, []string{"03"}) || all[1].Port != "pci0000:00/0000:00:14.0/usb:2" {
		t.Errorf("%+v", all)
	}
	for node, want := range map[string]string{"usbclass:03": "1-2", "usb:0483:5740": "1-1.4", "usb:0483:5740:OCR-77": "1-1.4"} {
		if n, err := f.Sys().Sysname(node); err != nil || n != want {
			t.Errorf("%s: %q %v", node, n, err)
		}
		if _, err := f.Sys().Of(node); err != nil {
			t.Errorf("%s: %v", node, err)
		}
	}
	for _, node := range []string{"usbclass:0b", "usb:0483:5740:OTHER", "usb:0483"} {
		if _, err := f.Sys().Of(node); !errors.Is(err, hal.ErrLost) {
			t.Errorf("%s: %v", node, err)
		}
	}
	f.Plug(sysfake.USB{Bus: 2, Port: "2", Vendor: "046d", Product: "c31c", Name: "Keyboard", Class: "03"})
	if _, err := f.Sys().Of("usbclass:03"); err == nil || errors.Is(err, hal.ErrLost) {
		t.Errorf("two of one class: %v", err)
	}
	if n, err := f.Sys().Sysname("/dev/ttyACM0"); err != nil || n != "1-1.4" {
		t.Errorf("%q %v", n, err)
	}
}

// What a device says of itself is hostile text.
func TestHostileNames(t *testing.T) {
	f := sysfake.New(t)
	u := scanner
	u.Name = "\x1b[2Jevil\n\x00name" + string(make([]byte, 500)) + "é"
	f.Plug(u)
	for _, c := range of(t, f, u.Node).Name {
		if c < 0x20 || c > 0x7e {
			t.Fatalf("%q", of(t, f, u.Node).Name)
		}
	}
}

// On the machine of the test: what is listed does not fail, whatever is plugged.
func TestThisMachine(t *testing.T) {
	if _, err := identity.New().USB(); err != nil {
		t.Error(err)
	}
	if _, err := identity.New().Of("/dev/no-such-node"); !errors.Is(err, hal.ErrLost) {
		t.Error(err)
	}
	id, err := identity.New().Of("/dev/null")
	if err != nil || !id.Simulated() {
		t.Errorf("%+v %v", id, err)
	}
}
