package facematch

import (
	"fmt"
	"log/slog"
	"math"

	"egate/verdict"
)

// Reference is the template of one portrait. It is personal data: Wipe it when the passage ends. It
// prints as [redacted] and cannot be written anywhere.
type Reference struct {
	template []float32
	model    string
	quality  Quality
	look     likeness
	poor     []string
}

// Wipe overwrites the template.
func (r *Reference) Wipe() {
	if r != nil {
		clear(r.template)
		r.quality, r.look = Quality{}, likeness{}
	}
}

// String never shows a template.
func (r *Reference) String() string { return "[redacted]" }

// LogValue implements slog.LogValuer.
func (r *Reference) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// MarshalJSON refuses: templates never leave memory.
func (r *Reference) MarshalJSON() ([]byte, error) {
	return nil, fmt.Errorf("facematch: a template is never written")
}

// Quality gives the measures of the portrait.
func (r *Reference) Quality() Quality { return r.quality }

// Check is the portrait's line in a verdict. A portrait that was used although a component is poor
// says so as a deviation.
func (r *Reference) Check() verdict.Check {
	return verdict.Check{ID: verdict.CheckPortrait, Result: verdict.Pass, Reason: verdict.OK, Score: r.quality.Overall(), Threshold: 50, Deviations: r.poor}
}

// PortraitError says why a portrait cannot serve.
type PortraitError struct {
	Reason verdict.Reason
	Detail string // of the catalogue below, never a value
}

func (e *PortraitError) Error() string {
	return fmt.Sprintf("facematch: portrait: %s: %s", e.Reason, e.Detail)
}

// Check is the portrait's line in a verdict.
func (e *PortraitError) Check() verdict.Check {
	return verdict.Check{ID: verdict.CheckPortrait, Result: verdict.Fail, Reason: e.Reason, Deviations: []string{e.Detail}}
}

// A second face in a portrait smaller than this part of the first is a ghost image or a background.
const ghostPart = 0.5

// Enrol makes the template of an authenticated portrait (DG2, ICAO Doc 9303-10 §4.7.2). The portrait
// must show one face; what is poor but usable is a deviation of the reference, never silent.
func (e *Engine) Enrol(img *Image, l Limits) (*Reference, error) {
	if err := img.check(); err != nil {
		return nil, &PortraitError{verdict.PortraitUnusable, "size"}
	}
	defer e.Wipe()
	found, err := e.detectStill(img)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, &PortraitError{verdict.PortraitUnusable, "no_face"}
	}
	if err := e.complete(); err != nil {
		return nil, err
	}
	best := largest(found)
	r := &Reference{model: e.embedder.name(), template: make([]float32, e.embedder.m.Embedding.Dim)}
	for i, d := range found {
		if i == best {
			continue
		}
		if d.Side >= ghostPart*found[best].Side {
			return nil, &PortraitError{verdict.PortraitUnusable, "several_faces"}
		}
		r.poor = append(r.poor, "small_second_face")
	}
	var f face
	if err := e.analyse(img, found[best], &l, &f); err != nil {
		return nil, err
	}
	defer clear(f.pts[:])
	f.quality.set(&l, SingleFace, 1/float64(len(found)))
	if f.quality.Score[EyeDistance] < 50 {
		return nil, &PortraitError{verdict.PortraitUnusable, EyeDistance.String()}
	}
	for c := range components {
		if f.quality.Score[c] < 50 {
			r.poor = append(r.poor, c.String())
		}
	}
	r.quality, r.look = f.quality, likeness{f.pts, f.quality.Raw[Sharpness]}
	if err := e.embed(e.embedder.crop, r.template); err != nil {
		r.Wipe()
		return nil, err
	}
	return r, nil
}

// largest is the index of the largest face: the nearest person.
func largest(found []Detection) int {
	best := 0
	for i, d := range found {
		if d.Side > found[best].Side {
			best = i
		}
	}
	return best
}

func distance(a, b Detection) float64 { return math.Hypot(a.X-b.X, a.Y-b.Y) }

// Compare is the cosine of two templates of the same model, for tools. A gate compares a live capture
// with one reference in a Session.
func Compare(a, b *Reference) (float64, error) {
	if a == nil || b == nil || a.model != b.model || len(a.template) == 0 || len(a.template) != len(b.template) {
		return 0, fmt.Errorf("facematch: templates of different models")
	}
	return cosine(a.template, b.template), nil
}
