package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"egate/api"
	"egate/configs"
	"egate/emrtd/issue"
	"egate/emrtd/lds"
	"egate/journal"
	"egate/seal"
	"egate/sim/faces"
	"egate/sim/people"
	"egate/sim/plant"
	"egate/sim/run"
	"egate/verdict"
)

func ctl(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := dispatch(context.Background(), &out, args)
	return out.String(), err
}

// A throw-away site is complete: its files load where they are used, private keys are the owner's only,
// and two sites share no secret.
func TestSiteInit(t *testing.T) {
	var secrets []string
	for range 2 {
		dir := filepath.Join(t.TempDir(), "site")
		if out, err := ctl(t, "site", "init", "--simulation", "--gates", "2", "--models", t.TempDir(), dir); err != nil {
			t.Fatal(err, out)
		}
		s, err := run.LoadSite(dir)
		if err != nil || len(s.Gates) != 2 {
			t.Fatal(err)
		}
		for _, g := range s.Gates {
			if out, err := ctl(t, "config", "check", s.Path(g.Config)); err != nil || !strings.Contains(out, "simulation") {
				t.Fatalf("%s: %v", out, err)
			}
		}
		out, err := ctl(t, "trust", "show", "--key", filepath.Join(dir, "keys/trust.pub"), filepath.Join(dir, "trust.json"))
		if err != nil || !strings.Contains(out, "simulation true") {
			t.Errorf("trust: %s %v", out, err)
		}
		keys, err := filepath.Glob(filepath.Join(dir, "keys/*.key"))
		if err != nil || len(keys) < 4 {
			t.Fatalf("keys: %v %v", keys, err)
		}
		for _, k := range keys {
			if st, err := os.Stat(k); err != nil || st.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v %v", filepath.Base(k), st.Mode(), err)
			}
			b, _ := os.ReadFile(k)
			secrets = append(secrets, string(b))
		}
		secrets = append(secrets, s.Console.Officer.Seed)
		if _, err := ctl(t, "site", "init", "--simulation", dir); err == nil {
			t.Error("a site was made over another one")
		}
	}
	seen := map[string]bool{}
	for _, s := range secrets {
		if seen[s] {
			t.Error("two sites share a secret")
		}
		seen[s] = true
	}
}

// What is asked wrongly is answered with help or a cure, never with a guess.
func TestWrongQuestions(t *testing.T) {
	for _, args := range [][]string{{}, {"site"}, {"open", "door"}, {"trust", "show", "x"}, {"config", "check"}, {"audit", "verify", "x"}, {"face", "compare", "a.jpg"}} {
		if _, err := ctl(t, args...); !errors.Is(err, errUsage) {
			t.Errorf("%v: %v", args, err)
		}
	}
	for asked, lines := range map[string]int{"face compare a": 1, "face": 3, "face x": 3, "nothing": len(commands())} {
		var out strings.Builder
		usage(&out, strings.Fields(asked))
		if n := strings.Count(out.String(), "\n  egatectl "); n != lines {
			t.Errorf("%s: %d commands, want %d", asked, n, lines)
		}
	}
	if _, err := ctl(t, "face", "compare", "--models", t.TempDir(), "a", "b"); err == nil || !strings.Contains(err.Error(), "--models") {
		t.Errorf("no pack: %v", err)
	}
	if _, err := ctl(t, "site", "init", t.TempDir()); err == nil || !strings.Contains(err.Error(), "--simulation") {
		t.Errorf("site in service: %v", err)
	}
	if out, err := ctl(t, "help"); err != nil || !strings.Contains(out, "site init") {
		t.Errorf("help: %v", err)
	}
}

