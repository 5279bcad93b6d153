package facematch

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"egate/verdict"
)

// F-08: a held sheet is told by fingers across its rim: by nothing else that has the colour of skin, by no line that
// stands still, and not where no line moves.
func TestF08FingersAcrossARim(t *testing.T) {
	const (
		wall  = 0x93989c
		paper = 0xece9e4
		skin  = 0xcda087
		dark  = 0x5a3a28
		wood  = 0xa06e46
		glove = 0x6a7076
	)
	type box struct {
		x0, y0, x1, y1 int // of 540 x 560; the sheet is at 160 to 380, 180 to 445
		colour         int
		stays          bool // does not move with the sheet
	}
	sheet := box{160, 180, 380, 445, paper, false}
	thumb := func(colour int) box { return box{120, 300, 200, 318, colour, false} }
	var noise [4096]int8
	rnd := rand.New(rand.NewPCG(7, 7))
	for i := range noise {
		noise[i] = int8(rnd.IntN(5) - 2)
	}
	pass, fail, none := verdict.Pass, verdict.Fail, verdict.NotEvaluated
	for _, c := range []struct {
		name  string
		still bool
		boxes []box
		want  verdict.Result
	}{
		{"a sheet and no hand", false, []box{sheet}, pass},
		{"a thumb", false, []box{sheet, thumb(skin)}, fail},
		{"a dark thumb", false, []box{sheet, thumb(dark)}, fail},
		{"four fingers", false, []box{sheet, {120, 290, 190, 305, skin, false}, {120, 307, 190, 322, skin, false}, {120, 324, 190, 339, skin, false}, {120, 341, 190, 356, skin, false}}, fail},
		{"a thumb below", false, []box{sheet, {262, 405, 280, 520, skin, false}}, fail},
		{"a thumb at a sheet that stands still", true, []box{sheet, thumb(skin)}, none},
		{"nothing", false, nil, none},
		{"a thumb in a glove", false, []box{sheet, thumb(glove)}, pass},
		{"skin beside the sheet", false, []box{sheet, {80, 290, 158, 340, skin, false}}, pass},
		{"skin on the sheet", false, []box{sheet, {162, 290, 230, 340, skin, false}}, pass},
		{"a face behind the sheet", false, []box{{70, 260, 220, 420, skin, true}, sheet}, pass},
		{"a board of wood behind it", false, []box{{0, 0, 200, 720, wood, true}, sheet}, pass},
		{"a thumb before a board of wood", false, []box{{0, 0, 100, 720, wood, true}, sheet, thumb(skin)}, fail},
		{"bare skin from the rim on down", false, []box{sheet, {100, 320, 220, 720, skin, false}}, pass},
		{"a spot", false, []box{sheet, {150, 306, 170, 309, skin, false}}, pass},
	} {
		img, empty := NewImage(540, 560), []byte(nil)
		fill := func(b box, dx, dy int) {
			if b.stays {
				dx, dy = 0, 0
			}
			for y := max(0, b.y0+dy); y < min(img.H, b.y1+dy); y++ {
				row := img.Pix[y*img.Stride+3*max(0, b.x0+dx) : y*img.Stride+3*min(img.W, b.x1+dx)]
				n := int(rnd.Uint32())
				for i := 0; i+2 < len(row); i += 3 {
					for k := range 3 {
						row[i+k] = byte(b.colour>>(16-8*k)&255 + int(noise[(n+i+k)&4095]))
					}
				}
			}
		}
		var w hands
		for i := range edgeLeast {
			dx, dy := 3*(i%5)-6, 2*(i%4)-3
			if c.still {
				dx, dy = 0, 0
			}
			if empty == nil {
				fill(box{0, 0, 540, 560, wall, true}, 0, 0)
				empty = bytes.Clone(img.Pix)
			}
			copy(img.Pix, empty)
			for _, b := range c.boxes {
				fill(b, dx, dy)
			}
			// The face: all that is looked at are its place and the colour of its cheeks.
			fill(box{230, 260, 310, 400, skin, false}, dx, dy)
			d := Detection{X: float64(270 + dx), Y: float64(330 + dy), Side: 130}
			var pts [68]Point
			for k := range pts {
				pts[k] = Point{d.X, d.Y + 10}
			}
			for _, k := range [4]int{37, 38, 40, 41} {
				pts[k].X -= 26
				pts[k+6].X += 26
			}
			w.look(img, d, &pts)
		}
		if score, _, got := w.judge(); got != c.want {
			t.Errorf("%s: %s %.2f, want %s", c.name, got, score, c.want)
		}
		w.forget()
		if _, _, got := w.judge(); got != none || w != (hands{}) {
			t.Errorf("%s: forgotten: %s", c.name, got)
		}
	}
}
