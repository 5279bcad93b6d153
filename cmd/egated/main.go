// Command egated is the controller of a gate: sensors in, state machine, doors out, evidence, link to the
// centre, traveller screen. It is not a safety function: emergency release works by hardware without it.
//
//	egated --config FILE           run
//	egated --config FILE --check   say whether the configuration is good, and end
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"egate/configs"
	"egate/internal/buildinfo"
	"egate/internal/priority"
)

var errUsage = errors.New("usage: egated --config FILE [--check | --version]")

func main() {
	// First of all: who asks it to end while it is still starting gets an orderly end too.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		if errors.Is(err, errUsage) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("egated", flag.ContinueOnError)
	path := f.String("config", "", "configuration `file` (YAML): egatectl config example gate prints one to start from")
	check := f.Bool("check", false, "check the configuration and end")
	version := f.Bool("version", false, "print the version and end")
	if err := f.Parse(args); err != nil || f.NArg() > 0 {
		return errUsage
	}
	if *version {
		fmt.Println(buildinfo.String("egated"))
		return nil
	}
	if *path == "" {
		return errUsage
	}
	cfg, err := configs.Load(*path)
	if err != nil {
		return err
	}
	differs, err := cfg.CheckProfile()
	if err != nil {
		return err
	}
	if *check {
		for _, m := range differs { // it would start, out of service, and tell the desk
			fmt.Fprintln(os.Stderr, m)
		}
		return nil
	}
	// The gate's signing key lives here: no core dump, no reading by others of the same user.
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level()})).With("gate", cfg.Gate)
	if err := priority.Raise(); err != nil {
		log.Info("egated: doors do not come before other programs: set CPUSchedulingPolicy in the unit file", "err", err)
	}
	for _, m := range differs {
		log.Error("egated: site profile", "key", m.Key, "has", m.Has, "want", m.Want, "at", m.At)
	}
	return serve(ctx, *path, cfg, differs, log)
}

// level is debug where EGATE_DEBUG is set.
func level() slog.Level {
	if os.Getenv("EGATE_DEBUG") != "" {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}
