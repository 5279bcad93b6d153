package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"egate/configs"
	"egate/facematch"
	"egate/facematch/evaluate"
	"egate/inspect/decoder"
	"egate/inspect/decoder/selfchild"
	"egate/verdict"
)

// decodeLimit ends a picture that keeps its child waiting; the child's own limit is processor time.
const decodeLimit = 20 * time.Second

// openPicture opens a picture file in a confined child, as a gate opens a portrait. What cannot be opened has
// a reason; an error means that nothing can be opened here.
func openPicture(ctx context.Context, path string) (*facematch.Image, string, error) {
	st, err := os.Stat(path)
	if err != nil || !st.Mode().IsRegular() {
		return nil, evaluate.Unreadable, nil
	}
	if st.Size() > decoder.MaxToolFile {
		return nil, evaluate.TooLarge, nil
	}
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, evaluate.Unreadable, nil
	}
	defer clear(file)
	w, err := selfchild.Prefork()
	if err != nil {
		return nil, "", err
	}
	defer w.Close()
	limited, stop := context.WithTimeout(ctx, decodeLimit)
	defer stop()
	m, err := w.DecodeFile(limited, file)
	switch {
	case err == nil:
		return &facematch.Image{W: m.W, H: m.H, Stride: 3 * m.W, Pix: m.Pix}, "", nil
	case ctx.Err() != nil:
		return nil, "", ctx.Err()
	case errors.Is(err, decoder.ErrFormat):
		return nil, evaluate.UnknownFormat, nil
	case errors.Is(err, decoder.ErrTooLarge):
		return nil, evaluate.TooLarge, nil
	case errors.Is(err, decoder.ErrPicture):
		return nil, evaluate.Broken, nil
	}
	return nil, evaluate.DecoderFailed, nil
}

// pictureReasons are what a reason of openPicture means to a person.
var pictureReasons = map[string]string{
	evaluate.Unreadable:    "it is no file that can be read",
	evaluate.UnknownFormat: "it is no JPEG, JPEG 2000 or PNG",
	evaluate.TooLarge:      "it is larger than 16 MiB, or than 16 million pixels (JPEG 2000: 4 million)",
	evaluate.Broken:        "the picture is cut off or malformed",
	evaluate.DecoderFailed: "the decoder was ended by its limits of time or memory",
}

// verdictPolicy reads a policy file, or takes the built-in one, and names it with its hash.
func verdictPolicy(path string) (p verdict.Policy, name, hash string, err error) {
	p = verdict.DefaultPolicy()
	if path != "" {
		if _, err = configs.Decode(path, &p, "docs/policy.md"); err == nil {
			err = p.Validate()
		}
		if err != nil {
			return p, "", "", fmt.Errorf("--verdict: %w", err)
		}
	}
	b, err := json.Marshal(p)
	if err != nil {
		return p, "", "", err
	}
	sum := sha256.Sum256(b)
	return p, fmt.Sprintf("%s.v%d", p.ID, p.Version), hex.EncodeToString(sum[:]), nil
}

// comparison is what face compare prints with --json.
type comparison struct {
	Score     *float64       `json:"score"` // null: not compared
	Threshold float64        `json:"threshold"`
	Band      string         `json:"band,omitempty"`
	Match     bool           `json:"match"`
	Model     string         `json:"model"`
	ModelHash string         `json:"model_sha256"`
	Demo      bool           `json:"demonstration"`
	Policy    string         `json:"policy"`
	Pictures  [2]pictureLine `json:"pictures"`
}

type pictureLine struct {
	File       string             `json:"file"`
	Reason     string             `json:"reason,omitempty"`
	Looked     bool               `json:"looked_at"` // false too where the other one could not be opened
	Faces      int                `json:"faces"`
	Quality    float64            `json:"quality"`
	Components map[string]float64 `json:"components,omitempty"`
	Portrait   string             `json:"not_a_portrait,omitempty"`
	Live       string             `json:"not_a_live_picture,omitempty"`
	DecodeMS   float64            `json:"decode_ms"`
	WholeMS    float64            `json:"detect_to_template_ms"`
}

