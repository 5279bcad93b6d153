package main

import (
	"context"
	"errors"
	"fmt"

	"egate/configs"
	"egate/hal"
	"egate/hal/exposure"
	"egate/hal/mrzscan"
	"egate/hal/pcsc"
	"egate/hal/pn532"
	"egate/hal/serialhal"
	"egate/hal/simhal"
	"egate/hal/v4l2"
	"egate/inspect"
	"egate/inspect/decoder"
)

// devices opens the drivers that the configuration names.
type devices struct {
	cfg       configs.Devices
	simulated bool
	// frames is the child that decodes the pictures of a camera that compresses them.
	frames func() (*decoder.Worker, error)
}

// scannerPort closes the port with the scanner on it.
type scannerPort struct {
	hal.DocumentScanner
	port hal.SerialPort
}

func (s scannerPort) Close() error {
	err := s.DocumentScanner.Close()
	if perr := s.port.Close(); err == nil {
		err = perr
	}
	return err
}

func (d devices) Scanner(ctx context.Context) (hal.DocumentScanner, error) {
	if d.cfg.Scanner.Driver == "wedge" {
		return mrzscan.OpenWedge(mrzscan.WedgeOptions{Device: d.cfg.Scanner.Device, Layout: d.cfg.Scanner.Layout, RefuseVirtual: !d.simulated})
	}
	port, err := serialhal.Open(serialhal.Options{Device: d.cfg.Scanner.Device, RefusePseudo: !d.simulated})
	if err != nil {
		return nil, err
	}
	s, err := mrzscan.Open(ctx, port, mrzscan.Options{})
	if err != nil {
		_ = port.Close()
		return nil, err
	}
	return scannerPort{s, port}, nil
}

// simulatedPatience is for a reader that is a program on this machine.
const simulatedPatience = 5

type readerPort struct {
	hal.CardReader
	port hal.SerialPort
}

func (r readerPort) Close() error {
	err := r.CardReader.Close()
	if perr := r.port.Close(); err == nil {
		err = perr
	}
	return err
}

func (d devices) Reader(ctx context.Context) (hal.CardReader, error) {
	if d.cfg.NFC.Driver == "pcsc" {
		return pcsc.Open(ctx, pcsc.Options{Socket: d.cfg.NFC.Device, Reader: d.cfg.NFC.Reader, RefuseVirtual: !d.simulated})
	}
	port, err := serialhal.Open(serialhal.Options{Device: d.cfg.NFC.Device, RefusePseudo: !d.simulated})
	if err != nil {
		return nil, err
	}
	opt := pn532.Options{Baud: d.cfg.NFC.Baud}
	if d.simulated {
		opt.Patience = simulatedPatience
	}
	r, err := pn532.Open(ctx, port, opt)
	if err != nil {
		_ = port.Close()
		return nil, err
	}
	return readerPort{r, port}, nil
}

func (d devices) Camera(context.Context) (hal.Camera, error) {
	if d.cfg.Camera.Driver == "simhal" {
		c, err := simhal.DialCamera(d.cfg.Camera.Device)
		if err != nil {
			return nil, err
		}
		return exposure.Watch(c), nil
	}
	opt := v4l2.Options{Device: d.cfg.Camera.Device, Width: d.cfg.Camera.Width, Height: d.cfg.Camera.Height, MJPEG: true, Grey: true, RefuseVirtual: !d.simulated}
	for _, c := range d.cfg.Camera.Controls {
		id, ok := v4l2.ControlID(c.Name)
		if !ok {
			return nil, fmt.Errorf("devices.camera.controls: %q is no control of this driver", c.Name)
		}
		opt.Controls = append(opt.Controls, v4l2.Control{ID: id, Value: c.Value})
	}
	c, err := v4l2.Open(opt)
	if err != nil {
		return nil, err
	}
	format, width, height := c.Format()
	if format != hal.PixelMJPEG {
		return exposure.Watch(c), nil
	}
	u, err := d.unpacked(c, width, height)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return exposure.Watch(u), nil
}

// unpacked has the pictures of a camera decoded in a child.
func (d devices) unpacked(c hal.Camera, width, height int) (hal.Camera, error) {
	w, err := d.frames()
	if err != nil {
		return nil, err
	}
	s, err := w.Stream(width, height)
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return inspect.Unpacked(c, s), nil
}
