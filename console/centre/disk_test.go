package centre

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"egate/api"
	"egate/console"
	"egate/seal"
	"egate/verdict"
)

// markers are planted personal data by what they are.
type markers map[string][]byte

// forms are the ways in which a marker can lie on a disk: as it is, in JSON (as text, or in base64 at
// each of its three alignments), in hexadecimal digits.
func forms(m []byte) [][]byte {
	text := must(json.Marshal(string(m)))
	out := [][]byte{m, text[1 : len(text)-1], []byte(hex.EncodeToString(m))}
	for shift := range 3 {
		// What of the text depends on the bytes before and behind is cut off.
		text := base64.StdEncoding.EncodeToString(append(make([]byte, shift), m...))
		out = append(out, []byte(strings.TrimRight(text, "=")[(shift*8+5)/6:len(strings.TrimRight(text, "="))-1]))
	}
	return out
}

// search lists which markers lie in which files below a folder.
func search(t *testing.T, dir string, m markers) (hits []string, searched int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		searched += len(b)
		lower := bytes.ToLower(b)
		for what, marker := range m {
			for _, f := range forms(marker) {
				if bytes.Contains(b, f) || bytes.Contains(lower, bytes.ToLower(f)) {
					hits = append(hits, what+" in "+filepath.Base(path))
					break
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(hits)
	return hits, searched
}

// TestDP04CentreStoresNoPerson (DP-08, O-06): names, numbers and portraits went through the centre, sealed, in
// questions and in a dossier that an officer opened. Its disk (history, log, temporary files) holds none of
// them, neither while it runs nor after; a planted leak is found.
func TestDP04CentreStoresNoPerson(t *testing.T) {
	portrait := make([]byte, 48)
	_, _ = rand.Read(portrait) // never fails
	m := markers{"name": []byte("PLANTEDSURNAME<<ADA<MARIA"), "surname": []byte("PLANTEDSURNAME"), "document number": []byte("XK7741903"), "birth": []byte("610704QX"), "portrait": portrait}
	l := newLine(t, true)
	// The list names the person too: what is looked for does not come from it, since it lies elsewhere.
	l.write("documents:\n  XK7741903: hold\n")
	g := l.gate(here)
	o := l.signIn()
	q := api.LookupQuestion{Document: "XK7741903", Issuer: "UTO", Name: "PLANTEDSURNAME<<ADA<MARIA", Birth: "610704QX"}
	for end := time.Now().Add(patience); g.lookup(q) != "hold"; { // the list is read within a tick
		if time.Now().After(end) {
			t.Fatal("the traveller is not found: the data do not go through")
		}
	}
	for range 3 { // at different places of whatever would keep them
		if a := g.lookup(q); a != "hold" {
			t.Fatalf("answer %q", a)
		}
	}
	p := passage()
	g.commit(map[string]any{api.EventReferral: api.ReferralEvent{Passage: p, State: "open", Reason: verdict.Emergency}})
	var to []byte
	for end := time.Now().Add(patience); to == nil; time.Sleep(5 * time.Millisecond) { // until a lease names the officer's key
		g.mu.Lock()
		if len(g.lease.Keys) > 0 {
			to = g.lease.Keys[0].Key
		}
		g.mu.Unlock()
		if time.Now().After(end) {
			t.Fatal("no lease with an officer's key")
		}
	}
	plain := must(json.Marshal(api.Dossier{Passage: p, Portrait: bytes.Repeat(portrait, 200), Live: bytes.Repeat(portrait, 200), Name: q.Name, Document: q.Document}))
	g.request(referralKind, p, to, plain)
	l.until("the dossier", func(v map[string]console.GateView) bool { return v[here].Referral != nil && v[here].Referral.Dossier })
	d, err := l.c.Dossier(o.Session, here, p)
	if err != nil {
		t.Fatal(err)
	}
	var opened api.Dossier
	if err := json.Unmarshal(must(seal.Open(d.PrivateKey, seal.PurposeReferral, here, p, d.Envelope.Sealed)), &opened); err != nil || !bytes.Contains(opened.Portrait, portrait) {
		t.Fatal("the portrait did not go through", err)
	}
	hash := sha256.Sum256(plain)
	g.order(o, api.CmdSendBack, p, hash[:], "", nil)
	// A second marker of the same kind that names no person: it shows that the search reads what is stored.
	stored := markers{"passage": []byte(p)}
	g.commit(map[string]any{api.EventReferral: api.ReferralEvent{Passage: p, State: "decided", Reason: verdict.Emergency, Officer: pseud, Decision: "send_back"}})
	check := func(when string) {
		t.Helper()
		hits, n := search(t, l.disk, m)
		if len(hits) > 0 {
			t.Errorf("%s: %v", when, hits)
		}
		if hits, _ := search(t, l.disk, stored); len(hits) == 0 || n == 0 {
			t.Errorf("%s: the search does not find what is stored, in %d bytes", when, n)
		}
	}
	check("while it runs")
	l.c.SignOut(o.Session)
	check("after sign-out")
	l.stop()
	check("after its end")
	// Planted leaks: each marker as an event could carry it by mistake, in text and in base64.
	s, err := openStore(filepath.Join(l.disk, "history.db"))
	if err != nil {
		t.Fatal(err)
	}
	seq := uint64(100)
	for _, marker := range m {
		for _, body := range [][]byte{marker, must(json.Marshal(map[string][]byte{"x": marker})), must(json.Marshal(map[string][]byte{"xx": append([]byte{7}, marker...)}))} {
			seq++
			if _, err := s.put([]row{{gate: here, event: api.Event{Type: "egate.fault.v1", Epoch: 1, Seq: seq}, body: body}}, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	hits, _ := search(t, l.disk, m)
	for what := range m {
		if !slices.Contains(hits, what+" in history.db") {
			t.Errorf("a leaked %s is not found: %v", what, hits)
		}
	}
	for what, marker := range m { // each form alone, so that none of them is idle
		for i, f := range forms(marker) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "leak"), slices.Concat([]byte("\x00before"), f, []byte("behind\xff")), 0o600); err != nil {
				t.Fatal(err)
			}
			if hits, _ := search(t, dir, markers{what: marker}); len(hits) != 1 {
				t.Errorf("%s in form %d is not found", what, i)
			}
		}
	}
}

// TestDP08DeletedIsGone: what retention has deleted is in no file of the history any more, not only in none of
// its tables.
func TestDP08DeletedIsGone(t *testing.T) {
	dir := t.TempDir()
	s, err := openStore(filepath.Join(dir, "history.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.close() }()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	old, young := markers{"old": []byte("0ldpassage0ldpassage0ldpassage01")}, markers{"young": []byte("y0ungpassagey0ungpassagey0ungp02")}
	put := func(seq uint64, m []byte, at time.Time) {
		t.Helper()
		if _, err := s.put([]row{{gate: "g", event: api.Event{Type: "egate.alarm.v1", Epoch: 1, Seq: seq, Time: at}, body: must(json.Marshal(map[string]string{"passage": string(m)}))}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	for i := range uint64(50) {
		put(i+1, old["old"], at)
	}
	put(51, young["young"], at.AddDate(0, 0, 2))
	if hits, _ := search(t, dir, old); len(hits) == 0 {
		t.Fatal("an event is not found where it was stored: the test proves nothing")
	}
	if n, err := s.forget(time.Now(), at.AddDate(0, 0, 1)); err != nil || n != 50 {
		t.Fatal(n, err)
	}
	if hits, _ := search(t, dir, old); len(hits) > 0 {
		t.Errorf("deleted, and still there: %v", hits)
	}
	if hits, _ := search(t, dir, young); len(hits) == 0 {
		t.Error("what is kept is gone")
	}
}

// TestDP08DeletionIsTold: what retention takes leaves an account: of each gate and epoch from where to where and how
// many, through every step of it, and nothing of what is kept.
func TestDP08DeletionIsTold(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history.db")
	s, err := openStore(file)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var rows []row
	put := func(gate string, epoch, from, to uint64, at time.Time) {
		for seq := from; seq <= to; seq++ {
			rows = append(rows, row{gate: gate, event: api.Event{Type: "egate.alarm.v1", Epoch: epoch, Seq: seq, Time: at}, body: []byte("{}")})
		}
	}
	put("a", 1, 1, 700, at) // more than one step takes
	put("a", 2, 1, 3, at.Add(time.Hour))
	put("b", 1, 5, 9, at)
	put("b", 1, 10, 12, at.AddDate(0, 1, 0))
	if _, err := s.put(rows, nil); err != nil {
		t.Fatal(err)
	}
	for _, now := range []time.Time{at.AddDate(0, 0, 3), at.AddDate(0, 0, 3).Add(time.Hour), at.AddDate(0, 0, 4)} {
		if _, err := s.forget(now, now.AddDate(0, 0, -3).Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := WriteDeletions(&out, file); err != nil {
		t.Fatal(err)
	}
	want := "day_utc,gate,epoch,first,last,count,older_than_utc\n" +
		"2026-01-05,a,1,1,700,700,2026-01-02T03:05:05.000Z\n" +
		"2026-01-05,a,2,1,3,3,2026-01-02T04:05:05.000Z\n" +
		"2026-01-05,b,1,5,9,5,2026-01-02T03:05:05.000Z\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}
