// Package usbport resets a USB device and switches the power of its port off and on, through sysfs and usbfs
// (C-11). It is what is left for a device whose firmware hangs, when opening it again does not help.
//
// What the caller must know: a reset ends every open descriptor of the device, so nobody may hold its lease; the
// power of a port goes off only behind a hub that switches each port by itself (most do not: then the device
// stays powered and the cycle is no more than a second reset). usbfs nodes must be writable (72-egate.rules).
package usbport

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"egate/hal/identity"
)

// ErrNone says that a device is at no USB port: a UART or a camera of the board.
var ErrNone = errors.New("usbport: the device is at no USB port")

const (
	// off is how long a port stays without power: capacitors of readers hold for some 100 ms.
	off = time.Second
	// ioctl numbers of linux/usbdevice_fs.h.
	usbdevfsReset = 0x5514
	// Hub class requests (USB 2.0 §11.24.2).
	setFeature   = 0x03
	clearFeature = 0x01
	portPower    = 8
	hubPort      = 0x23 // host to device, class, other
)

// bus is the kernel below; a variable part for tests.
type bus interface {
	// Reset resets the device of a usbfs node.
	Reset(node string) error
	// Feature sends a request of the hub class to the hub of a node.
	Feature(node string, request byte, feature, port uint16) error
}

// Port is the port of one device. Its place is that of the pairing: it is found again when the device is gone.
type Port struct {
	sys   identity.Sys
	place string // identity.Identity.Port
	bus   bus
	dev   string // /dev/bus/usb
}

// At is the port at a place such as identity.Identity.Port tells; ErrNone when that is no USB port.
func At(sys identity.Sys, place string) (*Port, error) {
	if !strings.Contains(place, "/usb:") {
		return nil, ErrNone
	}
	return &Port{sys, place, usbfs{}, "/dev/bus/usb"}, nil
}

// Reset resets the device, as if it had been plugged again without a change of power.
func (p *Port) Reset(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	controller, chain, _ := strings.Cut(p.place, "/usb:")
	dirs, err := p.find(controller, chain)
	if err != nil {
		return err
	}
	if len(dirs) == 0 {
		return fmt.Errorf("usbport: nothing is plugged at %s", p.place)
	}
	node, err := p.node(dirs[0])
	if err != nil {
		return err
	}
	if err := p.bus.Reset(node); err != nil {
		return fmt.Errorf("usbport: reset at %s: %w", p.place, err)
	}
	return nil
}

// PowerCycle switches the port off for a second and on again. Behind a controller with two root hubs (USB 2 and
// 3) both are switched: they share the wire. On is tried whatever became of off.
func (p *Port) PowerCycle(ctx context.Context) error {
	controller, chain, _ := strings.Cut(p.place, "/usb:")
	above, last := "0", chain // devpath of a root hub
	if i := strings.LastIndexByte(chain, '.'); i >= 0 {
		above, last = chain[:i], chain[i+1:]
	}
	n, err := strconv.ParseUint(last, 10, 8)
	if err != nil {
		return fmt.Errorf("usbport: %s names no port", p.place)
	}
	hubs, err := p.find(controller, above)
	if err != nil {
		return err
	}
	if len(hubs) == 0 {
		return fmt.Errorf("usbport: the hub above %s is not there", p.place)
	}
	var nodes []string
	for _, h := range hubs {
		node, err := p.node(h)
		if err != nil {
			return err
		}
		nodes = append(nodes, node)
	}
	var errs []error
	for _, node := range nodes {
		errs = append(errs, p.bus.Feature(node, clearFeature, portPower, uint16(n)))
	}
	t := time.NewTimer(off)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		errs = append(errs, ctx.Err())
	}
	for _, node := range nodes {
		errs = append(errs, p.bus.Feature(node, setFeature, portPower, uint16(n)))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("usbport: power at %s: %w", p.place, err)
	}
	return nil
}

// find lists the folders of the devices at a controller with a devpath.
func (p *Port) find(controller, devpath string) (dirs []string, err error) {
	all := filepath.Join(p.sys.Root, "bus/usb/devices")
	entries, err := os.ReadDir(all)
	if err != nil {
		return nil, fmt.Errorf("usbport: %w", err)
	}
	root, err := filepath.EvalSymlinks(filepath.Join(p.sys.Root, "devices", controller))
	if err != nil {
		return nil, fmt.Errorf("usbport: controller %s: %w", controller, err)
	}
	for _, e := range entries {
		dir, err := filepath.EvalSymlinks(filepath.Join(all, e.Name()))
		if err != nil || strings.Contains(e.Name(), ":") || !strings.HasPrefix(dir, root+"/usb") {
			continue
		}
		if b, err := os.ReadFile(filepath.Join(dir, "devpath")); err == nil && strings.TrimSpace(string(b)) == devpath {
			dirs = append(dirs, dir)
		}
	}
	return dirs, nil
}

// node is the usbfs node of a device.
func (p *Port) node(dir string) (string, error) {
	var n [2]uint64
	for i, a := range []string{"busnum", "devnum"} {
		b, err := os.ReadFile(filepath.Join(dir, a))
		if err != nil {
			return "", fmt.Errorf("usbport: %w", err)
		}
		if n[i], err = strconv.ParseUint(strings.TrimSpace(string(b)), 10, 16); err != nil {
			return "", fmt.Errorf("usbport: %s of %s: %w", a, filepath.Base(dir), err)
		}
	}
	return filepath.Join(p.dev, fmt.Sprintf("%03d/%03d", n[0], n[1])), nil
}

type usbfs struct{}

func (usbfs) Reset(node string) error {
	f, err := os.OpenFile(node, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, f.Fd(), usbdevfsReset, 0); e != 0 {
		return e
	}
	return nil
}

// control is struct usbdevfs_ctrltransfer.
type control struct {
	requestType, request byte
	value, index, length uint16
	timeout              uint32 // ms
	data                 uintptr
}

func (usbfs) Feature(node string, request byte, feature, port uint16) error {
	f, err := os.OpenFile(node, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	c := control{requestType: hubPort, request: request, value: feature, index: port, timeout: 1000}
	// USBDEVFS_CONTROL is _IOWR('U', 0, struct usbdevfs_ctrltransfer).
	number := uintptr(3)<<30 | unsafe.Sizeof(c)<<16 | 'U'<<8
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, f.Fd(), number, uintptr(unsafe.Pointer(&c))); e != 0 {
		return e
	}
	return nil
}
