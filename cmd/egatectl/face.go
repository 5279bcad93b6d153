package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	_ "image/jpeg" // the format of DG2 portraits that a tool compares
	"io"
	"os"

	"egate/facematch"
	"egate/verdict"
)

// maxPicture caps a file that is compared, bytes.
const maxPicture = 8 << 20

// faceCompare compares two portraits of a person who agreed to it. It is for commissioning: it says what
// the models say of two files and nothing about a gate's accuracy.
func faceCompare(_ context.Context, out io.Writer, args []string) error {
	f := flags("face compare", out)
	models := f.String("models", ".cache/models", "folder of the model pack")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 2 {
		return errUsage
	}
	pack, err := facematch.LoadPack(*models, facematch.LoadOptions{})
	if err != nil {
		return err
	}
	e, err := facematch.Open(pack, 1)
	if err != nil {
		return err
	}
	defer e.Close()
	var refs [2]*facematch.Reference
	for i, path := range f.Args() {
		if refs[i], err = enrol(e, path); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		defer refs[i].Wipe()
		q := refs[i].Quality()
		fmt.Fprintf(out, "%s: quality %.0f of 100, worst %s\n", path, q.Overall(), q.Worst())
	}
	score, err := facematch.Compare(refs[0], refs[1])
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "score %.3f, threshold %.2f: %s\nmodels %s\n", score, verdict.DefaultMatch, verdict.Band(score, verdict.DefaultMatch), e.Info())
	if e.Info().Demo {
		fmt.Fprintln(out, "demonstration models: "+e.Info().Statement)
	}
	return nil
}

func enrol(e *facematch.Engine, path string) (*facematch.Reference, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if st.Size() > maxPicture {
		return nil, fmt.Errorf("longer than %d bytes", maxPicture)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	img, _, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	m, err := facematch.FromImage(img)
	if err != nil {
		return nil, err
	}
	defer m.Wipe()
	return e.Enrol(m, facematch.PortraitLimits())
}
