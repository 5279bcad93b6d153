package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// F-06: a policy on its way from a text to a gate: two persons, a rising version, and what has become weaker is told.
func TestF06PolicyOfTwoPersons(t *testing.T) {
	dir := t.TempDir()
	at := func(n string) string { return filepath.Join(dir, n) }
	do := func(want string, args ...string) string {
		t.Helper()
		out, err := ctl(t, args...)
		if err != nil || !strings.Contains(out, want) {
			t.Fatalf("%v: %q, %v", args, out, err)
		}
		return out
	}
	refused := func(why string, args ...string) {
		t.Helper()
		if _, err := ctl(t, args...); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%v: %v, not %q", args, err, why)
		}
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(at(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []string{"a", "b", "c"} {
		do("private", "key", "make", at(p))
	}
	write("one.yaml", do("match_threshold", "policy", "example"))
	write("two.yaml", "id: site\nversion: 2\nmatch_threshold: 0.41\n")
	verify := []string{"policy", "verify", "--site", "s", "--key", at("a.pub"), "--key", at("b.pub")}
	for _, n := range []string{"one", "two"} {
		do("signed", "policy", "sign", "--site", "s", "--key", at("a.key"), at(n+".yaml"), at(n+".half"))
		refused("1 of 2 persons", append(verify, at(n+".half"))...)
		do("signed", "policy", "sign", "--key", at("c.key"), at(n+".half"), at(n+".stranger"))
		refused("1 of 2 persons", append(verify, at(n+".stranger"))...)
		do("signed", "policy", "sign", "--key", at("b.key"), at(n+".half"), at(n))
		do("a gate of this site takes it", append(verify, at(n))...)
	}
	if out := do("takes it", append(verify, "--after", at("one"), at("two"))...); !strings.Contains(out, "0.410") || !strings.Contains(out, "0.480") {
		t.Errorf("the lower threshold is not told: %s", out)
	}
	refused("older", append(verify, "--after", at("two"), at("one"))...)
	refused("of site", "policy", "verify", "--site", "other", "--key", at("a.pub"), "--key", at("b.pub"), at("one"))
	refused("--site", "policy", "sign", "--key", at("a.key"), at("one.yaml"), at("x"))
	write("weak.yaml", "match_threshold: 0.1\n")
	refused("match_threshold", "policy", "sign", "--site", "s", "--key", at("a.key"), at("weak.yaml"), at("x"))
}

// E-07: two persons confirm the time for a gate that asks by a file.
func TestE07TimeOfTwoPersons(t *testing.T) {
	dir := t.TempDir()
	at := func(n string) string { return filepath.Join(dir, n) }
	if err := os.WriteFile(at("time.request"), []byte(`{"site":"s","gate":"gate-1","nonce":"n"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"a", "b"} {
		if _, err := ctl(t, "key", "make", at(p)); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := ctl(t, "time", "confirm", "--key", at("a.key"), at("time.request"), at("half")); err != nil || !strings.Contains(out, "second person") {
		t.Fatal(out, err)
	}
	if out, err := ctl(t, "time", "confirm", "--key", at("b.key"), at("half"), at("time.confirmed")); err != nil || !strings.Contains(out, "two have confirmed") {
		t.Fatal(out, err)
	}
	if _, err := ctl(t, "time", "confirm", "--key", at("b.key"), at("a.pub"), at("x")); err == nil {
		t.Error("something else was confirmed")
	}
}
