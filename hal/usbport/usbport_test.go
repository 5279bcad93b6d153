package usbport

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"egate/hal/identity/sysfake"
)

// fakeBus notes the requests with their time.
type fakeBus struct {
	start time.Time
	did   []string
	fail  string // requests that begin so
}

func (b *fakeBus) note(s string) error {
	b.did = append(b.did, fmt.Sprintf("%s@%d", s, time.Since(b.start).Milliseconds()))
	if b.fail != "" && strings.HasPrefix(s, b.fail) {
		return errors.New("refused")
	}
	return nil
}
func (b *fakeBus) Reset(node string) error { return b.note("reset " + node) }
func (b *fakeBus) Feature(node string, request byte, feature, port uint16) error {
	return b.note(fmt.Sprintf("%d %d port %d of %s", request, feature, port, node))
}

// TestC11ResetAndPowerCycle: the device behind a hub is reset by its node, its port is switched at the hub above,
// also when the device is gone; at a root hub both of the controller's are switched; on follows off always.
func TestC11ResetAndPowerCycle(t *testing.T) {
	hub := sysfake.USB{Bus: 1, Port: "1", Vendor: "2109", Product: "3431", Class: "09", Number: 3}
	reader := sysfake.USB{Bus: 1, Port: "1.4", Vendor: "0403", Product: "6001", Class: "ff", Node: "/dev/ttyUSB0", Kind: "tty", Number: 9}
	const place = "pci0000:00/0000:00:14.0/usb:"
	for name, c := range map[string]struct {
		place string
		gone  bool
		fail  string
		do    func(*Port, context.Context) error
		want  string
		err   bool
	}{
		"reset":                {place + "1.4", false, "", (*Port).Reset, "reset /dev/bus/usb/001/009@0", false},
		"reset of nothing":     {place + "1.4", true, "", (*Port).Reset, "", true},
		"power":                {place + "1.4", false, "", (*Port).PowerCycle, "1 8 port 4 of /dev/bus/usb/001/003@0, 3 8 port 4 of /dev/bus/usb/001/003@1000", false},
		"power, device gone":   {place + "1.4", true, "", (*Port).PowerCycle, "1 8 port 4 of /dev/bus/usb/001/003@0, 3 8 port 4 of /dev/bus/usb/001/003@1000", false},
		"off is refused":       {place + "1.4", false, "1 8", (*Port).PowerCycle, "1 8 port 4 of /dev/bus/usb/001/003@0, 3 8 port 4 of /dev/bus/usb/001/003@1000", true},
		"at a root hub":        {place + "1", false, "", (*Port).PowerCycle, "1 8 port 1 of /dev/bus/usb/001/001@0, 1 8 port 1 of /dev/bus/usb/002/001@0, 3 8 port 1 of /dev/bus/usb/001/001@1000, 3 8 port 1 of /dev/bus/usb/002/001@1000", false},
		"no such hub":          {place + "7.1", false, "", (*Port).PowerCycle, "", true},
		"no such controller":   {"platform/other/usb:1", false, "", (*Port).PowerCycle, "", true},
		"a port without digit": {place + "1.x", false, "", (*Port).PowerCycle, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := sysfake.New(t)
				f.RootHub(1, "")
				f.RootHub(2, "")
				f.Plug(hub)
				f.Plug(reader)
				if c.gone {
					f.Unplug(reader)
				}
				p, err := At(f.Sys(), c.place)
				if err != nil {
					t.Fatal(err)
				}
				b := &fakeBus{start: time.Now(), fail: c.fail}
				p.bus = b
				if err := c.do(p, t.Context()); (err != nil) != c.err {
					t.Errorf("%v", err)
				}
				if got := strings.Join(b.did, ", "); got != c.want {
					t.Errorf("did\n%s\nwant\n%s", got, c.want)
				}
			})
		})
	}
	if _, err := At(sysfake.New(t).Sys(), "platform/soc/fe201000.serial"); !errors.Is(err, ErrNone) {
		t.Errorf("a UART: %v", err)
	}
}
