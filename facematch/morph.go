package facematch

import "egate/verdict"

// A morph hint is differential: the portrait of the chip against the live person who was just taken for its holder
// (ISO/IEC 20059). It is advisory, off unless a policy names it, and never refuses by itself: verdict.Decide does not
// look at it. Its limits are start values. Nobody has evaluated them on labelled morphs, which every result says
// (MorphUnevaluated); `egatectl face evaluate` measures them on pairs with the label morph.
const (
	morphShape  = 0.060 // eye distances between the face points of both, beside place, size and roll: two people's points were averaged
	morphSmooth = 0.5   // sharpness of the portrait over that of the live face: blended pictures are soft
	morphCues   = 2     // of three that make an alert
)

// MorphUnevaluated is the deviation that says that no labelled data stand behind a hint.
const MorphUnevaluated = "morph_hint_not_evaluated"

// likeness is what a hint compares beside the templates. It is personal data.
type likeness struct {
	pts   [68]Point
	sharp float64 // as the component Sharpness
}

// MorphHint is what speaks for a portrait that was made of two faces.
type MorphHint struct {
	Near   bool    // the score is a match, and not a clear one
	Shape  float64 // difference of face points, eye distances
	Smooth float64 // sharpness of the portrait over that of the live face
	Cues   int
}

// Alert tells whether enough speaks for it.
func (h MorphHint) Alert() bool { return h.Cues >= morphCues }

// HintMorph compares a portrait with a live picture whose score against it is a match; ok is false where there is
// nothing to hint at, because they do not match or face points are missing.
func HintMorph(portrait, live *Reference, score, match float64) (h MorphHint, ok bool) {
	if portrait == nil || live == nil {
		return h, false
	}
	return hintMorph(&portrait.look, &live.look, score, match)
}

func hintMorph(portrait, live *likeness, score, match float64) (h MorphHint, ok bool) {
	if !(score >= match) || !(live.sharp > 0) {
		return h, false
	}
	if h.Shape, ok = rigidResidual(&portrait.pts, &live.pts); !ok {
		return h, false
	}
	h.Smooth = portrait.sharp / live.sharp
	h.Near = verdict.Band(score, match) != verdict.BandClear
	for _, cue := range []bool{h.Near, h.Shape >= morphShape, h.Smooth < morphSmooth} {
		if cue {
			h.Cues++
		}
	}
	return h, true
}

// check is the hint's line in a verdict. Score and threshold are cues.
func (h MorphHint) check(ok bool) verdict.Check {
	c := verdict.Check{ID: verdict.CheckMorph, Result: verdict.NotPossible, Reason: verdict.PADNotEvaluated, Threshold: morphCues, Deviations: []string{MorphUnevaluated}}
	if !ok {
		return c
	}
	c.Result, c.Reason, c.Score = verdict.Pass, verdict.OK, float64(h.Cues)
	if h.Near {
		c.Deviations = append(c.Deviations, "morph_cue_similarity")
	}
	if h.Shape >= morphShape {
		c.Deviations = append(c.Deviations, "morph_cue_landmarks")
	}
	if h.Smooth < morphSmooth {
		c.Deviations = append(c.Deviations, "morph_cue_texture")
	}
	if h.Alert() {
		c.Result, c.Reason = verdict.Fail, verdict.MorphSuspected
	}
	return c
}
