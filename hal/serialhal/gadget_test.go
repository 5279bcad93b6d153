package serialhal

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"egate/hal"
	"egate/hal/haltest"
)

// The tests of this file plug a real USB serial device in and out, made by the kernel's gadget framework on a
// dummy controller: `make hil` boots a kernel that has them.

const (
	gadgets    = "/sys/kernel/config/usb_gadget"
	gadgetName = "usb:1d6b:0104:EGATE-1"
	gadgetNode = "/dev/ttyGS0"
	patience   = time.Minute
)

// gadget is a USB serial device with a cable.
type gadget struct {
	t    *testing.T
	dir  string
	udc  string
	node *os.File       // the device's own end
	said sync.WaitGroup // what echo started
}

// newGadget makes the device, unplugged.
func newGadget(t *testing.T) *gadget {
	t.Helper()
	if _, err := os.Stat(gadgets); err != nil {
		t.Skip("SKIP: this kernel has no USB gadgets (or configfs is not mounted): unplugging a real device is NOT tested here (make hil)")
	}
	udc, err := os.ReadDir("/sys/class/udc")
	if err != nil || len(udc) == 0 {
		t.Skip("SKIP: no dummy USB controller: unplugging a real device is NOT tested here (make hil)")
	}
	g := &gadget{t: t, dir: filepath.Join(gadgets, "egate"), udc: udc[0].Name()}
	for _, d := range []string{"", "strings/0x409", "functions/acm.usb0", "configs/c.1"} {
		p := filepath.Join(g.dir, d)
		if err := os.Mkdir(p, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Remove(p) })
	}
	g.set("idVendor", "0x1d6b")
	g.set("idProduct", "0x0104")
	g.set("strings/0x409/serialnumber", "EGATE-1")
	link := filepath.Join(g.dir, "configs/c.1/acm.usb0")
	if err := os.Symlink(filepath.Join(g.dir, "functions/acm.usb0"), link); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = os.WriteFile(filepath.Join(g.dir, "UDC"), []byte("\n"), 0)
		if g.node != nil {
			g.node.Close()
		}
		os.Remove(link)
	})
	return g
}

func (g *gadget) set(name, v string) {
	g.t.Helper()
	if err := os.WriteFile(filepath.Join(g.dir, name), []byte(v), 0); err != nil {
		g.t.Fatal(err)
	}
}

func (g *gadget) unplug() { g.set("UDC", "\n") }

// plug opens the device's own end and plugs it in. A device that lost its power remembers nothing, but the kernel hangs
// an unplugged node up some time later, and keeps for the next opening what came last and was not read.
func (g *gadget) plug() {
	g.t.Helper()
	g.said.Wait()
	if g.node != nil {
		g.node.Close()
	}
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) { // the kernel makes the node
		f, err := os.OpenFile(gadgetNode, os.O_RDWR|unix.O_NOCTTY, 0)
		if err == nil {
			g.node = f
			break
		}
		if time.Since(begin) > patience {
			g.t.Fatal(err)
		}
	}
	raw, err := unix.IoctlGetTermios(int(g.node.Fd()), unix.TCGETS)
	if err != nil {
		g.t.Fatal(err)
	}
	raw.Iflag, raw.Oflag, raw.Lflag = 0, 0, 0
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	if err := errors.Join(unix.IoctlSetTermios(int(g.node.Fd()), unix.TCSETS, raw), unix.IoctlSetInt(int(g.node.Fd()), unix.TCFLSH, unix.TCIOFLUSH)); err != nil {
		g.t.Fatal(err)
	}
	g.set("UDC", g.udc)
}

// echo lets the device say what it hears until it is unplugged.
func (g *gadget) echo() {
	f := g.node
	g.said.Go(func() { _, _ = io.Copy(struct{ io.Writer }{f}, struct{ io.Reader }{f}) })
}

// arrive opens the port as soon as the host has found the device.
func arrive(t *testing.T) *Port {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		p, err := Open(Options{Device: gadgetName})
		if err == nil {
			t.Cleanup(func() { p.Close() })
			return p
		}
		if time.Since(begin) > patience {
			t.Fatal(err)
		}
	}
}

// talk sends numbered blocks and reads them back until an error, which it returns.
func talk(ctx context.Context, p *Port, blocks int) error {
	out, in := make([]byte, 512), make([]byte, 512)
	for n := range blocks {
		for i := 0; i < len(out); i += 4 {
			binary.BigEndian.PutUint32(out[i:], uint32(n<<8|i/4))
		}
		if err := p.Write(ctx, out); err != nil {
			return err
		}
		for got := 0; got < len(in); {
			k, err := p.Read(ctx, in[got:])
			if err != nil {
				return err
			}
			got += k
		}
		if !bytes.Equal(in, out) {
			return fmt.Errorf("block %d: said %x…, heard %x…", n, out[:8], in[:8])
		}
	}
	return nil
}

// C-11: a device that is unplugged under load is lost for reader and writer, and is found again by its serial number, as
// the same node and with nothing left open.
func TestC11KernelUnplugUnderLoad(t *testing.T) {
	g := newGadget(t)
	defer g.said.Wait()
	defer g.unplug() // ends the echo
	g.plug()
	g.echo()
	p := arrive(t)
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	defer cancel()
	if err := talk(ctx, p, 5); err != nil {
		t.Fatal(err)
	}
	before := descriptors(t)
	const rounds = 5
	for round := range rounds {
		ended := make(chan error, 1)
		go func() { ended <- talk(ctx, p, 1<<20) }()
		time.Sleep(time.Duration(50+70*round) * time.Millisecond) // somewhere in the load
		g.unplug()
		if err := <-ended; !errors.Is(err, hal.ErrLost) || errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("round %d: unplugged under load: %v", round, err)
		}
		if err := p.Write(ctx, []byte("x")); !errors.Is(err, hal.ErrLost) {
			t.Errorf("round %d: written to what is gone: %v", round, err)
		}
		short, stop := context.WithTimeout(ctx, 300*time.Millisecond)
		if err := p.Reopen(short); err == nil {
			t.Errorf("round %d: reopened without a device", round)
		}
		stop()
		g.plug()
		g.echo()
		if err := p.Reopen(ctx); err != nil {
			t.Fatalf("round %d: plugged in again: %v", round, err)
		}
		if err := talk(ctx, p, 5); err != nil {
			t.Fatalf("round %d: after the return: %v", round, err)
		}
	}
	if p.Reopens() != rounds {
		t.Errorf("%d reopens", p.Reopens())
	}
	if n := descriptors(t); n > before {
		t.Errorf("%d descriptors before, %d after", before, n)
	}
	if nodes, _ := filepath.Glob("/dev/ttyACM*"); len(nodes) != 1 || nodes[0] != "/dev/ttyACM0" {
		t.Errorf("an old descriptor was held while the device came back: %q", nodes)
	}
	p.Close()
}

func TestKernelConformance(t *testing.T) {
	if _, err := os.Stat(gadgets); err != nil {
		newGadget(t) // skips
	}
	haltest.SerialPort(t, func(t *testing.T) haltest.SerialBench {
		g := newGadget(t)
		g.plug()
		return haltest.SerialBench{Port: arrive(t),
			Say: func(b []byte) {
				if _, err := g.node.Write(b); err != nil {
					t.Error(err)
				}
			},
			Hear: func(n int) []byte {
				b := make([]byte, n)
				if _, err := io.ReadFull(g.node, b); err != nil {
					t.Error(err)
				}
				return b
			},
			Unplug: g.unplug, Replug: g.plug}
	})
}
