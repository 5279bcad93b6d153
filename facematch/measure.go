package facematch

import (
	"errors"
	"slices"
	"time"
)

// StageTime is the median time of one stage of a live frame.
type StageTime struct {
	Name  string
	Model time.Duration // within the model
	Rest  time.Duration // resampling and arithmetic of this package
}

// errNoFace says that a picture to measure with shows no face.
var errNoFace = errors.New("facematch: no face in the picture")

// Measure times the stages of a whole live frame on a picture with a face, each as the median of so
// many rounds, after one round that is not counted. It is for commissioning and benchmarks.
func (e *Engine) Measure(img *Image, rounds int) ([]StageTime, error) {
	if err := img.check(); err != nil {
		return nil, err
	}
	if rounds < 1 || rounds > 10_000 {
		return nil, errors.New("facematch: rounds outside 1 … 10000")
	}
	if err := e.complete(); err != nil {
		return nil, err
	}
	defer e.Wipe()
	found, err := e.detect(img)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, errNoFace
	}
	d := found[largest(found)]
	var pts [68]Point
	var five [5]Point
	template := make([]float32, e.embedder.m.Embedding.Dim)
	defer clear(template)
	var q Quality
	limits := LiveLimits()
	var pose Pose
	var open, ear float64
	stages := []struct {
		name   string
		models []*model
		run    func() error
	}{
		{"load", nil, func() error {
			return e.frame.load(View{Format: FormatRGB, W: img.W, H: img.H, Stride: img.Stride, Pix: img.Pix})
		}},
		{"detect", []*model{e.detector}, func() error { _, err := e.detect(img); return err }},
		{"landmarks", []*model{e.marks}, func() (err error) {
			err = e.landmarks(img, d, &pts)
			five = fivePoints(&pts)
			return err
		}},
		{"pose", []*model{e.pose}, func() (err error) { pose, err = e.headPose(img, d, five); return err }},
		{"eyes", []*model{e.eye}, func() (err error) { open, ear, err = e.eyesOpen(img, &pts); return err }},
		{"align", nil, func() error { return e.align(img, five) }},
		{"quality", nil, func() error {
			q.measure(&limits, e.embedder.crop, e.embedder.w, e.embedder.h, five, pose, open, ear)
			return nil
		}},
		{"texture", []*model{e.pad}, func() error {
			e.square(e.pad, img, d)
			_, err := e.live(e.pad.crop)
			return err
		}},
		{"embed", []*model{e.embedder}, func() error { return e.embed(e.embedder.crop, template) }},
	}
	model, whole := make([][]time.Duration, len(stages)), make([][]time.Duration, len(stages))
	for r := range rounds + 1 {
		for i, s := range stages {
			for _, m := range s.models {
				m.spent = 0
			}
			start := time.Now()
			if err := s.run(); err != nil {
				return nil, err
			}
			took := time.Since(start)
			if r == 0 {
				continue
			}
			var in time.Duration
			for _, m := range s.models {
				in += m.spent
			}
			model[i], whole[i] = append(model[i], in), append(whole[i], took)
		}
	}
	out := make([]StageTime, len(stages))
	for i, s := range stages {
		slices.Sort(model[i])
		slices.Sort(whole[i])
		m := model[i][rounds/2]
		out[i] = StageTime{s.name, m, max(0, whole[i][rounds/2]-m)}
	}
	return out, nil
}
