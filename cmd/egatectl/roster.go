package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"egate/api"
	"egate/configs"
	"egate/officers"
	"egate/officers/enrol"
	"egate/seal"
)

// rosterExample is what errors point to.
const rosterExample = "configs/roster.example.yaml"

// rosterYAML is a roster as a person writes it; signing makes the document that gates take.
type rosterYAML struct {
	Site       string        `yaml:"site"`
	Version    uint64        `yaml:"version"`
	Expires    time.Time     `yaml:"expires"`
	RPID       string        `yaml:"rp_id"`
	Origins    []string      `yaml:"origins"`
	Simulated  bool          `yaml:"simulated"`
	TwoPersons []string      `yaml:"two_persons"`
	Officers   []officerYAML `yaml:"officers"`
}

type officerYAML struct {
	Officer  string        `yaml:"officer"`
	Roles    []string      `yaml:"roles"`
	Gates    []string      `yaml:"gates"`
	Group    string        `yaml:"group"` // for statistics; absent for the first role
	From     time.Time     `yaml:"from"`
	Until    time.Time     `yaml:"until"`
	Passkeys []passkeyYAML `yaml:"passkeys"`
	Demo     bool          `yaml:"demo"` // the named officer of a simulation
}

type passkeyYAML struct {
	Credential string `yaml:"credential"` // id, base64url
	Alg        string `yaml:"alg"`
	Key        string `yaml:"key"` // SubjectPublicKeyInfo, base64
}

// readRoster reads what a person wrote.
func readRoster(path string, now time.Time) (api.Roster, error) {
	var y rosterYAML
	if _, err := configs.Decode(path, &y, rosterExample); err != nil {
		return api.Roster{}, err
	}
	r := api.Roster{Site: y.Site, Version: y.Version, IssuedAt: now.UTC().Truncate(time.Second), ExpiresAt: y.Expires.UTC(), RPID: y.RPID, Origins: y.Origins, Simulated: y.Simulated,
		TwoPersons: append([]string{}, y.TwoPersons...), Officers: []api.RosterOfficer{}}
	for _, o := range y.Officers {
		x := api.RosterOfficer{Officer: o.Officer, Roles: o.Roles, Gates: o.Gates, Group: o.Group, NotBefore: o.From.UTC(), NotAfter: o.Until.UTC(), Demo: o.Demo}
		for _, p := range o.Passkeys {
			id, err1 := base64.RawURLEncoding.DecodeString(p.Credential)
			key, err2 := base64.StdEncoding.DecodeString(p.Key)
			if err := errors.Join(err1, err2); err != nil {
				return api.Roster{}, fmt.Errorf("%s: a passkey of %s is damaged: take it from egatectl roster enrol", path, o.Officer)
			}
			x.Passkeys = append(x.Passkeys, api.Passkey{Credential: id, Alg: p.Alg, Key: key})
		}
		r.Officers = append(r.Officers, x)
	}
	return r, nil
}

