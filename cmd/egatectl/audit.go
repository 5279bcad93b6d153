package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"egate/audit"
)

// auditVerify checks the evidence of a gate from its files, with checkpoints that left it earlier.
func auditVerify(_ context.Context, out io.Writer, args []string) error {
	f := flags("audit verify", out)
	var e evidence
	e.flags(f)
	witness := f.String("witness", "", "public key of a witness: tell how far it has cosigned")
	principal := f.String("witness-name", deskPrincipal, "name of that witness at the site")
	export := f.String("export", "", "check this `file` of audit export instead of a STATE_DIR")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() < 1 && *export == "" || f.NArg() > 0 && *export != "" {
		return errUsage
	}
	if err := e.load(); err != nil {
		return err
	}
	if *export != "" {
		return verifyExport(out, *export, e)
	}
	var outside [][]byte
	for _, p := range f.Args()[1:] {
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		outside = append(outside, b)
	}
	dir := f.Arg(0)
	r, err := audit.Verify(journalOf(dir), auditOf(dir), e.name(), e.pub, outside...)
	if err != nil {
		return err
	}
	for _, x := range r.Epochs {
		fmt.Fprintf(out, "epoch %d: %d leaves below the signed checkpoint, %d of them still here and unchanged, %d above it\n", x.Epoch, x.Signed, x.Present, x.Above)
	}
	if r.Deletions > 0 {
		fmt.Fprintf(out, "%d deletions by retention are told of; nothing else is gone\n", r.Deletions)
	}
	fmt.Fprintf(out, "%d checkpoints from outside agree\n", r.Witnessed)
	if r.TornTail {
		fmt.Fprintln(out, "the last record was cut by a power loss and was never committed")
	}
	return tellCosigned(out, dir, e, r, *witness, *principal)
}
