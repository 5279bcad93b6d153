package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"egate/emrtd/chip"
	"egate/emrtd/chip/vpcd"
	"egate/emrtd/issue"
	"egate/emrtd/mrz"
	"egate/sim/faces"
)

// playChip puts a simulated chip into a virtual PC/SC reader, for any program that reads passports.
func playChip(ctx context.Context, out io.Writer, args []string) error {
	f := flag.NewFlagSet("egate-sim chip", flag.ContinueOnError)
	profile := f.String("profile", "", "personalise from this YAML profile (default: a specimen with PACE and chip authentication)")
	folder := f.String("folder", "", "play files as they were read from a chip, with their keys where there are any")
	site := f.String("issuer", "simulated-issuer", "folder of the simulated issuing authority; made where it is not there")
	var faults names
	f.Var(&faults, "misbehave", "a fault by name (emrtd/chip/README.md); may be repeated")
	timing := f.String("timing", "", "fast, typical or slow: take the time of chip and link (default: no time)")
	address := f.String("vpcd", vpcd.DefaultAddress, "where vpcd listens")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 0 || *profile != "" && *folder != "" {
		return errors.New("chip: give one of --profile and --folder, and nothing else")
	}
	var p *issue.Passport
	var err error
	if *folder != "" {
		p, err = issue.LoadFolder(*folder)
	} else {
		p, err = personalise(out, *profile, *site)
	}
	if err != nil {
		return err
	}
	c, err := chip.NewChecked(p, chip.Options{Profile: *timing, Misbehave: faults})
	if err != nil {
		return err
	}
	printLines(out, p)
	fmt.Fprintf(out, "the document lies on the virtual reader at %s; Ctrl-C lifts it\n", *address)
	for {
		err := vpcd.Serve(ctx, *address, c)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("%w\n  is vpcd there and pcscd running? apt-get install pcscd vsmartcard-vpcd; pcscd --foreground", err)
		}
		// vpcd went away in an orderly way: pcscd was started again, or ends.
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil
		}
	}
}

// personalise makes a document of the authority in a folder.
func personalise(out io.Writer, profile, dir string) (*issue.Passport, error) {
	p := &issue.Profile{Number: "X1234567", Surname: "SPECIMEN", GivenNames: "ANNA MARIA", Nationality: "UTO", BirthDate: "1990-05-17", Sex: "F",
		Expiry: time.Now().AddDate(5, 0, 0).Format(time.DateOnly), Access: issue.AccessPACE, ChipAuth: "ecdh", CAN: "123456"}
	if profile != "" {
		var err error
		if p, err = issue.LoadProfile(profile); err != nil {
			return nil, err
		}
	} else {
		face, err := faces.Get("astronaut")
		if err != nil {
			return nil, err
		}
		p.Portrait = face.DG2JPEG()
	}
	a, err := authority(dir)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "issued by the simulated authority in %s; --trust %s --key %s\n", dir, filepath.Join(dir, "trust.json"), filepath.Join(dir, "trust.pub"))
	return a.Personalise(*p)
}

// authority loads a simulated issuing authority, or makes it with a trust bundle that names it.
func authority(dir string) (*issue.Authority, error) {
	a, err := issue.LoadAuthority(dir)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return a, err
	}
	now := time.Now()
	if a, err = issue.NewAuthority("UTO", rand.Reader, now); err != nil {
		return nil, err
	}
	if err := issue.SaveAuthority(a, dir); err != nil {
		return nil, err
	}
	b, err := issue.Bundle("simulation", 1, now, a)
	if err != nil {
		return nil, err
	}
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	if err := b.Save(filepath.Join(dir, "trust.json"), key); err != nil {
		return nil, err
	}
	return a, os.WriteFile(filepath.Join(dir, "trust.pub"), []byte(hex.EncodeToString(pub)+"\n"), 0o644)
}

// printLines shows what is printed on the document: the key to its chip.
func printLines(out io.Writer, p *issue.Passport) {
	d, err := mrz.ParseJoined(p.MRZ(), time.Now())
	raw := string(p.MRZ())
	width := map[mrz.Format]int{mrz.TD1: 30, mrz.TD2: 36, mrz.TD3: 44}[d.Format]
	if err != nil || width == 0 {
		width = max(1, len(raw))
	}
	fmt.Fprintln(out, "printed lines:")
	for ; len(raw) > 0; raw = raw[min(width, len(raw)):] {
		fmt.Fprintln(out, raw[:min(width, len(raw))])
	}
	if p.CAN != "" {
		fmt.Fprintf(out, "card access number: %s\n", p.CAN)
	}
}
