package facematch

import (
	"math/rand/v2"
	"testing"
)

// BenchmarkFrame converts one camera picture of 1280 × 720 to RGB, per format.
func BenchmarkFrame(b *testing.B) {
	for _, f := range []struct {
		name   string
		format Format
		bits   int
	}{{"RGB", FormatRGB, 24}, {"YUYV", FormatYUYV, 16}, {"NV12", FormatNV12, 12}, {"GREY", FormatGrey, 8}} {
		b.Run(f.name, func(b *testing.B) {
			v := View{Format: f.format, W: 1280, H: 720, Pix: make([]byte, 1280*720*f.bits/8)}
			for i := range v.Pix {
				v.Pix[i] = byte(i)
			}
			var m Image
			for b.Loop() {
				if err := m.load(v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCues looks for lines, fingers across them and highlights in one picture of 720 × 960: of pure noise, which is the
// worst case, and of a bare sheet before a wall.
func BenchmarkCues(b *testing.B) {
	d := Detection{X: 360, Y: 510, Side: 230}
	var pts [68]Point
	for i := range pts {
		pts[i] = Point{d.X, d.Y}
	}
	for _, i := range [4]int{37, 38, 40, 41} {
		pts[i].X -= 50
		pts[i+6].X += 50
	}
	for _, name := range []string{"noise", "sheet"} {
		img := NewImage(720, 960)
		rnd := rand.New(rand.NewPCG(1, 1))
		for i := range img.Pix {
			x, y := i/3%img.W, i/3/img.W
			switch {
			case name == "noise":
				img.Pix[i] = byte(rnd.Uint32())
			case x > 190 && x < 530 && y > 250 && y < 700:
				img.Pix[i] = byte(230 + rnd.IntN(5))
			default:
				img.Pix[i] = byte(150 + rnd.IntN(5))
			}
		}
		b.Run("edges/"+name, func(b *testing.B) {
			var w edges
			b.ReportAllocs()
			for b.Loop() {
				w.pics = 0
				w.look(img, d)
			}
		})
		b.Run("hands/"+name, func(b *testing.B) {
			var w hands
			b.ReportAllocs()
			for b.Loop() {
				w.pics = 0
				w.look(img, d, &pts)
			}
		})
		b.Run("specular/"+name, func(b *testing.B) {
			var w specular
			b.ReportAllocs()
			for b.Loop() {
				w.seen = 0
				w.look(img, &pts)
			}
		})
	}
}
