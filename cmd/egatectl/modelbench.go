package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"egate/facematch"
)

// modelTimes is what model bench prints with --json. Times are milliseconds, medians.
type modelTimes struct {
	Model     string      `json:"model"`
	Demo      bool        `json:"demonstration"`
	CPU       string      `json:"cpu"`
	Threads   int         `json:"threads"`
	Rounds    int         `json:"rounds"`
	LoadMS    float64     `json:"load_and_verify_ms"`
	OpenMS    float64     `json:"open_and_self_test_ms"`
	PeakMB    float64     `json:"peak_mb"`
	Stages    []stageTime `json:"stages"`
	ModelMS   float64     `json:"models_ms"`
	RestMS    float64     `json:"rest_ms"`
	PictureWH [2]int      `json:"picture"`
}

type stageTime struct {
	Stage   string  `json:"stage"`
	ModelMS float64 `json:"model_ms"`
	RestMS  float64 `json:"rest_ms"`
}

// modelBench times a pack on the machine that it is to serve on.
func modelBench(ctx context.Context, out io.Writer, args []string) error {
	f := flags("model bench", out)
	rounds := f.Int("rounds", 21, "times that every stage runs; the median counts")
	threads := f.Int("threads", 1, "threads of one model call")
	asJSON := f.Bool("json", false, "print the result as JSON")
	if err := f.Parse(args); err != nil {
		return err
	}
	var named string
	switch f.NArg() {
	case 1:
	case 2:
		named = f.Arg(0)
	default:
		return errUsage
	}
	path := f.Arg(f.NArg() - 1)
	dir, err := packFolder(named)
	if err != nil {
		return err
	}
	picture, reason, err := openPicture(ctx, path)
	if err != nil {
		return err
	}
	if reason != "" {
		return fmt.Errorf("%s: %s", path, pictureReasons[reason])
	}
	defer picture.Wipe()
	start := time.Now()
	pack, err := facematch.LoadPack(dir, facematch.LoadOptions{})
	if err != nil {
		return err
	}
	loaded := time.Now()
	e, err := facematch.Open(pack, *threads)
	if err != nil {
		return err
	}
	defer e.Close()
	t := modelTimes{Model: e.Info().String(), Demo: e.Info().Demo, CPU: fmt.Sprintf("%s, %d cores", runtime.GOARCH, runtime.NumCPU()), Threads: *threads, Rounds: *rounds,
		LoadMS: millis(loaded.Sub(start)), OpenMS: millis(time.Since(loaded)), PictureWH: [2]int{picture.W, picture.H}}
	stages, err := e.Measure(picture, *rounds)
	if err != nil {
		return err
	}
	for _, s := range stages {
		t.Stages = append(t.Stages, stageTime{s.Name, millis(s.Model), millis(s.Rest)})
		t.ModelMS, t.RestMS = t.ModelMS+millis(s.Model), t.RestMS+millis(s.Rest)
	}
	if t.PeakMB, err = peak(); err != nil {
		return err
	}
	if *asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(t)
	}
	fmt.Fprintf(out, "%s on %s, %d thread(s), %dx%d pixels, median of %d\n", t.Model, t.CPU, t.Threads, t.PictureWH[0], t.PictureWH[1], t.Rounds)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "stage\tmodel ms\trest ms\t")
	for _, s := range t.Stages {
		fmt.Fprintf(w, "%s\t%.2f\t%.2f\t\n", s.Stage, s.ModelMS, s.RestMS)
	}
	fmt.Fprintf(w, "whole frame\t%.2f\t%.2f\t\n", t.ModelMS, t.RestMS)
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "verified in %.0f ms, warm in %.0f ms more, %.0f MB at the peak\n", t.LoadMS, t.OpenMS, t.PeakMB)
	return nil
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// peak is the largest resident size of this process so far.
func peak() (mb float64, err error) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			_, err = fmt.Sscan(rest, &mb)
			return mb / 1024, err
		}
	}
	return 0, errors.New("/proc/self/status tells no memory")
}