// The tracker of the gate on a foreign trace: what it made of it, as text and as JSON (S-02).
func TestS02PassageTrack(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var geometry, trace bytes.Buffer
	if err := people.WriteGeometry(&geometry, plant.Default()); err != nil {
		t.Fatal(err)
	}
	walk, err := people.Generate(people.Tailgating, 77, people.TraceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := walk.WriteCSV(&trace); err != nil {
		t.Fatal(err)
	}
	g, tr := write("g.csv", geometry.String()), write("t.csv", trace.String())
	out, err := ctl(t, "passage", "track", tr, "--geometry", g)
	if err != nil || !strings.Contains(out, "tailgating") || !strings.Contains(out, "2 or more") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = ctl(t, "passage", "track", "--geometry", g, "--json", tr)
	var doc struct {
		Passages []struct {
			Class      string  `json:"class"`
			Confidence float64 `json:"confidence"`
			Persons    int     `json:"persons"`
			Decided    int64   `json:"decided_us"`
		} `json:"passages"`
	}
	if err != nil || json.Unmarshal([]byte(out), &doc) != nil || len(doc.Passages) != 1 || doc.Passages[0].Class != "tailgating" || doc.Passages[0].Persons != 2 ||
		doc.Passages[0].Confidence <= 0 || doc.Passages[0].Decided <= 0 {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := ctl(t, "passage", "track", write("bad.csv", "1,beam_01\n"), "--geometry", g); err == nil || !strings.Contains(err.Error(), "bad.csv: trace: line 1") {
		t.Errorf("a broken trace: %v", err)
	}
	if _, err := ctl(t, "passage", "track", tr); !errors.Is(err, errUsage) {
		t.Errorf("no geometry: %v", err)
	}
}

// What a read lacks is said in a sentence, and nothing is opened before (C-04).
func TestC04ReadSaysWhatItLacks(t *testing.T) {
	for want, args := range map[string][]string{
		"--mrz FILE":                    {},
		"--can FILE":                    {"--mrz", "a", "--can", "b"},
		"--trust and --key go together": {"--mrz", "a", "--trust", "b"},
		"--mrz: open":                   {"--mrz", filepath.Join(t.TempDir(), "none")},
		"this build keeps no personal":  {"--mrz", "a", "--save", "b"},
	} {
		_, err := ctl(t, append([]string{"document", "read"}, args...)...)
		if !errors.Is(err, statusNotChecked) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// What a document's checks come to: a check that could not be made is never a pass, and no failure hides
// behind one (C-04).
func TestC04Judge(t *testing.T) {
	at := func(id verdict.CheckID, r verdict.Result) verdict.Check { return verdict.Check{ID: id, Result: r} }
	ok := at(verdict.CheckSODSignature, verdict.Pass)
	for name, c := range map[string]struct {
		checks []verdict.Check
		left   []verdict.CheckID
		want   answer
	}{
		"all":                     {[]verdict.Check{ok, at(verdict.CheckClone, verdict.NotApplicable)}, nil, authentic},
		"none":                    {nil, nil, notChecked},
		"one not possible":        {[]verdict.Check{ok, at(verdict.CheckDSChain, verdict.NotPossible)}, nil, notChecked},
		"one not made":            {[]verdict.Check{ok, at(verdict.CheckDSChain, verdict.NotEvaluated)}, nil, notChecked},
		"failed and not made":     {[]verdict.Check{at(verdict.CheckDSChain, verdict.NotPossible), at(verdict.CheckDGHashes, verdict.Fail)}, nil, notAuthentic},
		"expired":                 {[]verdict.Check{ok, at(verdict.CheckValidity, verdict.Fail)}, nil, notValid},
		"expired and false":       {[]verdict.Check{at(verdict.CheckValidity, verdict.Fail), at(verdict.CheckClone, verdict.Fail)}, nil, notAuthentic},
		"expired and not made":    {[]verdict.Check{at(verdict.CheckValidity, verdict.Fail), at(verdict.CheckClone, verdict.NotPossible)}, nil, notChecked},
		"page left out":           {[]verdict.Check{ok, at(verdict.CheckMRZ, verdict.NotPossible)}, []verdict.CheckID{verdict.CheckMRZ}, authentic},
		"page left out, clone is": {[]verdict.Check{at(verdict.CheckMRZ, verdict.NotPossible), at(verdict.CheckClone, verdict.NotPossible)}, []verdict.CheckID{verdict.CheckMRZ}, notChecked},
	} {
		if got := judge(c.checks, c.left); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// A pair is made once, the private half for its owner only, and does what it is for.
func TestKeyMake(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "trust")
	if out, err := ctl(t, "key", "make", name); err != nil || !strings.Contains(out, "trust.pub") {
		t.Fatal(out, err)
	}
	signer, err := seal.LoadSigner(name + ".key")
	if err != nil {
		t.Fatal(err)
	}
	if pub, err := seal.LoadPublic(name + ".pub"); err != nil || !bytes.Equal(pub, signer.Public()) {
		t.Errorf("the halves do not fit: %v", err)
	}
	if st, err := os.Stat(name + ".key"); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", st.Mode(), err)
	}
	before, err := os.ReadFile(name + ".key")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ctl(t, "key", "make", name); err == nil || !strings.Contains(err.Error(), "never overwritten") {
		t.Errorf("made twice: %v", err)
	}
	if after, err := os.ReadFile(name + ".key"); err != nil || !bytes.Equal(before, after) {
		t.Error("a key was overwritten")
	}
	sealed := filepath.Join(dir, "desk")
	if out, err := ctl(t, "key", "make", "--sealing", sealed); err != nil {
		t.Fatal(out, err)
	}
	pub, err := seal.Load(sealed + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	priv, err := seal.LoadPrivate(sealed + ".key")
	if err != nil {
		t.Fatal(err)
	}
	box, err := seal.Seal(pub, seal.PurposeLookup, "gate-1", "p", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := seal.Open(priv, seal.PurposeLookup, "gate-1", "p", box); err != nil || string(plain) != "x" {
		t.Errorf("%q %v", plain, err)
	}
}

// Files of a genuine document are authentic, false when a bit is changed,
// and nobody's without trust in the issuer (C-04).
func TestC04DocumentVerify(t *testing.T) {
	dir := t.TempDir()
	a, err := issue.NewAuthority("UTO", rand.Reader, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	other, err := issue.NewAuthority("UTO", rand.Reader, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	face, err := faces.Get("astronaut")
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.Personalise(issue.Profile{Number: "X1", Surname: "MUSTER", Nationality: "UTO", BirthDate: "1990-01-01",
		Expiry: time.Now().AddDate(5, 0, 0).Format(time.DateOnly), Portrait: face.DG2JPEG(), Access: issue.AccessBAC})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ctl(t, "key", "make", filepath.Join(dir, "trust")); err != nil {
		t.Fatal(err)
	}
	signer, err := seal.LoadPrivate(filepath.Join(dir, "trust.key"))
	if err != nil {
		t.Fatal(err)
	}
	bundle := func(name string, by *issue.Authority) string {
		b, err := issue.Bundle("test", 1, time.Now(), by)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := b.Save(path, ed25519.NewKeyFromSeed(signer)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	files := func(change func(name string, b []byte)) string {
		out := t.TempDir()
		for name, fid := range map[string]uint16{"EF_SOD.bin": lds.FIDSOD, "EF_COM.bin": lds.FIDCOM, "DG1.bin": lds.FID(1), "DG2.bin": lds.FID(2)} {
			b := bytes.Clone(p.App[fid])
			change(name, b)
			if err := os.WriteFile(filepath.Join(out, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return out
	}
	ours, theirs := bundle("ours.json", a), bundle("theirs.json", other)
	for name, c := range map[string]struct {
		trust, dir, at string
		status         error
		want           string
	}{
		"genuine": {ours, files(func(string, []byte) {}), "", nil, "AUTHENTIC\n"},
		"one bit": {ours, files(func(n string, b []byte) {
			if n == "DG2.bin" {
				b[len(b)-5] ^= 1
			}
		}), "", statusFailed, "NOT AUTHENTIC\n"},
		"unknown":      {theirs, files(func(string, []byte) {}), "", statusNotChecked, "COULD NOT BE CHECKED\n"},
		"not a folder": {ours, filepath.Join(dir, "none"), "", statusNotChecked, ""},
		"no day":       {ours, dir, "yesterday", statusNotChecked, ""},
	} {
		args := []string{"document", "verify", "--trust", c.trust, "--key", filepath.Join(dir, "trust.pub")}
		if c.at != "" {
			args = append(args, "--at", c.at)
		}
		out, err := ctl(t, append(args, c.dir)...)
		if !errors.Is(err, c.status) || !strings.Contains(out, c.want) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if strings.Contains(out, "MUSTER") {
			t.Errorf("%s: says whose it is", name)
		}
	}
}

// The diagnostic bundle of a gate whose state is full of marked events, leaves and keys has none of them; a
// planted leak shows that the search finds one (M-06).
func TestM06DiagHoldsNothingPersonal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "site")
	if out, err := ctl(t, "site", "init", "--simulation", "--models", t.TempDir(), dir); err != nil {
		t.Fatal(err, out)
	}
	config := filepath.Join(dir, "gate-1.yaml")
	cfg, err := configs.Load(config)
	if err != nil {
		t.Fatal(err)
	}
	const marker = "p-Marker7731"
	j, _, err := journal.Open(filepath.Join(cfg.StateDir, "journal"), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for step := range uint64(7) {
		event, err := json.Marshal(api.Draft{Type: "passage", Time: time.Now(), Data: json.RawMessage(`{"passage":"` + marker + `","reason":"face_mismatch","at":"` + marker + `"}`)})
		if err != nil {
			t.Fatal(err)
		}
		j.Submit(journal.Record{Step: step + 1, Model: []byte(`{"x":"` + marker + `"}`), Events: [][]byte{event}, Leaves: [][]byte{[]byte(`{"who":"` + marker + `"}`)}})
		if r := <-j.Results(); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	secrets := []string{marker}
	keys, err := filepath.Glob(filepath.Join(dir, "keys", "*.key"))
	if err != nil || len(keys) == 0 {
		t.Fatal(keys, err)
	}
	for _, k := range keys {
		b, err := os.ReadFile(k)
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, strings.TrimSpace(string(b)))
	}
	unpacked := func() string {
		name := filepath.Join(t.TempDir(), "d.tgz")
		if out, err := ctl(t, "diag", "--out", name, config); err != nil || !strings.Contains(out, "versions.txt") {
			t.Fatal(out, err)
		}
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	found := func(text string) (hits int) {
		for _, s := range secrets {
			hits += strings.Count(text, s)
		}
		return hits
	}
	text := unpacked()
	if n := found(text); n != 0 {
		t.Errorf("%d markers in the bundle", n)
	}
	for _, w := range []string{"face_mismatch", "     7  ", "last event 7", "closing 140 N", "chip reader", "MiB free"} {
		if !strings.Contains(text, w) {
			t.Errorf("lacks %q:\n%s", w, text)
		}
	}
	raw, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, append(raw, []byte("# "+marker+"\n")...), 0o600); err != nil {
		t.Fatal(err)
	}
	if n := found(unpacked()); n != 1 {
		t.Errorf("the planted leak was found %d times", n)
	}
	if err := os.WriteFile(config, []byte("gate: [broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text := unpacked(); !strings.Contains(text, "gate: [broken") || !strings.Contains(text, "versions.txt") {
		t.Errorf("a broken configuration leaves no bundle:\n%s", text)
	}
}