// rosterSign makes the signed roster. Its key belongs on a machine that is connected to nothing.
func rosterSign(_ context.Context, out io.Writer, args []string) error {
	f := flags("roster sign", out)
	key := f.String("key", "", "private key that signs rosters (egatectl key make), kept offline")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *key == "" || f.NArg() != 2 {
		return errUsage
	}
	r, err := readRoster(f.Arg(0), time.Now())
	if err != nil {
		return err
	}
	signer, err := seal.LoadSigner(*key)
	if err != nil {
		return err
	}
	if old, err := officers.ReadFile(f.Arg(1)); err == nil {
		before, err := officers.Open(old, seal.Trust(signer.Public()), r.Site)
		if err == nil && before.Version >= r.Version {
			return fmt.Errorf("%s has version %d already: gates take a higher one only, raise version in %s", f.Arg(1), before.Version, f.Arg(0))
		}
	}
	raw, err := officers.Sign(r, signer)
	if err != nil {
		return err
	}
	if err := os.WriteFile(f.Arg(1), append(raw, '\n'), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: version %d, %d officer(s), until %s, signed with key %s\n", f.Arg(1), r.Version, len(r.Officers), r.ExpiresAt.Format(time.DateOnly), signer.KeyID())
	return nil
}

// openRoster reads and verifies a signed roster.
func openRoster(path, key string) (*officers.Roster, error) {
	pub, err := seal.LoadPublic(key)
	if err != nil {
		return nil, err
	}
	raw, err := officers.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var s api.Signed
	var site struct{ Site string }
	if json.Unmarshal(raw, &s) != nil || json.Unmarshal(s.Payload, &site) != nil {
		return nil, fmt.Errorf("%s is no signed roster: make one with egatectl roster sign", path)
	}
	return officers.Open(raw, seal.Trust(pub), site.Site)
}

// rosterShow tells what a signed roster says.
func rosterShow(_ context.Context, out io.Writer, args []string) error {
	f := flags("roster show", out)
	key := f.String("key", "", "public key of who signs rosters")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *key == "" || f.NArg() != 1 {
		return errUsage
	}
	r, err := openRoster(f.Arg(0), *key)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "site       %s\nversion    %d\nissued     %s\nexpires    %s\nsigned by  %s\npages      %s (%s)\n", r.Site, r.Version, r.IssuedAt.Format(time.RFC3339), r.ExpiresAt.Format(time.RFC3339),
		r.Signer(), strings.Join(r.Origins, " "), r.RPID)
	if r.Simulated {
		fmt.Fprintln(out, "simulation no gate in service takes it")
	}
	fmt.Fprintf(out, "two persons for %s\n", strings.Join(r.TwoPersons, " "))
	for _, o := range r.Officers {
		fmt.Fprintf(out, "%-16s %s at %s, %s to %s, %d passkey(s)\n", o.Officer, strings.Join(o.Roles, " "), strings.Join(o.Gates, " "),
			o.NotBefore.Format(time.DateOnly), o.NotAfter.Format(time.DateOnly), len(o.Passkeys))
	}
	return nil
}

// rosterCheck tells whether a signed roster holds now, and whether an officer may give an order at a gate by it.
func rosterCheck(_ context.Context, out io.Writer, args []string) error {
	f := flags("roster check", out)
	key := f.String("key", "", "public key of who signs rosters")
	gate := f.String("gate", "", "a gate")
	officer := f.String("officer", "", "pseudonym of an officer")
	order := f.String("order", "", "an order, e.g. "+api.CmdOpenExit)
	if err := f.Parse(args); err != nil {
		return err
	}
	if *key == "" || f.NArg() != 1 || (*gate == "") != (*officer == "") || *order != "" && *officer == "" {
		return errUsage
	}
	r, err := openRoster(f.Arg(0), *key)
	if err != nil {
		return err
	}
	now := time.Now()
	if !r.InForce(now) {
		return fmt.Errorf("version %d holds from %s to %s, not now", r.Version, r.IssuedAt.Format(time.RFC3339), r.ExpiresAt.Format(time.RFC3339))
	}
	if *officer == "" {
		fmt.Fprintf(out, "version %d holds until %s\n", r.Version, r.ExpiresAt.Format(time.RFC3339))
		return nil
	}
	o, ok := r.At(*officer, *gate, now)
	switch {
	case !ok:
		return fmt.Errorf("%s may give no order at %s now", *officer, *gate)
	case *order != "" && !officers.May(o.Roles, *order):
		return fmt.Errorf("%s (%s) may not give %s", *officer, strings.Join(o.Roles, " "), *order)
	}
	fmt.Fprintf(out, "%s (%s) may at %s\n", *officer, strings.Join(o.Roles, " "), *gate)
	return nil
}

// rosterEnrol turns what the enrolment page of a console shows into the lines of a roster.
func rosterEnrol(_ context.Context, out io.Writer, args []string) error {
	f := flags("roster enrol", out)
	rp := f.String("rp-id", "", "host name of the officers' pages")
	origin := f.String("origin", "", "origin of the officers' pages, e.g. https://desk.example.org")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *rp == "" || *origin == "" || f.NArg() != 1 {
		return errUsage
	}
	raw, err := os.ReadFile(f.Arg(0))
	if err != nil {
		return err
	}
	p, err := enrol.Passkey(raw, *rp, *origin)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "      - credential: %s\n        alg: %s\n        key: %s\n", base64.RawURLEncoding.EncodeToString(p.Credential), p.Alg, base64.StdEncoding.EncodeToString(p.Key))
	return nil
}
