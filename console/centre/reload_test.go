package centre

import (
	"os"
	"slices"
	"testing"
	"time"

	"egate/api"
	"egate/console"
)

// TestP11WatchListReload: a list that became bad, empty or went away while the centre runs is refused with an
// alert at the desk, and the list before it answers on; a good one ends the alert and answers from then on.
func TestP11WatchListReload(t *testing.T) {
	l := newLine(t, true)
	g := l.gate(here)
	ask := func(number string) string {
		t.Helper()
		return g.lookup(api.LookupQuestion{Document: number, Issuer: "UTO", Name: "TRAVELLER<<SOME", Birth: "700101"})
	}
	alert := func(v console.GateView) bool {
		return slices.ContainsFunc(v.Alerts, func(a console.AlertView) bool {
			return a.Reason == console.AlertList && a.Active && a.Severity == "warning"
		})
	}
	refused := func() bool {
		on := false
		l.until("the line", func(v map[string]console.GateView) bool { on = alert(v[here]) || alert(v[there]); return true })
		return on
	}
	// becomes waits for a list that nothing announces: its first different answer.
	becomes := func(number, want string) {
		t.Helper()
		for end := time.Now().Add(patience); ask(number) != want; {
			if time.Now().After(end) {
				t.Fatalf("%s never becomes %s", number, want)
			}
		}
	}
	l.write("documents:\n  AA1: hold\n")
	becomes("AA1", "hold")
	if refused() {
		t.Fatal("an alert over a good list")
	}
	for _, bad := range []struct{ what, text string }{
		{"an unknown answer", "documents:\n  AA1: welcome\n  BB2: hold\n"}, {"broken YAML", "documents: {AA1: refer\n"}, {"an empty file", ""},
		{"an unknown section", "documents:\n  BB2: hold\npeople: {}\n"}, {"no file", "-"},
	} {
		if bad.text == "-" {
			if err := os.Remove(l.list); err != nil {
				t.Fatal(err)
			}
		} else {
			l.write(bad.text)
		}
		l.c.tick() // a tick too many: the test need not wait for the next one
		if !refused() {
			t.Errorf("%s: no alert", bad.what)
		}
		if got := []string{ask("AA1"), ask("BB2")}; !slices.Equal(got, []string{"hold", "clear"}) {
			t.Errorf("%s: answers %v are not those of the list before", bad.what, got)
		}
		l.write("documents:\n  AA1: hold\n# after " + bad.what + "\n")
		l.c.tick()
		if refused() {
			t.Errorf("the alert over %s does not end", bad.what)
		}
	}
	// And without the test's help.
	l.write("documents:\n  AA1: welcome\n")
	l.until("the alert", func(v map[string]console.GateView) bool { return alert(v[here]) || alert(v[there]) })
	l.write("documents:\n  BB2: refer\n")
	l.until("the end of the alert", func(v map[string]console.GateView) bool { return !alert(v[here]) && !alert(v[there]) })
	if got := []string{ask("AA1"), ask("BB2")}; !slices.Equal(got, []string{"clear", "refer"}) {
		t.Errorf("answers %v are not those of the new list", got)
	}
}
