package main

import (
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"

	"egate/pki/tpm"
)

// tpmKey is where a private key is made.
type tpmKey struct {
	path string
	on   []uint
	free bool
}

func (k *tpmKey) flags(f *flag.FlagSet) {
	f.StringVar(&k.path, "tpm", "", "make the key in this TPM 2.0, e.g. /dev/tpmrm0")
	f.Func("pcr", "`LIST` of PCRs that must be as they are now whenever the key is used, or none (default "+strconv.Itoa(tpm.DefaultPCR)+": the state and keys of secure boot)", func(s string) error {
		k.on, k.free = nil, s == "none"
		if k.free {
			return nil
		}
		for _, w := range strings.Split(s, ",") {
			n, err := strconv.ParseUint(w, 10, 8)
			if err != nil {
				return errors.New("numbers with commas, or none, are expected")
			}
			k.on = append(k.on, uint(n))
		}
		return nil
	})
}

func (k *tpmKey) pcrs() []uint {
	if k.on == nil && !k.free {
		return []uint{tpm.DefaultPCR}
	}
	return k.on
}

// with opens the TPM for a while.
func (k *tpmKey) with(f func(*tpm.TPM) error) error {
	t, err := tpm.Open(k.path)
	if err != nil {
		return err
	}
	return errors.Join(f(t), t.Close())
}

// stays tells what protects the private half.
func (k *tpmKey) stays() string {
	switch {
	case k.path == "":
		return "it stays on this machine, readable by its user only"
	case k.free:
		return "of use with the TPM of this machine only"
	}
	return fmt.Sprintf("of use with the TPM of this machine only, and while it boots as it did now (PCRs %v)", k.pcrs())
}
