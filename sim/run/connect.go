package run

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio"

	"egate/hal"
	"egate/hal/simhal"
	"egate/sim/camera"
	"egate/sim/faces"
	"egate/sim/pn532end"
	"egate/sim/scanner"
	"egate/sim/scenario"
)

// framesPerSecond of the simulated camera.
const framesPerSecond = 15

// connect opens the far ends of a lane's devices: two serial devices, the lines and the camera.
func (l *Lane) connect(_ context.Context, site *Site, _ func(func())) error {
	for _, p := range []string{l.Gate.Lines, l.Gate.Camera, l.Gate.Scanner, l.Gate.NFC} {
		if err := os.MkdirAll(filepath.Dir(site.Path(p)), 0o700); err != nil {
			return fmt.Errorf("run: %w", err)
		}
	}
	sc, err := scanner.Open(site.Path(l.Gate.Scanner))
	if err != nil {
		return err
	}
	l.close = append(l.close, sc.Close)
	nfc, err := pn532end.Open(site.Path(l.Gate.NFC))
	if err != nil {
		return err
	}
	l.close = append(l.close, nfc.Close)
	cam, err := openCamera(site.Path(l.Gate.Camera))
	if err != nil {
		return err
	}
	l.close = append(l.close, cam.server.Close)
	l.Ends = FarEnds{Scanner: sc, Reader: nfc, Camera: cam}
	return l.connectLines(site.Path(l.Gate.Lines))
}

// connectLines joins the plant to the far end of the lines, both ways.
func (l *Lane) connectLines(path string) error {
	inputs := l.Plant.Inputs()
	names := make([]string, 0, len(inputs))
	for n := range inputs {
		names = append(names, n)
	}
	srv, err := simhal.NewLineServer(path, names, l.Plant.Outputs())
	if err != nil {
		return err
	}
	l.close = append(l.close, srv.Close)
	for n, high := range inputs {
		if err := srv.SetInput(n, gpio.Level(high)); err != nil {
			return err
		}
	}
	l.Plant.OnInput(func(name string, high bool, _ time.Duration) {
		_ = srv.SetInput(name, gpio.Level(high)) // every name is one of the above
	})
	srv.OnOutput(func(name string, level gpio.Level, _ time.Time) { l.Plant.Set(name, bool(level)) })
	// A controller that is gone drives nothing: by wire, the doors are released.
	srv.OnDisconnect(l.Plant.AllLow)
	return nil
}

// sampled is of how many pictures rows are kept for the memory scan, and how many rows of each.
const (
	sampledFrames = 6
	sampledRows   = 10
)

// booth is the camera with what stands before it.
type booth struct {
	server *simhal.CameraServer
	scene  *camera.Scene

	mu      sync.Mutex
	who     *camera.Subject
	n       int
	samples [][]byte
}

func openCamera(path string) (*booth, error) {
	b := &booth{scene: camera.New(uint64(os.Getpid()))}
	var err error
	b.server, err = simhal.NewCameraServer(path, camera.Width, camera.Height, framesPerSecond, b.render)
	return b, err
}

// render draws one picture and keeps rows of some: what left the camera is what the scan looks for.
func (b *booth) render(at time.Duration, dst *hal.Frame) {
	b.scene.Render(at, dst)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.n++
	if b.who != nil && b.n%5 == 1 && len(b.samples) < sampledFrames*sampledRows {
		for k := range sampledRows {
			y := dst.Height * (k + 4) / (sampledRows + 8)
			b.samples = append(b.samples, bytes.Clone(dst.Pix[y*dst.Stride:y*dst.Stride+3*dst.Width]))
		}
	}
}

func (b *booth) Stand(who string, sheet *scenario.Sheet) error {
	p, err := faces.Get(who)
	if err != nil {
		return err
	}
	b.Leave()
	var s *camera.Subject
	if sheet != nil {
		s, err = b.scene.Print(p, camera.Sheet{Width: sheet.Width, Height: sheet.Height, Bend: sheet.Bend, Tilt: sheet.Tilt, Scale: sheet.Scale}, camera.Place{})
	} else {
		s, err = b.scene.Person(p, camera.Place{})
	}
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.who = s
	b.mu.Unlock()
	return nil
}

func (b *booth) Leave() {
	b.scene.Clear()
	b.mu.Lock()
	b.who = nil
	b.mu.Unlock()
}

func (b *booth) Look(yaw float64) {
	b.mu.Lock()
	s := b.who
	b.mu.Unlock()
	if s != nil {
		s.Look(yaw, 0)
	}
}

func (b *booth) Frames() (int, bool) {
	now, _ := b.server.Connected()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.n, now > 0
}

func (b *booth) Samples() [][]byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.samples
}

func (b *booth) Forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.n, b.samples = 0, nil
}

// portraitOf returns a holder's portrait, as it is printed in a passport.
func portraitOf(who string) (Portrait, error) {
	p, err := faces.Get(who)
	if err != nil {
		return Portrait{}, err
	}
	return NewPortrait(p.DG2JPEG())
}
