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

	"egate/pki"
	"egate/pki/tpm"
	"egate/seal"
)

// keyMake makes a key pair in files as every program here reads them.
func keyMake(_ context.Context, out io.Writer, args []string) error {
	f := flags("key make", out)
	var chip tpmKey
	chip.flags(f)
	sealing := f.Bool("sealing", false, "a pair that dossiers and look-ups are sealed for (HPKE), in place of one that signs (Ed25519)")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 || chip.path != "" && *sealing {
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
	if err == nil && chip.path != "" {
		err = chip.with(func(t *tpm.TPM) error {
			b, err := t.Seal(priv, chip.pcrs()...)
			if err != nil {
				return err
			}
			return pki.SavePrivate(private, b)
		})
	} else if err == nil {
		err = seal.Save(private, priv, true)
	}
	if err == nil {
		err = seal.Save(public, pub, false)
	}
	clear(priv)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s  private: %s\n%s  public: give it to who verifies or seals (%s)\n", private, chip.stays(), public, filepath.Base(name))
	return nil
}
