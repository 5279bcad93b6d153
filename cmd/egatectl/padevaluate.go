package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"egate/facematch"
	"egate/facematch/evaluate"
	"egate/internal/buildinfo"
)

// facePADEvaluate measures presentation attack detection on films: facematch/README.md describes the folder.
func facePADEvaluate(ctx context.Context, out io.Writer, args []string) error {
	f := flags("face pad-evaluate", out)
	models := f.String("models", "", modelsHelp)
	policy := f.String("policy", string(evaluate.Measure), "measure: every nearly frontal picture serves; gate: the gate's demands on quality too")
	policyFile := f.String("verdict", "", "policy file that names the required signals; without it the built-in policy")
	to := f.String("out", "pad-evaluation", "folder for the report; a run that was stopped is resumed there")
	rate := f.Float64("rate", 8, "pictures a second of the films")
	stills := f.Bool("stills", false, "every picture is a presentation of its own")
	workers := f.Int("workers", runtime.NumCPU(), "presentations looked at at a time")
	fresh := f.Bool("fresh", false, "begin anew: forget what a stopped run has done")
	if err := parse(f, args); err != nil {
		return err
	}
	switch {
	case f.NArg() != 1:
		return errUsage
	case *policy != string(evaluate.Measure) && *policy != string(evaluate.Gate):
		return errors.New("--policy: measure or gate")
	case !(*rate >= 1 && *rate <= 240):
		return errors.New("--rate: 1 to 240 pictures a second")
	}
	rules, name, hash, err := verdictPolicy(*policyFile)
	if err != nil {
		return err
	}
	engines, err := openEngines(*models, facematch.Open)
	if err != nil {
		return err
	}
	set, err := evaluate.LoadPAD(f.Arg(0), *stills)
	if err != nil {
		return err
	}
	journal, err := reportFolder(*to, *fresh)
	if err != nil {
		return err
	}
	b := newBar(os.Stderr)
	b.unit = "pictures"
	defer b.done()
	o, err := evaluate.RunPAD(ctx, set, evaluate.PADConfig{Rate: *rate, Config: evaluate.Config{Decode: openPicture, Engine: engines,
		Workers: max(1, min(*workers, maxWorkers)), Policy: evaluate.Policy(*policy), Journal: journal, Progress: b.show}})
	b.done()
	if err != nil {
		return resumable(err, journal)
	}
	r := o.Report(evaluate.PADTerms{Tool: buildinfo.String("egatectl"), PolicyName: name, PolicyHash: hash, Policy: rules, Now: time.Now()})
	files, err := r.Files()
	if err != nil {
		return err
	}
	return writeReport(out, *to, files, r.Summary(), o.Resumed, "presentations were judged")
}

// writeReport writes the files of an evaluation and says what came out.
func writeReport(out io.Writer, dir string, files []evaluate.File, summary string, resumed int, what string) error {
	for _, x := range files {
		if err := writeFile(dir, x.Name, x.Bytes); err != nil {
			return err
		}
	}
	fmt.Fprint(out, summary)
	if resumed > 0 {
		fmt.Fprintf(out, "resumed: %d %s before\n", resumed, what)
	}
	fmt.Fprintf(out, "report: %s\n", filepath.Join(dir, "report.html"))
	return nil
}

// resumable says of an evaluation that was stopped how it goes on.
func resumable(err error, journal string) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("stopped; the same command goes on from here (%s)", journal)
	}
	return err
}

// reportFolder makes the folder of a report and names the journal of its run.
func reportFolder(dir string, fresh bool) (journal string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	journal = filepath.Join(dir, "work.jsonl")
	if fresh {
		if err := os.Remove(journal); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return journal, nil
}
