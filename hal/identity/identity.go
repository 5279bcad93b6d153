// Package identity tells which device stands behind a node and where it is plugged, from sysfs alone: no
// device is opened. It is what a gate's devices are bound by at commissioning and what tells devices
// that are programs.
package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"egate/hal"
)

// Identity is one device at one place. Two are the same device at the same place exactly when they are equal.
type Identity struct {
	// Port is the place: the way from the controller, without numbers that change from boot to boot. For USB
	// "pci0000:00/0000:00:14.0/usb:1.4", ports of the hubs from the root; else the path below /sys/devices.
	Port string `json:"port"`
	// Descriptors is the SHA-256, hex, of the USB descriptors as the device told them; without USB of what the
	// device tree or the firmware says that it is.
	Descriptors string `json:"descriptors"`
	// Serial is the USB serial number; empty where a device has none, which binds it to its port only.
	Serial string `json:"serial,omitempty"`
	// Vendor and Product are the USB ids, four hexadecimal digits each, and Name what the device calls itself.
	Vendor  string `json:"vendor,omitempty"`
	Product string `json:"product,omitempty"`
	Name    string `json:"name,omitempty"`
}

// Differs names what is another in now than in was, in the order of how much it tells; nil for the same device.
func (was Identity) Differs(now Identity) (in []string) {
	for _, x := range []struct{ what, a, b string }{{"port", was.Port, now.Port}, {"serial", was.Serial, now.Serial},
		{"descriptors", was.Descriptors, now.Descriptors}, {"vendor", was.Vendor, now.Vendor}, {"product", was.Product, now.Product}, {"name", was.Name, now.Name}} {
		if x.a != x.b {
			in = append(in, x.what)
		}
	}
	return in
}

// Simulated tells a device that is a program or a kernel driver without hardware, by its place: names can be
// chosen, the place of a driver in the tree cannot.
func (i Identity) Simulated() bool {
	for _, s := range []string{"virtual/", "platform/vivid", "platform/gpio-sim", "platform/gpio-mockup", "platform/dummy_hcd", "platform/vimc", "platform/v4l2loopback"} {
		if strings.HasPrefix(i.Port, s) || strings.Contains(i.Port, "/"+s) {
			return true
		}
	}
	return false
}

// maxAttribute caps what is read of one attribute, bytes: descriptors of a camera are a few kilobytes.
const maxAttribute = 64 << 10

// Sys is a tree such as /sys.
type Sys struct {
	Root string
	// Node tells the device number of a node and whether it is a block device; nil asks the file system.
	Node func(path string) (dev uint64, err error)
}

// New is the machine's own tree.
func New() Sys { return Sys{Root: "/sys"} }

func nodeOf(path string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFCHR {
		return 0, errors.New("no character device")
	}
	return uint64(st.Rdev), nil
}

// Of identifies the device behind a node such as /dev/ttyACM0, or behind a link to one. Two more forms name USB
// devices without a node of ours: "usb:VVVV:PPPP[:SERIAL]", and "usbclass:0b" for the only one of a class (a
// PC/SC reader, which belongs to pcscd). A device that is not there is hal.ErrLost.
func (s Sys) Of(node string) (Identity, error) {
	if d, named, err := s.named(node); named {
		return d.Identity, err
	}
	dir, err := s.dir(node)
	if err != nil {
		return Identity{}, err
	}
	return s.at(dir)
}

// named finds the USB device of a form that is no node.
func (s Sys) named(node string) (Device, bool, error) {
	class, byClass := strings.CutPrefix(node, "usbclass:")
	id, byID := strings.CutPrefix(node, "usb:")
	if !byClass && !byID {
		return Device{}, false, nil
	}
	all, err := s.USB()
	if err != nil {
		return Device{}, true, err
	}
	want := append(strings.SplitN(id, ":", 3), "", "")
	hits := slices.DeleteFunc(all, func(d Device) bool {
		if byClass {
			return !slices.Contains(d.Classes, class)
		}
		return !strings.EqualFold(d.Vendor, want[0]) || !strings.EqualFold(d.Product, want[1]) || want[2] != "" && d.Serial != want[2]
	})
	switch len(hits) {
	case 0:
		return Device{}, true, fmt.Errorf("identity: %s: %w", node, hal.ErrLost)
	case 1:
		return hits[0], true, nil
	}
	return Device{}, true, fmt.Errorf("identity: %s: %d USB devices match: name the serial number, or leave one plugged", node, len(hits))
}

// dir is the real path of the device's folder.
func (s Sys) dir(node string) (string, error) {
	f := s.Node
	if f == nil {
		f = nodeOf
	}
	dev, err := f(node)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO) {
		return "", fmt.Errorf("identity: %s: %w", node, hal.ErrLost)
	} else if err != nil {
		return "", fmt.Errorf("identity: %s: %w", node, err)
	}
	dir, err := filepath.EvalSymlinks(filepath.Join(s.Root, "dev/char", fmt.Sprintf("%d:%d", unix.Major(dev), unix.Minor(dev))))
	if err != nil {
		return "", fmt.Errorf("identity: %s: the kernel lists no such device: %w", node, hal.ErrLost)
	}
	return dir, nil
}

