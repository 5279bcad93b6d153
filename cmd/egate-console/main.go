// Command egate-console is the officers' console for a line of gates and, for a small site, the
// border control centre's end of the link.
//
//	egate-console --config FILE           serve the pages and the centre's end
//	egate-console --config FILE --check   say whether the configuration is good, and end
//	egate-console open-dossier            the one-shot child that opens one referral; started by the console only
//	egate-console answer-lookup           the one-shot child that answers one look-up; started by the console only
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

	"egate/console/centre"
	"egate/console/dossier"
)

// answerArg is the argument that makes this program a child that answers one look-up.
const answerArg = "answer-lookup"

func main() {
	if len(os.Args) == 2 && os.Args[1] == childArg {
		os.Exit(dossier.ChildMain())
	}
	if len(os.Args) == 2 && os.Args[1] == answerArg {
		os.Exit(centre.AnswerMain(os.Stdin, os.Stdout))
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		if errors.Is(err, errUsage) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: egate-console --config FILE [--check]")

func run(args []string) error {
	flags := flag.NewFlagSet("egate-console", flag.ContinueOnError)
	path := flags.String("config", "", "configuration `file` (YAML), see configs/console.example.yaml")
	check := flags.Bool("check", false, "check the configuration and end")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 || *path == "" {
		return errUsage
	}
	cfg, err := LoadConfig(*path)
	if err != nil || *check {
		return err
	}
	// Session keys live in this process: no core dump, no reading by others of the same user (DP-03).
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)

	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return serve(ctx, cfg, log)
}
