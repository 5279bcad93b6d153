// Command egatectl is commissioning, maintenance and audit from a shell.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"egate/internal/buildinfo"
)

// command is one thing that egatectl does.
type command struct {
	name, args, help string
	run              func(ctx context.Context, out io.Writer, args []string) error
}

// commands in the order of a gate's life.
func commands() []command {
	return slices.Concat([]command{
		{"site init", "--simulation DIR", "make a throw-away site: keys, trust bundle, officers, watch list, configurations", siteInit},
		{"key make", "[--sealing] [--tpm DEVICE [--pcr LIST]] NAME", "make a key pair: NAME.key, private, and NAME.pub", keyMake},
		{"roster sign", "--key FILE.key ROSTER.yaml FILE", "sign who may order what; the key stays on a machine that is connected to nothing", rosterSign},
		{"roster show", "--key FILE.pub FILE", "what a signed roster says", rosterShow},
		{"roster check", "--key FILE.pub [--officer O --gate G [--order N]] FILE", "does it hold now, and may an officer order at a gate?", rosterCheck},
		{"roster enrol", "--rp-id HOST --origin URL REGISTRATION", "turn what the enrolment page shows into the lines of a roster", rosterEnrol},
		{"config check", "FILE…", "check the configuration of a gate; every mistake with file, line and cure", configCheck},
		{"config example", "gate|bench|sim|site-profile", "print a file to start from", configExample},
		{"document read", "--reader R --mrz FILE [--trust FILE --key FILE] [--json]", "read a chip and report what it proves; status 0 authentic, 1 not, 3 not possible", documentRead},
		{"document verify", "--trust FILE --key FILE [--at DAY] [--json] DIR", "passive authentication of files read earlier (EF.SOD, DG1, …)", documentVerify},
		{"document explain", "FILE", "show a file of a document as a tree, without judging it", documentExplain},
		{"trust show", "--key FILE FILE", "who signed a trust bundle, what it holds, when it ends", trustShow},
		{"audit verify", "--site S --gate G --key FILE STATE_DIR [CHECKPOINT…]", "find any change of the evidence below its signed checkpoints", auditVerify},
		{"audit show", "[--type T] [--from N] [--json] STATE_DIR", "list the leaves: epoch, number, time, type, content", auditShow},
		{"audit prove", "--site S --gate G --key FILE STATE_DIR EPOCH LEAF", "the proof that one leaf is in the log, as a file that needs no gate", auditProve},
		{"audit check", "--site S --gate G --key FILE PROOF", "check such a proof", auditCheck},
		{"audit export", "--site S --gate G --key FILE STATE_DIR FILE", "every leaf in one file that proves itself (audit verify --export)", auditExport},
		{"passage track", "TRACE.csv --geometry FILE [--json]", "what the tracker of the gate makes of a recorded or foreign trace of beams", passageTrack},
		{"diag follow", "--site S [--gate G] [--broker URL --ca F --cert F --key F]", "the health of a gate or a site as it changes, in this terminal", diagFollow},
		{"diag", "[--out FILE] GATE.yaml", "a diagnostic bundle for technical support: nothing personal, no key, no event in full", diag},
		{"face compare", "[--models DIR] [--json] A B", "compare two portraits with the model pack; status 0 match, 1 no match, 3 not compared", faceCompare},
		{"face evaluate", "[--policy measure|gate] [--out DIR] PAIRS.csv|pairs.txt|FOLDER", "error rates of the model pack on labelled pictures, with bounds; report as JSON and page", faceEvaluate},
		{"face pad-evaluate", "[--policy measure|gate] [--rate N] [--out DIR] FOLDER|LIST", "attacks accepted per species, living persons refused, on species/presentation/picture; report as JSON and page", facePADEvaluate},
		{"model show", "[FOLDER]", "what a model pack is: roles, sources, licences, threshold, who has signed", modelShow},
		{"model sign", "--key FILE.key FOLDER", "sign a model pack; a gate in service wants the signatures of two persons", modelSign},
		{"model verify", "--key FILE.pub … [--demo] [FOLDER]", "would a gate in service load this pack? hashes, graphs, signatures, evidence, self-tests", modelVerify},
		{"model bench", "[--rounds N] [--threads N] [--json] [FOLDER] PICTURE", "milliseconds of every stage of a live frame on this machine, start and memory", modelBench},
		{"policy example", "", "the built-in policy, to start a site's own from (docs/policy.md)", policyExample},
		{"policy sign", "--key FILE.key [--site S] [--days N] POLICY.yaml|SIGNED OUT", "first person: a policy becomes a signed document; second person: adds a signature", policySign},
		{"policy verify", "--site S --key FILE.pub --key FILE.pub [--after SIGNED] SIGNED", "would a gate take this policy? persons, site, version, end, what it demands", policyVerify},
		{"time confirm", "--key FILE.key time.request|HALF OUT", "two persons tell a gate without its centre what time it is (state folder: time.request, time.confirmed)", timeConfirm},
		{"version", "", "print version and toolchain", version},
	}, pkiCommands(), trustCommands(), hardwareCommands())
}

// errUsage asks for the help text.
var errUsage = errors.New("usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := dispatch(ctx, os.Stdout, os.Args[1:])
	if errors.Is(err, errUsage) {
		usage(os.Stderr, os.Args[1:])
		os.Exit(2)
	}
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	var status exitStatus
	switch spoken := errors.As(err, &status); {
	case err == nil:
		return
	case spoken && err == error(status): // the report has said why
		os.Exit(int(status))
	case !spoken:
		status = statusFailed
	}
	fmt.Fprintln(os.Stderr, "egatectl:", err)
	os.Exit(int(status))
}

func dispatch(ctx context.Context, out io.Writer, args []string) error {
	if len(args) == 1 && (args[0] == "help" || args[0] == "--help" || args[0] == "-h") {
		usage(out, nil)
		return nil
	}
	for _, c := range commands() {
		n := len(splitWords(c.name))
		if len(args) >= n && joinWords(args[:n]) == c.name {
			return c.run(ctx, out, args[n:])
		}
	}
	return errUsage
}

// usage prints what there is; of what was asked wrongly, the commands that it may have been meant for.
func usage(w io.Writer, asked []string) {
	all := commands()
	for n := min(2, len(asked)); n > 0; n-- {
		meant := slices.DeleteFunc(slices.Clone(all), func(c command) bool {
			words := splitWords(c.name)
			return len(words) < n || joinWords(words[:n]) != joinWords(asked[:n])
		})
		if len(meant) == 0 {
			continue
		}
		fmt.Fprintf(w, "egatectl %s is asked so (--help says more):\n\n", joinWords(asked[:n]))
		list(w, meant)
		return
	}
	fmt.Fprint(w, "egatectl commissions, maintains and audits a gate.\n\n")
	list(w, all)
	fmt.Fprint(w, "\nNothing here opens a door: orders come from officers at the console.\n")
}

func list(w io.Writer, of []command) {
	for _, c := range of {
		fmt.Fprintf(w, "  egatectl %-78s %s\n", c.name+" "+c.args, c.help)
	}
}

func version(_ context.Context, out io.Writer, _ []string) error {
	fmt.Fprintln(out, buildinfo.String("egatectl"))
	return nil
}
