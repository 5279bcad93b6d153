package main

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"egate/configs"
	"egate/pki/tpm"
	"egate/seal"
	"egate/test/swtpm"
)

// where a TPM is named, both private keys are of it and nothing else is taken; a simulated TPM serves no gate in
// service; a machine that has booted otherwise has no keys, and says so.
func TestX05Keys(t *testing.T) {
	chip, dir := swtpm.New(t), t.TempDir()
	p, err := tpm.Open(chip.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	put := func(name string, b []byte, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pub, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	plain := filepath.Join(dir, "plain.key")
	if err := seal.Save(plain, private.Seed(), true); err != nil {
		t.Fatal(err)
	}
	sealed, err := p.Seal(private.Seed(), tpm.DefaultPCR)
	own := put("gate.key", sealed, err)
	made, err := p.NewKey(tpm.DefaultPCR)
	tls := put("tls.key", made, err)
	of := func(gate, cert, device string, simulated bool) configs.Gate {
		return configs.Gate{Simulated: simulated, Keys: configs.Keys{Gate: gate, TPM: device}, Link: configs.Link{CertKeyFile: cert}}
	}
	for what, x := range map[string]struct {
		cfg    configs.Gate
		inFile bool
		tls    bool
		want   string // of the refusal
	}{
		"both of the TPM":                {of(own, tls, chip.Path, true), false, true, ""},
		"no TLS":                         {of(own, "", chip.Path, true), false, false, ""},
		"plain files":                    {of(plain, "", "", false), true, false, ""},
		"a simulated TPM in service":     {of(own, tls, chip.Path, false), false, false, "simulated TPM"},
		"no TPM there":                   {of(own, tls, filepath.Join(dir, "tpmrm0"), true), false, false, "keys.tpm"},
		"the TPM is not named":           {of(own, tls, "", true), false, false, "keys.tpm"},
		"TLS: the TPM is not named":      {of(plain, tls, "", true), false, false, "keys.tpm"},
		"a plain signing key":            {of(plain, tls, chip.Path, true), false, false, "no key of a TPM"},
		"a plain TLS key":                {of(own, plain, chip.Path, true), false, false, "no key of a TPM"},
		"the TLS key as the signing key": {of(tls, tls, chip.Path, true), false, false, "keys.gate"},
		"the signing key as the TLS key": {of(own, own, chip.Path, true), false, false, "link.cert_key_file"},
	} {
		k, err := loadKeys(x.cfg)
		if k.tpm != nil && err == nil {
			defer k.tpm.Close()
		}
		switch {
		case x.want == "" && (err != nil || !k.signer.Public().Equal(pub) || k.inFile != x.inFile || (k.tls != nil) != x.tls):
			t.Errorf("%s: %+v %v", what, k, err)
		case x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)):
			t.Errorf("%s: %v, want %q", what, err, x.want)
		}
	}
	chip.Extend(tpm.DefaultPCR)
	if _, err := loadKeys(of(own, tls, chip.Path, true)); err == nil || !strings.Contains(err.Error(), "booted") {
		t.Errorf("booted otherwise: %v", err)
	}
}
