package camera

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// The noise that is added four bytes at once is that which one byte after the other gets, at both ends of the range too.
func TestSensorNoise(t *testing.T) {
	s := Sized(7, 45, 40) // 135 bytes a row: not a whole number of steps
	pix := make([]byte, 3*s.w*s.h)
	for i := range pix {
		switch i % 3 {
		case 0:
			pix[i] = byte(i % 9)
		case 1:
			pix[i] = 255 - byte(i%9)
		default:
			pix[i] = byte(i)
		}
	}
	want := bytes.Clone(pix)
	rnd := rand.New(rand.NewPCG(3, 3))
	s.rnd = rand.New(rand.NewPCG(3, 3))
	row := 3 * s.w
	seen := map[int]bool{}
	for y := range s.h {
		o := int(rnd.Uint32() % uint32(len(s.noise)-row))
		for i := range row {
			d := int(s.noise[o+i]) - noiseMost
			seen[d] = true
			want[y*row+i] = byte(max(0, min(255, int(want[y*row+i])+d)))
		}
	}
	s.sensorNoise(pix)
	if !bytes.Equal(pix, want) {
		t.Error("another picture")
	}
	if !seen[-4] || !seen[0] || !seen[4] {
		t.Errorf("noise of %v levels", seen)
	}
}
