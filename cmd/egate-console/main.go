// Command egate-console is the officers' console for a line of gates and, for a small site, the
// border control centre's end of the link.
//
//	egate-console --config FILE           serve the pages and the centre's end
//	egate-console --config FILE --check   say whether the configuration is good, and end
//	egate-console --config FILE --statistics 2026-01-01..2026-02-01
//	                                      passages by hour, gate, outcome, reason, retries, decision and officer group as CSV, without small counts (E-06)
//	egate-console --config FILE --availability 2026-01-01..2026-02-01
//	                                      availability, MTBF and MTTR of every gate as CSV
//	egate-console --config FILE --deletions
//	                                      what retention has taken from the history, by day, gate and epoch, as CSV (DP-08)
//	egate-console open-dossier            the one-shot child that opens one referral; started by the console only
//	egate-console answer-lookup           the one-shot child that answers one look-up; started by the console only
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

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

var errUsage = errors.New("usage: egate-console --config FILE [--check | --statistics DAY..DAY | --availability DAY..DAY | --deletions]")

func run(args []string) error {
	flags := flag.NewFlagSet("egate-console", flag.ContinueOnError)
	path := flags.String("config", "", "configuration `file` (YAML), see configs/console.example.yaml")
	check := flags.Bool("check", false, "check the configuration and end")
	days := flags.String("statistics", "", "print counts of passages from the first to before the last `day` (2026-01-01..2026-02-01, UTC) as CSV, and end")
	up := flags.String("availability", "", "print availability, MTBF and MTTR of every gate from the first to before the last `day` as CSV, and end")
	gone := flags.Bool("deletions", false, "print what retention has deleted, by day, gate and epoch, as CSV, and end")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 || *path == "" {
		return errUsage
	}
	cfg, err := LoadConfig(*path)
	if err != nil || *check {
		return err
	}
	if *up != "" {
		return available(os.Stdout, cfg, *up)
	}
	if *gone {
		return centre.WriteDeletions(os.Stdout, filepath.Join(cfg.DataDir, "history.db"))
	}
	if *days != "" {
		return statistics(os.Stdout, cfg, *days)
	}
	// Session keys live in this process: no core dump, no reading by others of the same user (DP-03).
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)

	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return serve(ctx, cfg, log)
}

// statistics writes the counts of some days. It may run beside the console.
func statistics(w io.Writer, cfg Config, days string) error {
	from, to, err := span("--statistics", days)
	if err != nil {
		return err
	}
	return centre.WriteStatistics(w, filepath.Join(cfg.DataDir, "history.db"), time.Now(), from, to)
}
