package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"egate/api"
	"egate/audit"
	"egate/journal"
	"egate/seal"
)

// TestE02AuditCommands: what an auditor does with the state of a gate: show, prove and check a leaf, export,
// verify with checkpoints that left the gate and with a witness's key; and what is wrong is said.
func TestE02AuditCommands(t *testing.T) {
	dir := t.TempDir()
	in := func(n string) string { return filepath.Join(dir, n) }
	gate, err := seal.NewSigner(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	desk, err := seal.NewSigner(bytes.Repeat([]byte{2}, 32))
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*seal.Signer{"gate.pub": gate, "desk.pub": desk} {
		if err := seal.Save(in(name), s.Public(), false); err != nil {
			t.Fatal(err)
		}
	}
	j, _, err := journal.Open(in("state/journal"), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	name := audit.Name("airport", "gate-1")
	l, err := audit.Open(t.Context(), j, in("state/audit"), name, gate.Crypto())
	if err != nil {
		t.Fatal(err)
	}
	for n := range 9 {
		kind := api.EventDoor
		if n%3 == 2 {
			kind = api.EventOrder
		}
		d, err := json.Marshal(api.Draft{Type: kind, Time: time.Unix(1.8e9, 0).UTC(), Data: json.RawMessage(fmt.Sprintf(`{"n":%d}`, n))})
		if err != nil {
			t.Fatal(err)
		}
		j.Submit(journal.Record{Step: uint64(n + 1), Leaves: [][]byte{d}})
		if r := <-j.Results(); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	msg, err := l.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	c, err := audit.ParseCheckpoint(msg, audit.Verifier(name, gate.Public()))
	if err != nil {
		t.Fatal(err)
	}
	witness := audit.WitnessName("airport", "console")
	line, err := audit.Cosign(msg, audit.Verifier(name, gate.Public()), witness, desk.Crypto(), time.Unix(1.8e9, 0))
	if err != nil {
		t.Fatal(err)
	}
	epoch := j.Epoch()
	if err := l.Cosigned(epoch, c.Size, c.Hash[:], line, audit.CosignatureVerifier(witness, desk.Public())); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(in("outside"), msg, 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := dispatch(context.Background(), &out, args)
		return out.String(), err
	}
	whose := []string{"--site", "airport", "--gate", "gate-1", "--key", in("gate.pub")}
	must := func(want string, args ...string) string {
		t.Helper()
		out, err := run(args...)
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("egatectl %s: %v, without %q:\n%s", strings.Join(args, " "), err, want, out)
		}
		return out
	}
	with := func(cmd string, args ...string) []string {
		return append(append([]string{"audit", cmd}, whose...), args...)
	}
	if out := must(`{"n":5}`, "audit", "show", "--type", "order", in("state")); strings.Count(out, "\n") != 3 {
		t.Errorf("orders:\n%s", out)
	}
	if out := must(`"index":8`, "audit", "show", "--json", "--from", "7", in("state")); strings.Count(out, "\n") != 2 {
		t.Errorf("from 7:\n%s", out)
	}
	must("9 leaves below the signed checkpoint", with("verify", in("state"), in("outside"))...)
	must("has cosigned 9 leaves at 2027-01-15T08:00:00Z (not independent", with("verify", "--witness", in("desk.pub"), in("state"))...)
	must("", with("prove", "--out", in("proof"), in("state"), fmt.Sprint(epoch), "4")...)
	must(`{"n":4}`, with("check", in("proof"))...)
	must("9 leaves in", with("export", in("state"), in("export"))...)
	must("leaves 0 to 8 are unchanged", with("verify", "--export", in("export"))...)

	for _, x := range []struct {
		why  string
		args []string
	}{
		{"is not there", with("prove", in("state"), fmt.Sprint(epoch), "99")},
		{"are numbers", with("prove", in("state"), "first", "4")},
		{"no such file", []string{"audit", "show", in("nowhere")}},
		{"exists", with("export", in("state"), in("export"))},
		{"cosignature", with("verify", "--witness", in("gate.pub"), in("state"))},
		{"no proof", with("check", in("export"))},
		{"usage", []string{"audit", "verify", in("state")}},
		{"usage", with("check")},
	} {
		if out, err := run(x.args...); err == nil || !strings.Contains(err.Error(), x.why) {
			t.Errorf("egatectl %s: %v, want %q\n%s", strings.Join(x.args, " "), err, x.why, out)
		}
	}
	// A changed leaf in proof and export.
	for _, name := range []string{"proof", "export"} {
		b, err := os.ReadFile(in(name))
		if err != nil {
			t.Fatal(err)
		}
		var v map[string]any
		lines := bytes.SplitAfter(b, []byte("\n"))
		if name == "proof" {
			lines = [][]byte{b}
		}
		last := lines[len(lines)-1]
		if len(last) == 0 {
			last = lines[len(lines)-2]
		}
		if err := json.Unmarshal(last, &v); err != nil {
			t.Fatal(err)
		}
		v["leaf"] = []byte("another")
		changed, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		b = bytes.Replace(b, bytes.TrimSpace(last), changed, 1)
		if err := os.WriteFile(in(name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{with("check", in("proof")), with("verify", "--export", in("export"))} {
		if _, err := run(args...); err == nil || !strings.Contains(err.Error(), "not what was signed") {
			t.Errorf("egatectl %s: %v", strings.Join(args, " "), err)
		}
	}
}
