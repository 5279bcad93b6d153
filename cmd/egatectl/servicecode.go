package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"egate/officers"
	"egate/seal"
)

// serviceCode makes the code with which an officer lets a technician work at a gate that nobody can reach (P-14).
func serviceCode(_ context.Context, out io.Writer, args []string) error {
	f := flags("service code", out)
	key := f.String("key", "", "private `key` of an officer whom the gate knows (hardware.officers)")
	site := f.String("site", "", "`name` of the site")
	gate := f.String("gate", "", "`name` of the gate")
	who := f.String("technician", "", "public `key` of the technician (hardware.technicians)")
	life := f.Duration("for", 4*time.Hour, "how long the code holds, 24h at most")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 || *key == "" || *site == "" || *gate == "" || *who == "" {
		return errUsage
	}
	signer, err := seal.LoadSigner(*key)
	if err != nil {
		return fmt.Errorf("--key: %w", err)
	}
	technician, err := seal.LoadPublic(*who)
	if err != nil {
		return fmt.Errorf("--technician: %w", err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	p := officers.Permit{Site: *site, Gate: *gate, Technician: seal.KeyID(technician), From: now, Until: now.Add(*life)}
	code, err := p.Sign(signer)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s\n\nIt lets the technician with key %s bring %s/%s into service mode until %s, while the gate's network is dead:\n"+
		"  egatectl hardware test --key T.key --service --code CODE doors\n", code, p.Technician, p.Site, p.Gate, p.Until.Format(time.RFC3339))
	return nil
}
