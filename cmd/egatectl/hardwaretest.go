package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"egate/configs"
	"egate/hal"
	"egate/hal/mrzscan"
	"egate/hal/pcsc"
	"egate/hal/pn532"
	"egate/hal/serialhal"
	"egate/hal/simhal"
	"egate/hal/v4l2"
	"egate/health"
	"egate/service"
)

// Limits of the tests.
const (
	openLimit = 10 * time.Second
	doorLimit = 70 * time.Second // M-02: 60 s at most, and the way of the answer
	frames    = 30
	minFPS    = 8
)

const (
	partDoors   = "doors"
	partSounder = "sounder"
)

func hardwareTest(ctx context.Context, out io.Writer, args []string) error {
	var b bench
	f := flags("hardware test", out)
	b.flags(f, true)
	enter := f.Bool("service", false, "bring the gate into service mode first, and close it afterwards")
	code := f.String("code", "", "an officer's `code` (egatectl service code), where the gate's network is dead and no officer can be asked")
	card := f.Bool("card", false, "chip_reader: wait for a card too")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 {
		return errUsage
	}
	k, err := b.reach(ctx)
	if err != nil {
		return err
	}
	defer k.Close()
	if *enter {
		if err := enterService(k, *code); err != nil {
			return fmt.Errorf("service mode: %w", err)
		}
		defer func() { _ = order(k, "gate_close") }() // an officer opens the gate
	}
	said, err := b.test(ctx, k, f.Arg(0), *card)
	for _, l := range said {
		fmt.Fprintf(out, "  %s\n", l)
	}
	if err != nil {
		fmt.Fprintf(out, "FAIL %s\n", f.Arg(0))
		return err
	}
	fmt.Fprintf(out, "PASS %s\n", f.Arg(0))
	return nil
}

// enterService brings the gate into service: an officer has released it, or gave the technician a code.
func enterService(k *service.Client, code string) error {
	err := give(k, service.Request{Name: service.AskOrder, Order: "gate_service", Code: code})
	if err != nil && strings.HasSuffix(err.Error(), ": officer_release") {
		err = fmt.Errorf("%w: an officer sets the gate to service mode at the desk; while its network is dead a code does (egatectl service code)", err)
	}
	return err
}

// order gives one to the gate; a rejection is an error with its reason.
func order(k *service.Client, name string) error {
	return give(k, service.Request{Name: service.AskOrder, Order: name})
}

func give(k *service.Client, q service.Request) error {
	r, err := k.Do(q)
	switch {
	case err != nil:
		return err
	case r.Order == nil:
		return fmt.Errorf("%w: %s: no answer", service.ErrRefused, q.Order)
	case r.Order.Result != "accepted":
		return fmt.Errorf("%w: %s: %s", service.ErrRefused, q.Order, r.Order.Reason)
	}
	return nil
}

// test runs the self-test of one part. What it says is for a technician and the report: nothing that a document
// holds.
func (b *bench) test(ctx context.Context, k *service.Client, part string, card bool) ([]string, error) {
	switch part {
	case health.PartLines:
		return b.testLines(ctx)
	case partDoors:
		return testDoors(ctx, k)
	case partSounder:
		return b.testSounder(ctx, k)
	case health.PartScanner, health.PartNFC, health.PartCamera:
	default:
		return nil, fmt.Errorf("%q is no part with a self-test: %s, %s, %s, %s, %s or %s", part, health.PartLines, partDoors, partSounder, health.PartScanner, health.PartNFC, health.PartCamera)
	}
	if _, err := k.Do(service.Request{Name: service.AskHold, Part: part}); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, openLimit)
	defer cancel()
	switch part {
	case health.PartScanner:
		return b.testScanner(ctx)
	case health.PartNFC:
		return b.testReader(ctx, card)
	}
	return b.testCamera(ctx)
}

