package facematch

import (
	"errors"
	"math"
	"time"
)

// Reasons of Examination why a picture is not compared; the names of quality components are reasons too.
const (
	NoFaceFound  = "no_face"
	SeveralFaces = "several_faces"
)

// Examination is what one still picture gives, for evaluation and commissioning: the stages are those of
// a capture, and every demand of the gate is answered beside the template, not in place of it.
type Examination struct {
	Reference *Reference // nil where no face was found; the caller wipes it
	Faces     int
	Quality   Quality
	Live      float64 // of the texture model; NaN where it was not asked for
	// Portrait and Probe are empty where a gate would take the picture as portrait of a passport, or as
	// live picture, and else the reason why not.
	Portrait, Probe string
	Detect, Whole   time.Duration
}

// Wipe overwrites the template.
func (x *Examination) Wipe() { x.Reference.Wipe() }

// Examine looks at a picture of whom it shows most: where there are several faces, the one that is large
// and central. withLive asks the texture model too.
func (e *Engine) Examine(img *Image, withLive bool) (x Examination, err error) {
	x.Live = math.NaN()
	if err := img.check(); err != nil {
		return x, err
	}
	start := time.Now()
	defer func() { x.Whole = time.Since(start) }()
	defer e.Wipe()
	found, err := e.detectStill(img)
	x.Detect = time.Since(start)
	if err != nil {
		return x, err
	}
	if x.Faces = len(found); x.Faces == 0 {
		x.Portrait, x.Probe = NoFaceFound, NoFaceFound
		return x, nil
	}
	loading := time.Now()
	if err := e.complete(); err != nil {
		return x, err
	}
	start = start.Add(time.Since(loading)) // the models' start is no part of a picture's time
	best := central(found, img)
	for i, d := range found {
		if i != best && d.Side >= ghostPart*found[best].Side {
			x.Portrait = SeveralFaces
		}
		if i != best && d.Side >= headPart*found[best].Side {
			x.Probe = SeveralFaces
		}
	}
	limits := LiveLimits()
	var f face
	defer clear(f.pts[:])
	r := &Reference{model: e.embedder.name(), template: make([]float32, e.embedder.m.Embedding.Dim)}
	if err = e.analyse(img, found[best], &limits, &f); err == nil {
		err = e.embed(e.embedder.crop, r.template)
	}
	if errors.Is(err, errPoints) {
		// Points that span no face: what was detected is none.
		x.Portrait, x.Probe = NoFaceFound, NoFaceFound
		return x, nil
	}
	if err != nil {
		return x, err
	}
	f.quality.set(&limits, SingleFace, 1/float64(x.Faces))
	x.Quality, r.quality = f.quality, f.quality
	r.look = likeness{f.pts, f.quality.Raw[Sharpness]}
	if x.Portrait == "" {
		portrait := PortraitLimits()
		if portrait[EyeDistance].score(f.quality.Raw[EyeDistance]) < 50 {
			x.Portrait = EyeDistance.String()
		}
	}
	if x.Probe == "" && f.quality.Overall() < 50 {
		x.Probe = f.quality.Worst().String()
	}
	if withLive {
		e.square(e.pad, img, found[best])
		if x.Live, err = e.live(e.pad.crop); err != nil {
			r.Wipe()
			return x, err
		}
	}
	x.Reference = r
	return x, nil
}

// central is the index of the face that a photograph is of: large, and near its middle. A gate, whose zone
// holds one person, takes the largest.
func central(found []Detection, img *Image) int {
	best, most := 0, math.Inf(-1)
	cx, cy := float64(img.W)/2, float64(img.H)/2
	for i, d := range found {
		// The square of the side less twice that of the way to the middle.
		w := d.Side*d.Side - 2*((d.X-cx)*(d.X-cx)+(d.Y-cy)*(d.Y-cy))
		if w > most {
			best, most = i, w
		}
	}
	return best
}

// name is what binds a template to the model that made it.
func (m *model) name() string { return m.m.ID + "@" + m.m.SHA256 }

// TextureThreshold is the texture model's operating point of the pack.
func (e *Engine) TextureThreshold() float64 { return e.padThreshold }
