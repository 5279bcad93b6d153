// Command egate-sim is the gate's hardware and its travellers, simulated: the far end of every device
// driver, a network, and the scenario files that are played and judged.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"egate/sim/memscan"
	"egate/sim/people"
	"egate/sim/plant"
	"egate/sim/run"
	"egate/sim/scenario"
	"egate/sim/scenarios"
)

const usage = `egate-sim plays the hardware of a gate and its travellers.

  egate-sim run [--once] [--scenario NAME]… [--json]   play scenarios with the real programs
  egate-sim check FILE…                                check scenario files
  egate-sim inject [--end] [--dir DIR] FAULT…          make faults happen in a running simulation (--help lists them)
  egate-sim list                                       list the scenarios
  egate-sim trace --class C --seed N [--gap-mm G]      write what the beams see of a simulated walk, as CSV
  egate-sim geometry                                   write where the beams are, as CSV
  egate-sim chip [--profile FILE | --folder DIR]       put a passport chip into a virtual PC/SC reader (--help)

Flags of run:
`

// names collects a flag that may be repeated.
type names []string

func (n *names) String() string     { return fmt.Sprint(*n) }
func (n *names) Set(s string) error { *n = append(*n, s); return nil }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := dispatch(ctx, os.Args[1:]); err != nil {
		stop()
		if errors.Is(err, flag.ErrHelp) {
			return
		}
		if !errors.Is(err, run.ErrFailed) {
			fmt.Fprintln(os.Stderr, "egate-sim:", err)
		}
		os.Exit(1)
	}
}

func dispatch(ctx context.Context, args []string) error {
	cmd := ""
	if len(args) > 0 {
		cmd = args[0]
	}
	switch cmd {
	case memscan.HoldCommand:
		return memscan.Hold(os.Stdin, os.Stdout)
	case "trace":
		return trace(args[1:])
	case "geometry":
		return people.WriteGeometry(os.Stdout, plant.Default())
	case "chip":
		return playChip(ctx, os.Stdout, args[1:])
	case "run":
		return play(ctx, args[1:])
	case "inject":
		return inject(ctx, args[1:])
	case "check":
		return check(args[1:])
	case "list":
		all, err := scenario.Load(scenarios.Files)
		if err != nil {
			return err
		}
		for _, s := range all {
			fmt.Printf("%-28s %s\n", s.Name, s.Title)
		}
		return nil
	}
	fmt.Fprint(os.Stderr, usage)
	flags(&run.Options{}, new(names)).PrintDefaults()
	if cmd == "help" || cmd == "--help" || cmd == "-h" {
		return nil
	}
	return fmt.Errorf("unknown command %q", cmd)
}

func flags(o *run.Options, want *names) *flag.FlagSet {
	f := flag.NewFlagSet("egate-sim run", flag.ContinueOnError)
	f.Var(want, "scenario", "play this scenario only; may be repeated")
	f.StringVar(&o.From, "scenarios", "", "folder of scenario files instead of the built-in ones")
	f.StringVar(&o.Bin, "bin", "", "folder of the programs (default: where egate-sim lies)")
	f.StringVar(&o.Dir, "dir", "", "folder for state and logs (default: a fresh one)")
	f.BoolVar(&o.Once, "once", false, "play each scenario once, print the table and end")
	f.IntVar(&o.Jobs, "jobs", runtime.NumCPU(), "with --once: play on so many sites side by side")
	f.BoolVar(&o.JSON, "json", false, "print one JSON object a scenario; progress goes to standard error")
	f.StringVar(&o.Broker, "broker", "", "loopback host:port of a broker that runs already (default: the console's embedded one)")
	f.BoolVar(&o.Keep, "keep", false, "keep the state folder")
	return f
}

func play(ctx context.Context, args []string) error {
	o := run.Options{Out: os.Stdout, Err: os.Stderr}
	var want names
	if err := flags(&o, &want).Parse(args); err != nil {
		return err
	}
	if o.Bin == "" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		o.Bin = filepath.Dir(self)
	}
	files := fs.FS(scenarios.Files)
	if o.From != "" {
		files = os.DirFS(o.From)
	}
	var err error
	if o.Scenarios, err = scenario.Load(files, want...); err != nil {
		return err
	}
	return run.Run(ctx, o)
}

// inject makes faults happen in a running simulation, or ends them.
func inject(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("egate-sim inject", flag.ContinueOnError)
	dir := f.String("dir", "", "state folder of the simulation (default: the only one that runs)")
	end := f.Bool("end", false, "end the faults")
	list := f.Bool("list", false, "list every fault of the running plant by its name")
	f.Usage = func() {
		w := f.Output()
		fmt.Fprint(w, "egate-sim inject [--end] [--dir DIR] FAULT… makes faults happen in a running simulation. They last until --end\nor the end of the scenario that is played.\n\n")
		for _, x := range plant.Faults {
			fmt.Fprintf(w, "  %-22s %s\n", x.Name, x.Does)
		}
		fmt.Fprint(w, "\nDOOR is entry or exit. LINE is an input such as entry_beam, exit_closed or beam_07; --list names them all.\nScenarios say: the fault NAME happens, the fault NAME ends.\n\n")
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return err
	}
	words := append([]string{"inject"}, f.Args()...)
	switch {
	case *list:
		words = []string{"list"}
	case f.NArg() == 0:
		f.Usage()
		return errors.New("no fault is named")
	case *end:
		words[0] = "end"
	}
	out, err := run.Inject(ctx, *dir, words...)
	fmt.Print(out)
	return err
}

func trace(args []string) error {
	f := flag.NewFlagSet("egate-sim trace", flag.ContinueOnError)
	class := f.String("class", string(people.Single), fmt.Sprintf("what is walked: one of %v", people.Classes()))
	seed := f.Uint64("seed", 1, "seed: the same one gives the same trace")
	var o people.TraceOptions
	f.Float64Var(&o.GapMM, "gap-mm", 0, "gap between two people in mm (default: drawn, 20 to 1000)")
	f.Float64Var(&o.Speed, "speed", 0, "walking speed in mm/s (default: drawn, 800 to 1300)")
	f.Float64Var(&o.Flicker, "flicker", 0, "false edges a beam and second")
	if err := f.Parse(args); err != nil {
		return err
	}
	t, err := people.Generate(people.Class(*class), *seed, o)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "simulated: class %s, %d in, gap %.0f mm, %.0f mm/s, %d edges\n", t.Class, t.People, t.Gap, t.Speed, len(t.Edges))
	return t.WriteCSV(os.Stdout)
}

func check(paths []string) error {
	var errs []error
	for _, p := range paths {
		f, err := os.Open(p)
		if err == nil {
			_, err = scenario.Parse(p, f)
			f.Close()
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