// testLines looks at the lines once: every input can be read and no two contradict each other.
func (b *bench) testLines(ctx context.Context) ([]string, error) {
	k, err := b.dial(ctx) // watching ends what else a connection says
	if err != nil {
		return nil, err
	}
	defer k.Close()
	if err := k.Watch(); err != nil {
		return nil, err
	}
	r, err := k.Next()
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, n := range slices.Sorted(maps.Keys(r.Lines.Inputs)) {
		if r.Lines.Inputs[n] == "unknown" {
			errs = append(errs, fmt.Errorf("%s cannot be read", n))
		}
	}
	for _, d := range []string{"entry", "exit"} {
		if r.Lines.Inputs[d+"_closed"] == "high" && r.Lines.Inputs[d+"_open"] == "high" {
			errs = append(errs, fmt.Errorf("both end contacts of the %s door are made", d))
		}
	}
	for _, n := range []string{"fire_ok", "tamper_ok"} {
		if r.Lines.Inputs[n] != "high" {
			errs = append(errs, fmt.Errorf("%s is not healthy", n))
		}
	}
	for n, v := range r.Lines.Outputs {
		if strings.HasSuffix(n, "_pulse") && v != "low" {
			errs = append(errs, fmt.Errorf("%s is %s outside of a pulse", n, v))
		}
	}
	return []string{fmt.Sprintf("%d inputs, %d outputs", len(r.Lines.Inputs), len(r.Lines.Outputs))}, errors.Join(errs...)
}

// testDoors lets the gate move both doors there and back by its own rules.
func testDoors(ctx context.Context, k *service.Client) ([]string, error) {
	began := time.Now().Add(-time.Second) // the gate's time stamp is of the same clock, rounded
	if err := order(k, "self_test"); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, doorLimit)
	defer cancel()
	t := time.NewTicker(500 * time.Millisecond)
	defer t.Stop()
	for {
		r, err := k.Do(service.Request{Name: service.AskState})
		if err != nil {
			return nil, err
		}
		if s := r.State.SelfTest; s != nil && s.At.After(began) {
			if !s.Passed {
				return nil, fmt.Errorf("the doors did not go their way: %s", s.Reason)
			}
			return []string{fmt.Sprintf("both doors there and back in %.1f s", s.At.Sub(began).Seconds())}, nil
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil, errors.New("the gate has not told an end of the self-test")
		}
	}
}

// soundLimit is how long the gate may take to play all its tones.
const soundLimit = 30 * time.Second

// testSounder has every tone played and sees the line go High and Low again; whether it is heard, and how loud, a person
// tells.
func (b *bench) testSounder(ctx context.Context, k *service.Client) ([]string, error) {
	if _, wired := b.cfg.Lines.Outputs[configs.LineSounder]; wired && b.cfg.Sound.Limit == 0 {
		return nil, errors.New("sound.limit is 0: this gate is silent by its configuration")
	}
	eye, err := b.dial(ctx) // watching ends what else a connection says
	if err != nil {
		return nil, err
	}
	defer eye.Close()
	if err := eye.Watch(); err != nil {
		return nil, err
	}
	if _, err := k.Do(service.Request{Name: service.AskSound}); err != nil {
		return nil, err
	}
	late := time.Now().Add(soundLimit)
	for sounded, level := false, ""; !sounded || level != "low"; {
		r, err := eye.Next()
		if err != nil {
			return nil, err
		}
		level = r.Lines.Outputs[configs.LineSounder]
		sounded = sounded || level == "high"
		if time.Now().After(late) {
			return nil, fmt.Errorf("the gate played its tones, and line %s was not seen to go High and Low again: it is %s", configs.LineSounder, level)
		}
	}
	return []string{"played: go (once), call (twice), alarm (three times); listen for three that differ"}, nil
}

func (b *bench) openScanner(ctx context.Context) (hal.DocumentScanner, func(), error) {
	d := b.cfg.Devices.Scanner
	if d.Driver == "wedge" {
		s, err := mrzscan.OpenWedge(mrzscan.WedgeOptions{Device: d.Device, Layout: d.Layout, RefuseVirtual: !b.cfg.Simulated})
		if err != nil {
			return nil, nil, err
		}
		return s, func() { _ = s.Close() }, nil
	}
	port, err := serialhal.Open(serialhal.Options{Device: d.Device, Baud: d.Baud, RefusePseudo: !b.cfg.Simulated})
	if err != nil {
		return nil, nil, err
	}
	s, err := mrzscan.Open(ctx, port, mrzscan.Options{})
	if err != nil {
		_ = port.Close()
		return nil, nil, err
	}
	return s, func() { _ = s.Close(); _ = port.Close() }, nil
}

