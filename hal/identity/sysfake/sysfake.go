// Package sysfake builds a tree such as /sys for tests, with the folders, links and attributes that the
// kernel makes for USB and board devices.
package sysfake

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"egate/hal/identity"
)

// Tree is a fake /sys with its nodes.
type Tree struct {
	t     testing.TB
	Root  string
	mu    sync.Mutex
	nodes map[string]uint64
	next  uint32
}

// New makes an empty tree.
func New(t testing.TB) *Tree {
	f := &Tree{t: t, Root: t.TempDir(), nodes: map[string]uint64{}}
	for _, d := range []string{"devices", "dev/char", "bus/usb/devices"} {
		f.mkdir(d)
	}
	return f
}

// Sys is the tree as package identity reads it.
func (f *Tree) Sys() identity.Sys {
	return identity.Sys{Root: f.Root, Node: func(p string) (uint64, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		d, ok := f.nodes[p]
		if !ok {
			return 0, os.ErrNotExist
		}
		return d, nil
	}}
}

// USB is one USB device.
type USB struct {
	Controller string // "pci0000:00/0000:00:14.0"; that is also the default
	Bus        int
	Port       string // "1.4"
	Vendor     string
	Product    string
	Serial     string
	Name       string
	Class      string   // of its interfaces, "02"
	More       []string // classes of further interfaces
	Node       string   // "/dev/ttyACM0"; empty for none
	Kind       string   // folder of the node's class, "tty"
	Number     int      // of the device on its bus
}

// Sysname is what the kernel calls it in this boot.
func (u USB) Sysname() string { return fmt.Sprintf("%d-%s", u.Bus, u.Port) }

func (u USB) dir() string {
	c := u.Controller
	if c == "" {
		c = "pci0000:00/0000:00:14.0"
	}
	d := fmt.Sprintf("devices/%s/usb%d", c, u.Bus)
	parts := strings.Split(u.Port, ".")
	for i := range parts {
		d += fmt.Sprintf("/%d-%s", u.Bus, strings.Join(parts[:i+1], "."))
	}
	return d
}

// Plug puts a USB device into the tree.
func (f *Tree) Plug(u USB) {
	f.t.Helper()
	d := u.dir()
	f.mkdir(d)
	for a, v := range map[string]string{"idVendor": u.Vendor, "idProduct": u.Product, "product": u.Name, "devpath": u.Port, "bDeviceClass": "00", "serial": u.Serial,
		"busnum": fmt.Sprint(u.Bus), "devnum": fmt.Sprint(u.Number), "authorized": "1",
		"descriptors": "\x12\x01" + u.Vendor + u.Product + u.Serial + u.Class + strings.Join(u.More, "")} {
		if a != "serial" || v != "" {
			f.write(d+"/"+a, v)
		}
	}
	for i, c := range append([]string{u.Class}, u.More...) {
		f.mkdir(fmt.Sprintf("%s/%s:1.%d", d, u.Sysname(), i))
		f.write(fmt.Sprintf("%s/%s:1.%d/bInterfaceClass", d, u.Sysname(), i), c)
	}
	f.link("bus/usb/devices/"+u.Sysname(), d)
	if u.Node != "" {
		f.node(u.Node, fmt.Sprintf("%s/%s:1.0/%s/%s", d, u.Sysname(), u.Kind, filepath.Base(u.Node)))
	}
}

// RootHub puts the root hub of a bus into the tree; the empty controller is that of USB.
func (f *Tree) RootHub(bus int, controller string) {
	if controller == "" {
		controller = "pci0000:00/0000:00:14.0"
	}
	d := fmt.Sprintf("devices/%s/usb%d", controller, bus)
	for a, v := range map[string]string{"devpath": "0", "busnum": fmt.Sprint(bus), "devnum": "1", "idVendor": "1d6b", "idProduct": "0002"} {
		f.write(d+"/"+a, v)
	}
	f.link(fmt.Sprintf("bus/usb/devices/usb%d", bus), d)
}

// Unplug takes it away again.
func (f *Tree) Unplug(u USB) {
	f.t.Helper()
	f.remove(u.Node)
	if err := os.Remove(filepath.Join(f.Root, "bus/usb/devices", u.Sysname())); err != nil {
		f.t.Error(err)
	}
	if err := os.RemoveAll(filepath.Join(f.Root, u.dir())); err != nil {
		f.t.Error(err)
	}
}

// Board puts a device without USB into the tree, at a path below devices: "platform/soc/fe201000.serial/tty/ttyAMA0".
func (f *Tree) Board(node, path, modalias string) {
	f.t.Helper()
	d := "devices/" + path
	f.node(node, d)
	parent := filepath.Dir(filepath.Dir(d))
	f.write(parent+"/modalias", modalias)
	f.link(d+"/device", parent)
}

// Gone takes a node away; its place stays.
func (f *Tree) Gone(node string) { f.remove(node) }

func (f *Tree) remove(node string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.nodes, node)
}

func (f *Tree) node(node, dir string) {
	f.mkdir(dir)
	f.mu.Lock()
	f.next++
	dev := unix.Mkdev(166, f.next)
	f.nodes[node] = dev
	f.mu.Unlock()
	f.link(fmt.Sprintf("dev/char/%d:%d", unix.Major(dev), unix.Minor(dev)), dir)
}

func (f *Tree) mkdir(d string) {
	if err := os.MkdirAll(filepath.Join(f.Root, d), 0o755); err != nil {
		f.t.Fatal(err)
	}
}

func (f *Tree) write(p, v string) {
	f.mkdir(filepath.Dir(p))
	if err := os.WriteFile(filepath.Join(f.Root, p), []byte(v+"\n"), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

func (f *Tree) link(p, to string) {
	f.mkdir(filepath.Dir(p))
	_ = os.Remove(filepath.Join(f.Root, p))
	if err := os.Symlink(filepath.Join(f.Root, to), filepath.Join(f.Root, p)); err != nil {
		f.t.Fatal(err)
	}
}
