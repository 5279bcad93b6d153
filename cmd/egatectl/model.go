package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"

	"egate/facematch"
	"egate/seal"
)

// askedPack is the one folder that is named, or where a pack is found.
func askedPack(f *flag.FlagSet) (string, error) {
	if f.NArg() > 1 {
		return "", errUsage
	}
	return packFolder(f.Arg(0))
}

// modelShow tells what a pack says of itself. Files and graphs are checked, who signed and what a gate in
// service demands is not: that is model verify.
func modelShow(_ context.Context, out io.Writer, args []string) error {
	f := flags("model show", out)
	if err := f.Parse(args); err != nil {
		return err
	}
	dir, err := askedPack(f)
	if err != nil {
		return err
	}
	pack, err := facematch.LoadPack(dir, facematch.LoadOptions{})
	if err != nil {
		return err
	}
	signed, err := facematch.SignedBy(dir)
	if err != nil {
		return err
	}
	info, m := pack.Info(), pack.Manifest()
	fmt.Fprintf(out, "pack       %s\nhash       %s\nprovider   %s\nruntime    ONNX Runtime %s for %s\n", info.ID, info.Hash, m.Provider, m.Runtime.Version, runtime.GOARCH)
	if m.Expires != "" {
		fmt.Fprintf(out, "expires    %s\n", m.Expires)
	}
	fmt.Fprintf(out, "says       %s\nPAD        %s\n", info.Statement, info.PAD)
	if len(signed) == 0 {
		fmt.Fprintln(out, "signed     by nobody")
	}
	for _, k := range signed {
		fmt.Fprintf(out, "signed     key %s (not checked: egatectl model verify)\n", k)
	}
	for _, mm := range m.Models {
		fmt.Fprintf(out, "%-10s %s %s, %d bytes, input %s %v %s\n%11slicence %s; %s\n", mm.Role, mm.ID, mm.Version, mm.Bytes, mm.Input.Layout, mm.Input.Shape, mm.Input.Colour, "", mm.Licence, mm.Provenance)
	}
	return nil
}

// modelSign adds one person's signature (F-06: two persons sign).
func modelSign(_ context.Context, out io.Writer, args []string) error {
	f := flags("model sign", out)
	key := f.String("key", "", "private key of the person who signs (egatectl key make)")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *key == "" || f.NArg() != 1 {
		return errUsage
	}
	dir := f.Arg(0)
	if _, err := facematch.LoadPack(dir, facematch.LoadOptions{}); err != nil { // nobody signs what would not load
		return err
	}
	seed, err := seal.LoadPrivate(*key)
	if err != nil {
		return err
	}
	defer clear(seed)
	if len(seed) != ed25519.SeedSize {
		return fmt.Errorf("%s: %d bytes, an Ed25519 key has 32: make one with egatectl key make", *key, len(seed))
	}
	private := ed25519.NewKeyFromSeed(seed)
	defer clear(private)
	kid := seal.KeyID(private.Public().(ed25519.PublicKey))
	if err := facematch.SignManifest(dir, kid, private); err != nil {
		return err
	}
	signed, err := facematch.SignedBy(dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "signed with key %s; %d of the 2 signatures that a gate in service wants\n", kid, min(len(signed), 2))
	return nil
}

// modelVerify loads a pack as a gate in service does, self-tests included.
func modelVerify(_ context.Context, out io.Writer, args []string) error {
	f := flags("model verify", out)
	var files []string
	f.Func("key", "public key of somebody who may sign; once for each", func(s string) error { files = append(files, s); return nil })
	demo := f.Bool("demo", false, "as a gate in simulation: no signature and no evidence is demanded")
	if err := f.Parse(args); err != nil {
		return err
	}
	dir, err := askedPack(f)
	if err != nil {
		return err
	}
	if len(files) == 0 && !*demo {
		return errors.New("model verify: name the public keys of who may sign with --key, or say --demo")
	}
	keys, err := seal.LoadPublics(files)
	if err != nil {
		return err
	}
	pack, err := facematch.LoadPack(dir, facematch.LoadOptions{Production: !*demo, Signers: keys, Today: time.Now()})
	if err != nil {
		return err
	}
	e, err := facematch.Open(pack, 1)
	if err != nil {
		return err
	}
	if err := e.Close(); err != nil {
		return err
	}
	info := pack.Info()
	by := "nobody whose key was named"
	if len(info.Signers) > 0 {
		by = strings.Join(slices.Sorted(slices.Values(info.Signers)), ", ")
	}
	where := "a gate in service"
	if *demo {
		where = "a gate in simulation, and only there,"
	}
	fmt.Fprintf(out, "%s %s\nfiles, graphs and self-tests are right; signed by %s\n%s loads it\n", info.ID, info.Hash, by, where)
	return nil
}
