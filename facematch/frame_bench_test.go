package facematch

import "testing"

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
