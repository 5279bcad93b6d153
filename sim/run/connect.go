package run

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
	srv.OnOutput(func(name string, level gpio.Level, _ time.Time) {
		l.Plant.Set(name, bool(level))
		l.lamp(name, bool(level))
	})
	// A controller that is gone drives nothing: by wire, the doors are released.
	srv.OnDisconnect(func() {
		l.Plant.AllLow()
		for _, n := range lightLines {
			l.lamp(n, false)
		}
	})
	return nil
}

// lightLines are the three lamps that light a face, in the order of Shine.
var lightLines = [3]string{"light_r", "light_g", "light_b"}

// lamp switches one lamp, if it is one that lights a face.
func (l *Lane) lamp(name string, on bool) {
	if k := slices.Index(lightLines[:], name); k >= 0 {
		l.mu.Lock()
		l.lit[k] = on
		l.mu.Unlock()
		l.shine()
	}
}

// shine gives the light of screen and lamps to what stands before the camera.
func (l *Lane) shine() {
	sc, _ := l.Screen.Current() // a dead page is dark
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Ends.Camera.Shine(sc.Light, l.lit[0], l.lit[1], l.lit[2])
}

// follow keeps the light of the screen on what stands before the camera, until ctx ends.
func (l *Lane) follow(ctx context.Context) {
	wake, end := l.Screen.Changes()
	defer end()
	for {
		select {
		case <-wake:
			l.shine()
		case <-ctx.Done():
			return
		}
	}
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

func (b *booth) Stand(who string, sheet *scenario.Sheet, panel *scenario.Panel) error {
	p, err := faces.Get(who)
	if err != nil {
		return err
	}
	b.Leave()
	var s *camera.Subject
	switch {
	case panel != nil:
		s, err = b.scene.Replay(p, camera.Panel{Width: panel.Width, Height: panel.Height, Scale: panel.Scale}, camera.Place{Distance: panel.Distance})
	case sheet != nil:
		s, err = b.scene.Print(p, camera.Sheet{Width: sheet.Width, Height: sheet.Height, Bend: sheet.Bend, Tilt: sheet.Tilt, Scale: sheet.Scale}, camera.Place{})
	default:
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

func (b *booth) Shine(page uint32, r, g, bl bool) {
	on := map[bool]float64{true: 1}
	b.scene.SetLamps(camera.Light{R: on[r], G: on[g], B: on[bl]})
	b.scene.SetScreen(camera.RGB(page))
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
