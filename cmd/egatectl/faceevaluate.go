package main

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"strconv"
	"time"

	"egate/facematch"
	"egate/facematch/evaluate"
	"egate/internal/buildinfo"
)

// maxWorkers bounds how many pictures are looked at at a time: each has its models in memory.
const maxWorkers = 16

// openEngines gives a maker of engines of one pack: open is facematch.Open, or OpenStills for photographs.
func openEngines(dir string, open func(*facematch.Pack, int) (*facematch.Engine, error)) (func() (*facematch.Engine, error), error) {
	pack, err := loadPack(dir)
	if err != nil {
		return nil, err
	}
	return func() (*facematch.Engine, error) { return open(pack, 1) }, nil
}

// faceEvaluate measures the models on labelled pictures: facematch/README.md describes lists and folders.
func faceEvaluate(ctx context.Context, out io.Writer, args []string) error {
	f := flags("face evaluate", out)
	models := f.String("models", "", modelsHelp)
	policy := f.String("policy", string(evaluate.Measure), "measure: compare every detected face; gate: apply the gate's demands on quality too")
	policyFile := f.String("verdict", "", "policy file with the match threshold; without it the built-in policy")
	to := f.String("out", "face-evaluation", "folder for the report; a run that was stopped is resumed there")
	root := f.String("root", "", "folder that the paths of a list are below; without it the folder of the list")
	labels := f.String("labels", "", "labels of a folder: CSV, path or person first")
	impostors := f.String("impostors", strconv.Itoa(evaluate.DefaultPairs), "impostor pairs of a folder, at most; or all")
	target := f.Float64("target-fmr", 0.001, "false matches per passage that the threshold is to keep")
	attempts := f.Int("attempts", 1, "attempts that a passage permits")
	workers := f.Int("workers", runtime.NumCPU(), "pictures looked at at a time")
	fresh := f.Bool("fresh", false, "begin anew: forget what a stopped run has done")
	if err := parse(f, args); err != nil {
		return err
	}
	limit, err := strconv.Atoi(*impostors)
	if *impostors == "all" {
		limit, err = -1, nil
	}
	switch {
	case f.NArg() != 1:
		return errUsage
	case err != nil || limit == 0 || limit < -1:
		return errors.New("--impostors: a number from 1, or all")
	case !(*target > 0 && *target < 1):
		return errors.New("--target-fmr: a share between 0 and 1, e.g. 0.001")
	case *attempts < 1 || *attempts > 100:
		return errors.New("--attempts: 1 to 100")
	case *policy != string(evaluate.Measure) && *policy != string(evaluate.Gate):
		return errors.New("--policy: measure or gate")
	}
	rules, name, hash, err := verdictPolicy(*policyFile)
	if err != nil {
		return err
	}
	engines, err := openEngines(*models, facematch.OpenStills)
	if err != nil {
		return err
	}
	set, err := evaluate.Load(f.Arg(0), evaluate.Options{Root: *root, Labels: *labels, Impostors: limit})
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
	cfg := evaluate.Config{Decode: openPicture, Engine: engines, Workers: max(1, min(*workers, maxWorkers)), Policy: evaluate.Policy(*policy), Match: rules.Match, Journal: journal, Progress: b.show}
	o, err := evaluate.Run(ctx, set, cfg)
	b.done()
	if err != nil {
		return resumable(err, journal)
	}
	r := o.Report(evaluate.Terms{Tool: buildinfo.String("egatectl"), Match: rules.Match, PolicyHash: hash, PolicyName: name, Target: *target,
		Attempts: *attempts, Workers: cfg.Workers, Now: time.Now()})
	files, err := r.Files(o)
	if err != nil {
		return err
	}
	return writeReport(out, *to, files, r.Summary(), o.Resumed, "pairs were compared")
}
