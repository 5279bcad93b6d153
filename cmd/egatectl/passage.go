package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"egate/gate"
	"egate/sensors/passage"
)

// passageTrack runs the tracker of the gate on a recorded or foreign trace (S-02, S-03).
func passageTrack(_ context.Context, out io.Writer, args []string) error {
	f := flags("passage track", out)
	geometry := f.String("geometry", "", "where the beams are: lines id,x_mm,z_mm, or YAML")
	asJSON := f.Bool("json", false, "print JSON")
	var trace string
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") { // the trace may come before the flags
		trace, args = args[0], args[1:]
	}
	if err := f.Parse(args); err != nil {
		return err
	}
	if trace == "" && f.NArg() == 1 {
		trace = f.Arg(0)
	} else if f.NArg() != 0 {
		return errUsage
	}
	if trace == "" || *geometry == "" {
		return errUsage
	}
	g, err := opened(*geometry, passage.ReadGeometry)
	if err != nil {
		return err
	}
	read, err := opened(trace, passage.ReadTrace)
	if err != nil {
		return err
	}
	run, err := passage.Replay(g, read.Edges)
	if err != nil {
		return err
	}
	run.Notes = read.Notes
	if *asJSON {
		return printRunJSON(out, run)
	}
	return printRun(out, run)
}

func opened[T any](path string, read func(io.Reader) (T, error)) (T, error) {
	var none T
	if path == "-" {
		return read(os.Stdin)
	}
	f, err := os.Open(path)
	if err != nil {
		return none, err
	}
	defer f.Close()
	v, err := read(f)
	if err != nil {
		return none, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

// Documents of "passage track --json". Times are microseconds of the trace.
type (
	runDoc struct {
		Rows     rowsDoc      `json:"rows"`
		Passages []passageDoc `json:"passages"`
		Changes  []changeDoc  `json:"changes"`
		End      endDoc       `json:"end"`
		Notes    []string     `json:"notes"` // what was odd about the trace
	}
	rowsDoc struct {
		HighMM float64  `json:"high_z_mm"`
		High   int      `json:"high_beams"`
		LowMM  float64  `json:"low_z_mm"`
		Low    int      `json:"low_beams"`
		Doors  bool     `json:"door_beams"` // both are in the trace
		Unused []string `json:"unused"`
		Blind  []string `json:"blind"`
		Dirty  []string `json:"dirty"`        // taken out of service
		Few    bool     `json:"insufficient"` // too many of them to count
	}
	passageDoc struct {
		From       int64   `json:"from_us"`
		To         int64   `json:"to_us"`
		Class      string  `json:"class"`
		Confidence float64 `json:"confidence"`
		Persons    int     `json:"persons"` // 2: two or more
		Two        float64 `json:"likely_more_than_one"`
		Decided    int64   `json:"decided_us"`
		Latency    int64   `json:"latency_us"`
	}
	changeDoc struct {
		At    int64     `json:"t_us"`
		Count string    `json:"count"`
		Two   float64   `json:"likely_more_than_one"`
		Seen  []seenDoc `json:"seen"`
	}
	seenDoc struct {
		FromMM  float64 `json:"from_mm"`
		ToMM    float64 `json:"to_mm"`
		Persons int     `json:"persons"` // 0: an arm, or somebody; not decided
		Toward  string  `json:"toward"`  // exit, entry, or nothing for standing
	}
	endDoc struct {
		Count   string `json:"count"`
		Object  bool   `json:"object"`
		Entered uint64 `json:"entered"`
		Across  uint64 `json:"left_across"`
		Back    uint64 `json:"left_back"`
		Doubts  uint64 `json:"doubts"`
	}
)

func printRunJSON(out io.Writer, run *passage.Run) error {
	l := run.Layout
	d := runDoc{Passages: []passageDoc{}, Changes: []changeDoc{}, Rows: rowsDoc{HighMM: l.HighMM, High: len(l.Config.High), LowMM: l.LowMM, Low: len(l.Config.Low),
		Doors: l.Config.NoDoor == [2]bool{}, Unused: append([]string{}, l.Unused...), Blind: append([]string{}, run.Blind...),
		Dirty: append([]string{}, run.Dirty...), Few: run.Few}, Notes: append([]string{}, run.Notes...),
		End: endDoc{run.End.Count.String(), run.End.Object, run.Totals.EnteredOrigin + run.Totals.EnteredFar, run.Totals.LeftAcross, run.Totals.LeftOrigin, run.Totals.Doubts}}
	for _, p := range run.Passages {
		d.Passages = append(d.Passages, passageDoc{p.From.Microseconds(), p.To.Microseconds(), string(p.Class), p.Confidence, p.Persons, p.Two,
			p.Decided.Microseconds(), p.Latency.Microseconds()})
	}
	for _, c := range run.Changes {
		seen := []seenDoc{}
		for _, s := range c.Seen {
			seen = append(seen, seenDoc(s))
		}
		d.Changes = append(d.Changes, changeDoc{c.At.Microseconds(), c.Count.String(), c.Two, seen})
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(d)
}

func printRun(out io.Writer, run *passage.Run) error {
	l := run.Layout
	fmt.Fprintf(out, "%d beams at %.0f mm count trunks, %d at %.0f mm see the floor", len(l.Config.High), l.HighMM, len(l.Config.Low), l.LowMM)
	for d, missing := range l.Config.NoDoor {
		if missing {
			fmt.Fprintf(out, "; no safety beam of the %s door", gate.Door(d))
		}
	}
	fmt.Fprintln(out)
	if len(l.Unused) > 0 {
		fmt.Fprintf(out, "not used: %s\n", strings.Join(l.Unused, " "))
	}
	if len(run.Blind) > 0 {
		fmt.Fprintf(out, "blind, people walked by without breaking it: %s\n", strings.Join(run.Blind, " "))
	}
	if len(run.Dirty) > 0 {
		fmt.Fprintf(out, "dirty, taken out of service: %s\n", strings.Join(run.Dirty, " "))
	}
	if run.Few {
		fmt.Fprintln(out, "two neighbours were out of service: nobody could be counted for a while")
	}
	for _, n := range run.Notes {
		fmt.Fprintf(out, "note: %s\n", n)
	}
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "from\tto\tclass\tconfidence\tpersons\tdecided\tafter the edge")
	for _, p := range run.Passages {
		persons := fmt.Sprint(p.Persons)
		if p.Persons == 2 {
			persons = "2 or more"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%.2f\t%s\t%s\t%s\n", secs(p.From), secs(p.To), p.Class, p.Confidence, persons, secs(p.Decided), p.Latency)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "in the end: count %s", run.End.Count)
	if run.End.Object {
		fmt.Fprint(out, ", something was left")
	}
	fmt.Fprintln(out)
	return nil
}

func secs(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }
