package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"egate/pki/tpm"
	"egate/seal"
	"egate/test/swtpm"
)

// both private keys of a gate are made in its TPM, in the words of deploy/mosquitto/README.md, and no file holds one.
func TestX05KeysInTPM(t *testing.T) {
	chip, dir := swtpm.New(t), t.TempDir()
	at := func(n string) string { return filepath.Join(dir, n) }
	run := func(want string, args ...string) {
		t.Helper()
		var out bytes.Buffer
		if err := dispatch(t.Context(), &out, args); err != nil || !strings.Contains(out.String(), want) {
			t.Fatalf("egatectl %s: %v\n%s", strings.Join(args, " "), err, out.String())
		}
	}
	run("while it boots as it did now (PCRs [7])", "key", "make", "--tpm", chip.Path, at("gate-1"))
	run("PCRs [0 7]", "pki", "request", "--key", at("tls.key"), "--tpm", chip.Path, "--pcr", "0,7", "gate-1", at("gate-1.csr"))
	run("offline", "pki", "init", "--site", "example", at("ca"))
	run("gate-1, serial", "pki", "issue", "--ca", at("ca"), at("gate-1.csr"), at("gate-1.pem"))
	run("gate-1.csr", "pki", "request", "--key", at("tls.key"), "--tpm", chip.Path, "gate-1", at("gate-1.csr")) // the same key again
	run("gate-1, serial", "pki", "renew", "--ca", at("ca"), at("gate-1.csr"), at("gate-1.pem"))
	run("of use with the TPM of this machine only\n", "key", "make", "--tpm", chip.Path, "--pcr", "none", at("free"))
	var out bytes.Buffer
	for _, bad := range [][]string{
		{"pki", "request", "--key", at("tls.key"), "gate-1", at("x.csr")}, {"key", "make", "--tpm", chip.Path, at("gate-1")}, {"key", "make", "--tpm", at("none"), at("x")},
		{"key", "make", "--tpm", chip.Path, "--sealing", at("x")}, {"key", "make", "--tpm", chip.Path, "--pcr", "24", at("x")}, {"key", "make", "--tpm", chip.Path, "--pcr", "seven", at("x")},
	} {
		if err := dispatch(t.Context(), &out, bad); err == nil {
			t.Errorf("egatectl %s is taken", strings.Join(bad, " "))
		}
	}
	if _, err := os.Stat(at("x.key")); err == nil {
		t.Error("a refused command leaves a file")
	}
	p, err := tpm.Open(chip.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, name := range []string{"gate-1", "free"} {
		raw, err := os.ReadFile(at(name + ".key"))
		if err != nil {
			t.Fatal(err)
		}
		seed, err := p.Unseal(raw)
		if err != nil {
			t.Fatal(err)
		}
		s, err := seal.NewSigner(seed)
		if err != nil {
			t.Fatal(err)
		}
		if pub, err := seal.LoadPublic(at(name + ".pub")); err != nil || !s.Public().Equal(pub) {
			t.Errorf("%s.pub is not of its key: %v", name, err)
		}
	}
	for _, key := range []string{"gate-1.key", "tls.key"} {
		if st, err := os.Stat(at(key)); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", key, st, err)
		}
	}
}
