package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"egate/seal"
)

// keyMake makes a key pair in files as every program here reads them.
func keyMake(_ context.Context, out io.Writer, args []string) error {
	f := flags("key make", out)
	sealing := f.Bool("sealing", false, "a pair that dossiers and look-ups are sealed for (HPKE), in place of one that signs (Ed25519)")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 {
		return errUsage
	}
	name := f.Arg(0)
	private, public := name+".key", name+".pub"
	for _, p := range []string{private, public} { // before the first of the two is written
		if _, err := os.Lstat(p); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is there already: keys are never overwritten; choose another name", p)
		}
	}
	var pub, priv []byte
	var err error
	if *sealing {
		pub, priv, err = seal.GenerateHPKE()
	} else {
		var k ed25519.PrivateKey
		if pub, k, err = ed25519.GenerateKey(rand.Reader); err == nil {
			priv = k.Seed()
		}
	}
	if err == nil {
		err = errors.Join(seal.Save(private, priv, true), seal.Save(public, pub, false))
	}
	clear(priv)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s  private: it stays on this machine, readable by its user only\n%s  public: give it to who verifies or seals (%s)\n", private, public, filepath.Base(name))
	return nil
}
