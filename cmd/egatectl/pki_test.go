package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// the life of a site's certificates, in the words of deploy/mosquitto/README.md.
func TestX01Pki(t *testing.T) {
	dir := t.TempDir()
	at := func(n string) string { return filepath.Join(dir, n) }
	run := func(want string, args ...string) {
		t.Helper()
		var out bytes.Buffer
		if err := dispatch(t.Context(), &out, args); err != nil {
			t.Fatalf("egatectl %s: %v", strings.Join(args, " "), err)
		}
		if !strings.Contains(out.String(), want) {
			t.Errorf("egatectl %s: %s", strings.Join(args, " "), out.String())
		}
	}
	refused := func(want string, args ...string) {
		t.Helper()
		if err := dispatch(t.Context(), &bytes.Buffer{}, args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("egatectl %s: %v", strings.Join(args, " "), err)
		}
	}
	run("offline", "pki", "init", "--site", "example", at("ca"))
	run("private", "pki", "request", "--key", at("broker.key"), "broker", at("broker.csr"))
	run("broker, serial", "pki", "issue", "--ca", at("ca"), "--broker", "mq.example", "--broker", "192.0.2.1", at("broker.csr"), at("broker.pem"))
	run("private", "pki", "request", "--key", at("gate-1.key"), "gate-1", at("gate-1.csr"))
	run("renewal is due on", "pki", "issue", "--ca", at("ca"), at("gate-1.csr"), at("gate-1.pem"))
	refused("has a certificate already", "pki", "issue", "--ca", at("ca"), at("gate-1.csr"), at("gate-1.pem"))
	run("gate-1.csr", "pki", "request", "--key", at("gate-1.key"), "gate-1", at("gate-1.csr")) // the same key again
	run("gate-1, serial", "pki", "renew", "--ca", at("ca"), at("gate-1.csr"), at("gate-1.pem"))
	run("private", "pki", "request", "--key", at("new.key"), "gate-1", at("new.csr"))
	refused("another key", "pki", "renew", "--ca", at("ca"), at("new.csr"), at("gate-1.pem"))
	run("crl.pem goes to every broker", "pki", "replace-board", "--ca", at("ca"), at("new.csr"), at("gate-1.pem"))
	run("superseded", "pki", "show", "--ca", at("ca"))
	run("good", "pki", "show", at("gate-1.pem"), at("broker.pem"), at("ca/ca.pem"))
	run("restart", "pki", "revoke", "--ca", at("ca"), "--reason", "key-compromise", "gate-1")
	refused("revoked", "pki", "renew", "--ca", at("ca"), at("new.csr"), at("gate-1.pem"))
	run("crl.pem", "pki", "crl", "--ca", at("ca"))
	for _, key := range []string{"ca/ca.key", "gate-1.key"} {
		if st, err := os.Stat(at(key)); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", key, st, err)
		}
	}
}
