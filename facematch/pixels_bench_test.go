package facematch

import (
	"testing"

	"egate/hal"
	"egate/sim/camera"
	"egate/sim/faces"
)

// BenchmarkPixels follows the pixels of a face that turned by 17 degrees: what a turned picture costs more.
func BenchmarkPixels(b *testing.B) {
	e := SharedEngine(b)
	p, err := faces.Get("admiral")
	if err != nil {
		b.Fatal(err)
	}
	sc := camera.New(1)
	x, err := sc.Person(p, camera.Place{})
	if err != nil {
		b.Fatal(err)
	}
	var shown [2]Image
	var pts [2][68]Point
	for k := range shown {
		var f hal.Frame
		sc.Render(0, &f)
		x.Look(17, 0)
		sc.Render(1e9, new(hal.Frame))
		shown[k] = Image{W: f.Width, H: f.Height, Stride: f.Stride, Pix: f.Pix}
		found, err := e.detect(&shown[k])
		if err != nil || len(found) == 0 {
			b.Fatal("no face", err)
		}
		if err := e.landmarks(&shown[k], found[0], &pts[k]); err != nil {
			b.Fatal(err)
		}
	}
	var s solid
	s.begin(&shown[0], &pts[0])
	b.ReportAllocs()
	for b.Loop() {
		s.looked, s.views = 0, 0
		s.look(&e.pixels, &shown[1], &pts[1])
	}
	if s.looked != 1 {
		b.Error("not looked at")
	}
}