// at identifies what lies at a folder below /sys/devices.
func (s Sys) at(dir string) (Identity, error) {
	if usb := s.usbAbove(dir); usb != "" {
		return s.usb(usb)
	}
	// The class's own folders (tty/ttyAMA0, video4linux/video0, gpiochip0) are numbered by order of discovery.
	base := dir
	if d, err := filepath.EvalSymlinks(filepath.Join(dir, "device")); err == nil {
		base = d
	} else if parent := filepath.Dir(dir); strings.HasPrefix(filepath.Base(dir), "gpiochip") && !strings.HasSuffix(parent, "virtual/gpio") {
		base = parent
	}
	port, err := s.rel(base)
	if err != nil {
		return Identity{}, err
	}
	h := sha256.New()
	for _, a := range []string{"modalias", "of_node/compatible", "vendor", "device"} {
		b, _ := s.read(filepath.Join(base, a)) // absent in most trees
		fmt.Fprintf(h, "%d\x00", len(b))
		h.Write(b)
	}
	return Identity{Port: port, Descriptors: hex.EncodeToString(h.Sum(nil)), Name: s.text(dir, "name")}, nil
}

func (s Sys) rel(dir string) (string, error) {
	root, err := filepath.EvalSymlinks(filepath.Join(s.Root, "devices"))
	if err != nil {
		return "", fmt.Errorf("identity: %w", err)
	}
	rel, err := filepath.Rel(root, dir)
	if err != nil || strings.HasPrefix(rel, "..") {
		return "", fmt.Errorf("identity: %s lies outside %s", dir, root)
	}
	return rel, nil
}

// usbAbove is the folder of the USB device that a folder belongs to, empty for none.
func (s Sys) usbAbove(dir string) string {
	for len(dir) > len(s.Root) {
		if _, err := os.Stat(filepath.Join(dir, "idVendor")); err == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	return ""
}

func (s Sys) usb(dir string) (Identity, error) {
	controller := dir
	for strings.Contains(filepath.Base(controller), "-") || strings.HasPrefix(filepath.Base(controller), "usb") {
		controller = filepath.Dir(controller)
	}
	place, err := s.rel(controller)
	if err != nil {
		return Identity{}, err
	}
	b, err := s.read(filepath.Join(dir, "descriptors"))
	if err != nil { // it went away between two looks
		return Identity{}, fmt.Errorf("identity: %s: %w", filepath.Base(dir), hal.ErrLost)
	}
	sum := sha256.Sum256(b)
	name := strings.TrimSpace(s.text(dir, "manufacturer") + " " + s.text(dir, "product"))
	return Identity{Port: place + "/usb:" + s.text(dir, "devpath"), Descriptors: hex.EncodeToString(sum[:]), Serial: s.text(dir, "serial"),
		Vendor: s.text(dir, "idVendor"), Product: s.text(dir, "idProduct"), Name: name}, nil
}

// Device is one USB device with what it says that it can do.
type Device struct {
	Identity
	// Sysname is its name under /sys/bus/usb/devices for this boot, "1-1.4".
	Sysname string
	// Classes are the classes of its interfaces, two hexadecimal digits each, sorted, each once.
	Classes []string
}

// USB lists the USB devices, root hubs left out: they are the board.
func (s Sys) USB() ([]Device, error) {
	all := filepath.Join(s.Root, "bus/usb/devices")
	entries, err := os.ReadDir(all)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // a board without USB
	} else if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	var out []Device
	for _, e := range entries {
		n := e.Name()
		if !strings.Contains(n, "-") || strings.Contains(n, ":") {
			continue
		}
		dir, err := filepath.EvalSymlinks(filepath.Join(all, n))
		if err != nil {
			continue // went away between two looks
		}
		id, err := s.usb(dir)
		if errors.Is(err, hal.ErrLost) {
			continue
		} else if err != nil {
			return nil, err
		}
		d := Device{Identity: id, Sysname: n}
		parts, _ := filepath.Glob(filepath.Join(dir, n+":*"))
		for _, p := range parts {
			if c := s.text(p, "bInterfaceClass"); c != "" && !slices.Contains(d.Classes, c) {
				d.Classes = append(d.Classes, c)
			}
		}
		if c := s.text(dir, "bDeviceClass"); len(d.Classes) == 0 && c != "" { // not configured, or refused
			d.Classes = []string{c}
		}
		slices.Sort(d.Classes)
		out = append(out, d)
	}
	return out, nil
}

// Sysname is the name under /sys/bus/usb/devices of the USB device behind a node; empty when it is none.
func (s Sys) Sysname(node string) (string, error) {
	if d, named, err := s.named(node); named {
		return d.Sysname, err
	}
	dir, err := s.dir(node)
	if err != nil {
		return "", err
	}
	if usb := s.usbAbove(dir); usb != "" {
		return filepath.Base(usb), nil
	}
	return "", nil
}

func (s Sys) read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxAttribute))
}

// text is an attribute of one line: what a device says of itself, so only what prints passes.
func (s Sys) text(dir, name string) string {
	b, err := s.read(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	out := strings.Map(func(c rune) rune {
		if c < 0x20 || c > 0x7E {
			return -1
		}
		return c
	}, strings.TrimSpace(string(b)))
	return out[:min(len(out), 64)]
}