func (b *bench) testScanner(ctx context.Context) ([]string, error) {
	s, done, err := b.openScanner(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	scan, err := s.Next(ctx)
	wipeLines(scan.Lines)
	switch {
	case err == nil:
		return []string{"the port is open, and the scanner has spoken"}, nil
	case ctx.Err() != nil:
		return []string{"the port is open; the scanner says nothing without a document, as most do"}, nil
	}
	return nil, err
}

func wipeLines(lines [][]byte) {
	for _, l := range lines {
		clear(l)
	}
}

func (b *bench) openReader(ctx context.Context) (hal.CardReader, []string, error) {
	d := b.cfg.Devices.NFC
	if d.Driver == "pcsc" {
		r, err := pcsc.Open(ctx, pcsc.Options{Socket: d.Device, Reader: d.Reader, RefuseVirtual: !b.cfg.Simulated})
		return r, []string{"PC/SC reader through pcscd"}, err
	}
	port, err := serialhal.Open(serialhal.Options{Device: d.Device, RefusePseudo: !b.cfg.Simulated})
	if err != nil {
		return nil, nil, err
	}
	r, err := pn532.Open(ctx, port, pn532.Options{Baud: d.Baud})
	if err != nil {
		_ = port.Close()
		return nil, nil, err
	}
	return portReader{r, port}, []string{fmt.Sprintf("%s at %d baud", r.Version(), r.Baud())}, nil
}

func (b *bench) testReader(ctx context.Context, card bool) ([]string, error) {
	r, said, err := b.openReader(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if err := r.Reset(ctx); err != nil {
		return said, fmt.Errorf("the field: %w", err)
	}
	said = append(said, "the field goes off and on")
	if !card {
		return said, nil
	}
	c, err := r.Connect(ctx)
	if err != nil {
		return said, err
	}
	defer c.Close()
	// The application of a travel document (ICAO Doc 9303-10 §3.6.2).
	sw, err := c.Transmit(ctx, []byte{0x00, 0xA4, 0x04, 0x0C, 0x07, 0xA0, 0x00, 0x00, 0x02, 0x47, 0x10, 0x01})
	if err != nil {
		return said, err
	}
	if len(sw) != 2 || sw[0] != 0x90 {
		return said, errors.New("the card is no travel document")
	}
	return append(said, "a travel document answers"), nil
}

func (b *bench) openCamera() (hal.Camera, error) {
	d := b.cfg.Devices.Camera
	if d.Driver == "simhal" {
		return simhal.DialCamera(d.Device)
	}
	return v4l2.Open(v4l2.Options{Device: d.Device, Width: d.Width, Height: d.Height, MJPEG: true, Grey: true, RefuseVirtual: !b.cfg.Simulated})
}

// testCamera takes frames and keeps none: their number and brightness are told.
func (b *bench) testCamera(ctx context.Context) ([]string, error) {
	c, err := b.openCamera()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var f hal.Frame
	defer func() { clear(f.Pix[:cap(f.Pix)]) }()
	if err := c.Next(ctx, &f); err != nil {
		return nil, err
	}
	first, start, lost := f.Seq, time.Now(), 0
	var mean float64
	for range frames {
		was := f.Seq
		if err := c.Next(ctx, &f); err != nil {
			return nil, err
		}
		lost += int(f.Seq - was - 1)
		mean += brightness(&f) / frames
	}
	fps := float64(f.Seq-first) / time.Since(start).Seconds()
	said := []string{fmt.Sprintf("%d x %d, %.1f frames a second, %d of %d not taken, mean brightness %.0f of 255", f.Width, f.Height, fps, lost, f.Seq-first, mean)}
	switch {
	case fps < minFPS:
		return said, fmt.Errorf("%.1f frames a second; %d are needed", fps, minFPS)
	case mean < 8:
		return said, errors.New("the picture is black: lens cap, or no light")
	case mean > 247:
		return said, errors.New("the picture is white: over-exposed")
	}
	return said, nil
}

// brightness is the mean of a sample of a frame's bytes of light, 0 to 255.
func brightness(f *hal.Frame) float64 {
	step, n := 1, f.Stride*f.Height
	switch f.Format {
	case hal.PixelYUYV:
		step = 2
	case hal.PixelMJPEG:
		return 128 // compressed: not looked at here
	}
	n = min(n, len(f.Pix))
	sum, count := 0, 0
	for i := 0; i < n; i += step * 16 {
		sum += int(f.Pix[i])
		count++
	}
	return float64(sum) / float64(max(count, 1))
}
