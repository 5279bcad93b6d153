package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"egate/configs"
	"egate/policy"
	"egate/seal"
	"egate/verdict"
)

// policyExample prints the built-in policy as a file.
func policyExample(_ context.Context, out io.Writer, args []string) error {
	if len(args) > 0 {
		return errUsage
	}
	b, err := yaml.Marshal(verdict.DefaultPolicy())
	if err != nil {
		return err
	}
	_, err = out.Write(b)
	return err
}

// maxPolicy bounds a policy file.
const maxPolicy = 1 << 20

// toSign is what the commands have in common that take one file, sign and write another: the file and who signs.
func toSign(f *flag.FlagSet, key *string, args []string) (raw []byte, signer *seal.Signer, err error) {
	if err := f.Parse(args); err != nil {
		return nil, nil, err
	}
	if *key == "" || f.NArg() != 2 {
		return nil, nil, errUsage
	}
	if raw, err = readFirst(f.Arg(0), maxPolicy); err == nil {
		signer, err = seal.LoadSigner(*key)
	}
	return raw, signer, err
}

// policySign makes the document of a policy in plain text, or adds a signature to a document (F-06).
func policySign(_ context.Context, out io.Writer, args []string) error {
	f := flags("policy sign", out)
	key := f.String("key", "", "private key of the person who signs (egatectl key make)")
	site := f.String("site", "", "name of the site, for a policy in plain text")
	days := f.Int("days", 365, "how long it is in force, for a policy in plain text")
	raw, signer, err := toSign(f, key, args)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) { // the first person
		if *site == "" {
			return errors.New("policy sign: name the site of a policy in plain text with --site")
		}
		p := verdict.DefaultPolicy()
		if _, err := configs.Parse(f.Arg(0), raw, &p, "docs/policy.md"); err != nil {
			return err
		}
		if raw, err = policy.Make(*site, p, time.Now(), time.Duration(*days)*24*time.Hour); err != nil {
			return err
		}
	}
	if raw, err = policy.Sign(raw, signer); err != nil {
		return err
	}
	if err := os.WriteFile(f.Arg(1), raw, 0o644); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s  signed with key %s; a gate wants the signatures of two persons over the same bytes\n", f.Arg(1), signer.KeyID())
	return nil
}

// policyVerify says whether a gate would take a policy.
func policyVerify(_ context.Context, out io.Writer, args []string) error {
	f := flags("policy verify", out)
	site := f.String("site", "", "name of the site")
	var keys files
	f.Var(&keys, "key", "public key of somebody who may sign; once for each")
	before := f.String("after", "", "signed policy that the gate has had: this one must be newer")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 || *site == "" || len(keys) == 0 {
		return errUsage
	}
	persons, err := seal.LoadPublics(keys)
	if err != nil {
		return err
	}
	open := func(path string) (policy.Signed, error) {
		raw, err := readFirst(path, maxPolicy)
		if err != nil {
			return policy.Signed{}, err
		}
		return policy.Open(raw, persons, *site, policy.Quorum)
	}
	s, err := open(f.Arg(0))
	if err != nil {
		return err
	}
	if err := s.In(time.Now()); err != nil {
		return err
	}
	old := verdict.DefaultPolicy()
	if *before != "" {
		had, err := open(*before)
		if err != nil {
			return fmt.Errorf("%s: %w", *before, err)
		}
		if err := s.After(policy.Accepted{Version: had.Policy.Version, Hash: had.Hash}); err != nil {
			return err
		}
		old = had.Policy
	}
	p := s.Policy
	fmt.Fprintf(out, "%s version %d of %s, until %s, signed by %s\na gate of this site takes it\n", p.ID, p.Version, s.Site, s.ExpiresAt.Format(time.DateOnly), strings.Join(slices.Sorted(slices.Values(s.Signers)), ", "))
	than := "the built-in policy"
	if *before != "" {
		than = *before
	}
	fmt.Fprintf(out, "match threshold %.3f (%s: %.3f)\n", p.Match, than, old.Match)
	for _, c := range slices.Sorted(maps.Keys(p.Checks)) {
		if was := cmp.Or(old.Checks[c], verdict.Advisory); was != p.Checks[c] {
			fmt.Fprintf(out, "%s: %s (%s: %s)\n", c, p.Checks[c], than, was)
		}
	}
	for _, c := range slices.Sorted(maps.Keys(old.Checks)) {
		if _, listed := p.Checks[c]; !listed {
			fmt.Fprintf(out, "%s: not listed, advisory (%s: %s)\n", c, than, old.Checks[c])
		}
	}
	return nil
}
