package facematch

import "math"

// A picture so many times as high as it is wide is that of a camera on its side, which sees children and tall
// people alike (F-02). Faces are small in it for the detector.
const (
	tallPicture = 1.6
	followPart  = 4. / 3 // height over width of the part that follows the face
)

// follow looks at a face again in the part of a tall picture round it, which is where eyes may be at any height:
// the box is as good as that of a picture that shows nothing else. Heads are counted in the whole picture before.
func (e *Engine) follow(img *Image, d Detection) (Detection, error) {
	w, h := float64(img.W), float64(img.H)
	if h < tallPicture*w {
		return d, nil
	}
	part := followPart * w
	top := math.Max(0, math.Min(h-part, d.Y-part/2))
	found, err := e.detectIn(img, 0, top, w, part)
	if err != nil {
		return d, err
	}
	best, near := d, d.Side/2
	for _, f := range found {
		if r := distance(f, d); r < near && f.Side > d.Side/2 && f.Side < 2*d.Side {
			best, near = f, r
		}
	}
	return best, nil
}

// take makes the engine's frame of a camera's picture, upright.
func (e *Engine) take(v View) error {
	if v.Turn == 0 {
		return e.frame.load(v)
	}
	if err := e.lying.load(v); err != nil {
		return err
	}
	return e.frame.upright(&e.lying, v.Turn)
}
