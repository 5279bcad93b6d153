package evaluate

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// File is one file of a report.
type File struct {
	Name  string
	Bytes []byte
}

// maxScoreLines is how many pairs scores.csv lists.
const maxScoreLines = 1_000_000

// Files are report.json, report.html, the plots as SVG and PNG, pictures.csv and scores.csv.
func (r *Report) Files(o *Outcome) ([]File, error) {
	out, err := common(r, r.Page, r.Pictures)
	if err != nil {
		return nil, err
	}
	var pics, pairs bytes.Buffer
	w := csv.NewWriter(&pics)
	rows := [][]string{{"path", "person", "reason", "not_a_portrait", "not_a_live_picture", "faces", "quality", "worst", "inter_eye_distance"}}
	for i, p := range o.pictures {
		s := o.Set.Samples[i]
		rows = append(rows, []string{s.Path, o.Set.Persons[s.Person], p.Reason, p.Portrait, p.Probe, strconv.Itoa(p.Faces), fmt.Sprintf("%.1f", p.Quality), p.Worst, fmt.Sprintf("%.1f", p.Eyes)})
	}
	if err := w.WriteAll(rows); err != nil {
		return nil, fmt.Errorf("evaluate: %w", err)
	}
	out = append(out, File{"pictures.csv", pics.Bytes()})
	if len(o.scores) <= maxScoreLines {
		w = csv.NewWriter(&pairs)
		rows = [][]string{{"a", "b", "label", "score"}}
		for k, p := range o.Set.Pairs {
			score := ""
			if v := float64(o.scores[k]); !math.IsNaN(v) {
				score = strconv.FormatFloat(v, 'f', 6, 64)
			}
			rows = append(rows, []string{o.Set.Samples[p.A].Path, o.Set.Samples[p.B].Path, p.Kind.String(), score})
		}
		if err := w.WriteAll(rows); err != nil {
			return nil, fmt.Errorf("evaluate: %w", err)
		}
		out = append(out, File{"scores.csv", pairs.Bytes()})
	}
	return out, nil
}

// common makes the files that every report has.
func common(r any, page func() ([]byte, error), pictures func() ([]Picture, error)) ([]File, error) {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("evaluate: %w", err)
	}
	html, err := page()
	if err != nil {
		return nil, err
	}
	out := []File{{"report.json", append(b, '\n')}, {"report.html", html}}
	pics, err := pictures()
	if err != nil {
		return nil, err
	}
	for _, p := range pics {
		for _, f := range []string{"svg", "png"} {
			b, err := p.Bytes(f)
			if err != nil {
				return nil, err
			}
			out = append(out, File{p.Name + "." + f, b})
		}
	}
	return out, nil
}

// Summary is the report in a few lines of text.
func (r *Report) Summary() string {
	var b strings.Builder
	say := func(name, format string, a ...any) { fmt.Fprintf(&b, "%-26s %s\n", name, fmt.Sprintf(format, a...)) }
	say("pictures", "%d of %d persons; %d genuine, %d impostor, %d morph pairs", r.Set.Pictures, r.Set.Persons, r.Set.Genuine, r.Set.Impostor, r.Set.Morph)
	say("failure to decode", "%s (%s)", rateText(r.Acquisition.Decode), boundsText(r.Acquisition.Decode))
	for _, x := range rows(r.Acquisition.Reasons) {
		say("", "%d %s", x.N, x.Name)
	}
	say("failure to detect", "%s (%s)", rateText(r.Acquisition.Detect), boundsText(r.Acquisition.Detect))
	how := "measured, not applied"
	if r.Acquisition.Applied {
		how = "applied"
	}
	say("failure to enrol", "%s (%s), %s", rateText(r.Acquisition.Enrol), boundsText(r.Acquisition.Enrol), how)
	say("failure to acquire", "%s (%s), %s", rateText(r.Acquisition.Acquire), boundsText(r.Acquisition.Acquire), how)
	if a := r.Accuracy; a != nil {
		if a.EER != nil {
			say("equal error rate", "%s at %.3f", pct(*a.EER), *a.EERAt)
		}
		line := func(name string, p Point) {
			weak := ""
			if !p.Supported {
				weak = " (weak: fewer than 30 false matches expected)"
			}
			say(name, "threshold %.3f  FMR %s  FNMR %s (%s)%s", p.Threshold, rateText(p.FMR), rateText(p.FNMR), boundsText(p.FNMR), weak)
		}
		for _, p := range a.Points {
			line("FMR "+pct(p.Target), p)
		}
		line("policy "+r.Policy.Quality, a.Operating)
	}
	if t := r.Transaction; t != nil {
		say("per passage", "threshold %.3f for FMR %s with %d attempts", t.Threshold, pct(t.Target), t.Attempts)
		if w := t.Worst; w != nil {
			say("worst group", "%s=%s needs %.3f", w.Column, w.Value, w.Threshold)
		}
	}
	if m := r.Morph; m != nil {
		if m.Morphs > 0 {
			say("morph attack potential", "%s (%s)", rateText(m.MAP[0]), boundsText(m.MAP[0]))
		} else {
			say("morph attack potential", "%s: it asks for pairs of a morph with two contributors and more", none)
		}
		say("morphs accepted", "%s (%s) of single attempts", rateText(m.Accepted), boundsText(m.Accepted))
		say("morph hint", "APCER %s (%s), BPCER %s (%s), of pairs that match", rateText(m.HintAPCER), boundsText(m.HintAPCER), rateText(m.HintBPCER), boundsText(m.HintBPCER))
	}
	for _, n := range r.Set.Notes {
		say("note", "%s", n)
	}
	for _, n := range r.NotEvaluated {
		say("not evaluated", "%s", n)
	}
	say("models", "%s (manifest %s)", r.Model.Pack, short(r.Model.Hash))
	return b.String()
}
