package main

import (
	"crypto"
	"errors"
	"fmt"
	"io"
	"os"

	"egate/configs"
	"egate/pki/tpm"
	"egate/seal"
)

// privateKeys are what the gate signs with, and where it has them from.
type privateKeys struct {
	signer *seal.Signer
	tls    crypto.Signer // nil: link.cert_key_file is a plain file, or there is none
	inFile bool          // one of them is a plain file
	tpm    io.Closer     // nil for none
}

// loadKeys reads the gate's private keys: of a TPM where the configuration names one, and then none that is not of it.
func loadKeys(cfg configs.Gate) (k privateKeys, err error) {
	if cfg.Keys.TPM == "" {
		for key, path := range map[string]string{"keys.gate": cfg.Keys.Gate, "link.cert_key_file": cfg.Link.CertKeyFile} {
			if b, err := os.ReadFile(path); err == nil && tpm.Holds(b) {
				return k, fmt.Errorf("egated: %s: %s is a key of a TPM: say which in keys.tpm", key, path)
			}
		}
		k.inFile = true
		if k.signer, err = seal.LoadSigner(cfg.Keys.Gate); err != nil {
			return k, fmt.Errorf("egated: keys.gate: %w", err)
		}
		return k, nil
	}
	t, err := tpm.Open(cfg.Keys.TPM)
	if err != nil {
		return k, fmt.Errorf("egated: keys.tpm: %w", err)
	}
	k.tpm = t
	defer func() {
		if err != nil {
			err = errors.Join(err, t.Close())
		}
	}()
	if t.Simulated() && !cfg.Simulated {
		return k, fmt.Errorf("egated: keys.tpm: %s is the socket of a simulated TPM: a gate in service has a real one", cfg.Keys.TPM)
	}
	read := func(key, path, cure string) ([]byte, error) {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("egated: %s: %w", key, err)
		}
		if !tpm.Holds(b) {
			clear(b)
			return nil, fmt.Errorf("egated: %s: %s is no key of a TPM: make one in it (%s)", key, path, cure)
		}
		return b, nil
	}
	b, err := read("keys.gate", cfg.Keys.Gate, "egatectl key make --tpm")
	if err != nil {
		return k, err
	}
	seed, err := t.Unseal(b)
	if err == nil {
		k.signer, err = seal.NewSigner(seed)
		clear(seed)
	}
	if err != nil {
		return k, fmt.Errorf("egated: keys.gate: %w", err)
	}
	if cfg.Link.CertKeyFile != "" {
		if b, err = read("link.cert_key_file", cfg.Link.CertKeyFile, "egatectl pki request --tpm"); err != nil {
			return k, err
		}
		if k.tls, err = t.Signer(b); err != nil {
			return k, fmt.Errorf("egated: link.cert_key_file: %w", err)
		}
	}
	return k, nil
}