// faceCompare compares two portraits of a person who agreed to it. It is for commissioning: it says what
// the models say of two files and nothing about a gate's accuracy. Status 0 is a match, 1 none, 3 not
// compared.
func faceCompare(ctx context.Context, out io.Writer, args []string) error {
	f := flags("face compare", out)
	models := f.String("models", "", modelsHelp)
	policyFile := f.String("verdict", "", "policy file; without it the built-in policy")
	asJSON := f.Bool("json", false, "print the result as JSON")
	if err := parse(f, args); err != nil {
		return err
	}
	if f.NArg() != 2 {
		return errUsage
	}
	policy, name, _, err := verdictPolicy(*policyFile)
	if err != nil {
		return unchecked(err)
	}
	// Pictures come before models, and side by side: what cannot be opened is told at once.
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var c comparison
	var pictures [2]*facematch.Image
	var failed [2]error
	var opened sync.WaitGroup
	for i, path := range f.Args() {
		l := &c.Pictures[i]
		l.File = path
		opened.Go(func() {
			start := time.Now()
			pictures[i], l.Reason, failed[i] = openPicture(ctx, path)
			l.DecodeMS = millis(time.Since(start))
		})
	}
	defer func() {
		stop()
		opened.Wait()
		for _, m := range pictures {
			m.Wipe()
		}
	}()
	pack, err := loadPack(*models)
	if err != nil {
		return unchecked(err)
	}
	if err := pack.Operates(policy.MatchModel, policy.Match, false); err != nil {
		return unchecked(err)
	}
	c.Threshold, c.Model, c.ModelHash, c.Demo, c.Policy = policy.Match, pack.Info().String(), pack.Info().Hash, pack.Info().Demo, name
	opened.Wait()
	for i, err := range failed {
		if err != nil {
			return unchecked(fmt.Errorf("%s: %w", c.Pictures[i].File, err))
		}
	}
	var refs [2]*facematch.Reference
	if pictures[0] != nil && pictures[1] != nil {
		e, err := facematch.OpenStills(pack, 1)
		if err != nil {
			return unchecked(err)
		}
		defer e.Close()
		for i, m := range pictures {
			if refs[i], err = lookAt(e, m, &c.Pictures[i]); err != nil {
				return unchecked(fmt.Errorf("%s: %w", c.Pictures[i].File, err))
			}
			defer refs[i].Wipe()
			if refs[i] == nil { // nothing to compare the other one with
				break
			}
		}
	}
	if refs[0] != nil && refs[1] != nil {
		score, err := facematch.Compare(refs[0], refs[1])
		if err != nil {
			return unchecked(err)
		}
		c.Score, c.Band, c.Match = &score, verdict.Band(score, policy.Match), score >= policy.Match
	}
	if *asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(c); err != nil {
			return unchecked(err)
		}
	} else {
		c.print(out, pack.Info())
	}
	switch {
	case c.Score == nil:
		return statusNotChecked
	case !c.Match:
		return statusFailed
	}
	return nil
}

// lookAt examines one picture; no template means that the line has the reason.
func lookAt(e *facematch.Engine, m *facematch.Image, l *pictureLine) (*facematch.Reference, error) {
	x, err := e.Examine(m, false)
	if err != nil {
		return nil, err
	}
	l.Faces, l.Portrait, l.Live, l.WholeMS = x.Faces, x.Portrait, x.Probe, millis(x.Whole)
	if x.Reference == nil {
		l.Reason = facematch.NoFaceFound
		return nil, nil
	}
	l.Quality, l.Components = x.Quality.Overall(), map[string]float64{}
	l.Looked = true
	for k, v := range x.Quality.Score {
		if math.IsNaN(v) { // not measured
			continue
		}
		l.Components[facematch.Component(k).String()] = v
	}
	return x.Reference, nil
}

func (c *comparison) print(out io.Writer, info facematch.Info) {
	for _, l := range c.Pictures {
		switch {
		case l.Reason == facematch.NoFaceFound:
			fmt.Fprintf(out, "%s: no face was found\n", l.File)
			continue
		case l.Reason != "":
			fmt.Fprintf(out, "%s: not opened: %s (%s)\n", l.File, pictureReasons[l.Reason], l.Reason)
			continue
		}
		if !l.Looked {
			fmt.Fprintf(out, "%s: opened, not looked at\n", l.File)
			continue
		}
		fmt.Fprintf(out, "%s: quality %.0f of 100", l.File, l.Quality)
		if l.Faces > 1 {
			fmt.Fprintf(out, "; %d faces, the large and central one was taken", l.Faces)
		}
		if l.Portrait != "" {
			fmt.Fprintf(out, "; a gate would not take it as portrait: %s", l.Portrait)
		}
		if l.Live != "" {
			fmt.Fprintf(out, "; a gate would not take it as live picture: %s", l.Live)
		}
		fmt.Fprintln(out)
	}
	if c.Score == nil {
		fmt.Fprintln(out, "NOT COMPARED")
	} else {
		word := "NO MATCH"
		if c.Match {
			word = "MATCH"
		}
		fmt.Fprintf(out, "%s: score %.6f, threshold %.2f (%s)\n", word, *c.Score, c.Threshold, c.Band)
	}
	fmt.Fprintf(out, "models %s, policy %s\n", c.Model, c.Policy)
	if info.Demo {
		fmt.Fprintln(out, "demonstration models: "+info.Statement)
	}
}

// writeFile writes a file of a report: it names persons' pictures, so its user alone reads it.
func writeFile(dir, name string, b []byte) error {
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
