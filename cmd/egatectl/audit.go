package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"egate/audit"
	"egate/seal"
)

// auditVerify checks the evidence of a gate from its files, with checkpoints that left it earlier.
func auditVerify(_ context.Context, out io.Writer, args []string) error {
	f := flags("audit verify", out)
	site := f.String("site", "", "name of the site")
	gate := f.String("gate", "", "name of the gate")
	key := f.String("key", "", "public key of the gate, one line of hexadecimal digits")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() < 1 || *site == "" || *gate == "" || *key == "" {
		return errUsage
	}
	pub, err := seal.LoadPublic(*key)
	if err != nil {
		return err
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
	r, err := audit.Verify(filepath.Join(dir, "journal"), filepath.Join(dir, "audit"), audit.Name(*site, *gate), pub, outside...)
	if err != nil {
		return err
	}
	for _, e := range r.Epochs {
		fmt.Fprintf(out, "epoch %d: %d leaves below the signed checkpoint, %d of them still here and unchanged, %d above it\n", e.Epoch, e.Signed, e.Present, e.Above)
	}
	fmt.Fprintf(out, "%d checkpoints from outside agree\n", r.Witnessed)
	if r.TornTail {
		fmt.Fprintln(out, "the last record was cut by a power loss and was never committed")
	}
	return nil
}
