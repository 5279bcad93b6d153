package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"egate/emrtd/issue"
	"egate/emrtd/lds"
	"egate/emrtd/pa"
	"egate/emrtd/trust"
	"egate/seal"
	"egate/verdict"
)

// documentVerify judges files that were read earlier, without a chip: what a chip alone can prove
// (access, clone) is not claimed.
func documentVerify(_ context.Context, out io.Writer, args []string) error {
	f := flags("document verify", out)
	file := f.String("trust", "", "trust bundle")
	key := f.String("key", "", "public key of the bundle, one line of hexadecimal digits")
	at := f.String("at", "", "judge as of this day, 2006-01-02 (default: now)")
	noSHA1 := f.Bool("forbid-sha1", false, "take signatures and hashes by SHA-1 for not possible")
	asJSON := f.Bool("json", false, "print the report as JSON")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 || *file == "" || *key == "" {
		return errUsage
	}
	now := time.Now()
	if *at != "" {
		day, err := time.Parse(time.DateOnly, *at)
		if err != nil {
			return unchecked(fmt.Errorf("--at %s: a day such as 2026-01-31 is expected", *at))
		}
		now = day
	}
	store, err := openTrust(*file, *key, now)
	if err != nil {
		return unchecked(err)
	}
	p, err := issue.LoadFolder(f.Arg(0))
	if err != nil {
		return unchecked(err)
	}
	in := pa.Input{SOD: p.App[lds.FIDSOD], COM: p.App[lds.FIDCOM], DGs: map[int][]byte{}, Trust: store, Now: now, Policy: pa.Policy{ForbidSHA1: *noSHA1}}
	for n := 1; n <= lds.MaxGroups; n++ {
		if b := p.App[lds.FID(n)]; b != nil {
			in.DGs[n] = b
		}
	}
	if in.SOD == nil {
		return unchecked(fmt.Errorf("%s: no EF.SOD there (EF_SOD.bin, EF.SOD or 011D.bin); DG1, DG2 … are expected beside it", f.Arg(0)))
	}
	checks := pa.Verify(in).Checks
	left := []verdict.CheckID{verdict.CheckDG1MRZ} // there is no page to compare with
	return finding{Answer: judge(checks, left), Checks: checks}.print(out, *asJSON)
}

func documentExplain(_ context.Context, out io.Writer, args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	b, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	return lds.Explain(out, b)
}

func trustShow(_ context.Context, out io.Writer, args []string) error {
	f := flags("trust show", out)
	key := f.String("key", "", "public key of the bundle, one line of hexadecimal digits")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 || *key == "" {
		return errUsage
	}
	s, err := openTrust(f.Arg(0), *key, time.Now())
	if err != nil {
		return err
	}
	i := s.Info()
	fmt.Fprintf(out, "site       %s\nversion    %d\ncreated    %s\nexpires    %s\nsimulation %v\nanchors    %d of %d countries, %d refused\nlists      %d, oldest fetched %s\n",
		i.Site, i.Version, i.Created.Format(time.DateOnly), i.Expires.Format(time.DateOnly), i.Simulation, i.Anchors, i.Countries, i.Refused,
		i.CRLs, i.OldestCRL.Format(time.DateTime))
	return nil
}

func openTrust(path, keyPath string, now time.Time) (*trust.Store, error) {
	pub, err := seal.LoadPublic(keyPath)
	if err != nil {
		return nil, err
	}
	return trust.Load(path, pub, now)
}
