package locales

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"egate/console"
	"egate/health"
	"egate/verdict"
)

func catalogue(t *testing.T, tag string) *Catalogue {
	t.Helper()
	c, err := Get(tag)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func keys[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func same(t *testing.T, where string, want, got []string) {
	t.Helper()
	for _, k := range want {
		if !slices.Contains(got, k) {
			t.Errorf("%s: %q is missing", where, k)
		}
	}
	for _, k := range got {
		if !slices.Contains(want, k) {
			t.Errorf("%s: %q is not in the authoritative catalogue", where, k)
		}
	}
}

// TestA05KeysEqual: no missing and no left-over key in any language.
func TestA05KeysEqual(t *testing.T) {
	en := catalogue(t, Default)
	for _, tag := range Tags() {
		c := catalogue(t, tag)
		if c.Tag != tag || c.Name == "" || (c.Dir != "ltr" && c.Dir != "rtl") {
			t.Errorf("%s: head of catalogue: %+v", tag, c.Language)
		}
		if (tag == "ar") != (c.Dir == "rtl") {
			t.Errorf("%s: direction %s", tag, c.Dir)
		}
		same(t, tag+" screen", keys(en.Screen), keys(c.Screen))
		same(t, tag+" console", keys(en.Console), keys(c.Console))
		same(t, tag+" reason", keys(en.Reasons), keys(c.Reasons))
		same(t, tag+" check", keys(en.Checks), keys(c.Checks))
		same(t, tag+" words", keys(en.Words), keys(c.Words))
		for g := range en.Words {
			same(t, tag+" words."+g, keys(en.Words[g]), keys(c.Words[g]))
		}
		for k, v := range c.Screen {
			if strings.TrimSpace(v) == "" {
				t.Errorf("%s: screen %q is empty", tag, k)
			}
		}
	}
}

// TestA07PromptsShort: what a traveller must do is said in at most eight words. The notice's
// explanations and the second lines of a screen are no prompts.
func TestA07PromptsShort(t *testing.T) {
	const most = 8
	for _, tag := range Tags() {
		n := 0
		for k, v := range catalogue(t, tag).Screen {
			prompt := strings.HasSuffix(k, ".title") || strings.HasPrefix(k, "prompt.") || strings.HasPrefix(k, "button.") ||
				slices.Contains([]string{"notice.accept", "notice.decline", "time.short"}, k)
			if !prompt {
				continue
			}
			n++
			if w := len(strings.FieldsFunc(v, func(r rune) bool { return r == ' ' || r == '\u00a0' })); w > most {
				t.Errorf("%s: %s has %d words: %q", tag, k, w, v)
			}
		}
		if n < 40 {
			t.Errorf("%s: only %d prompts were looked at", tag, n)
		}
	}
}

// TestO04EveryReason: each reason code says what, why and what to do, in at most two lines (O-04).
// A line of the console's queue holds 60 characters at least.
func TestO04EveryReason(t *testing.T) {
	const what, rest = 44, 110
	for _, tag := range Tags() {
		c := catalogue(t, tag)
		codes := []string{verdict.ReasonNone.String()}
		for _, r := range verdict.Reasons() {
			codes = append(codes, r.String())
		}
		codes = append(codes, console.Alerts()...)
		same(t, tag+" reasons", codes, keys(c.Reasons))
		for code, r := range c.Reasons {
			if r.What == "" || r.Why == "" || r.Do == "" {
				t.Errorf("%s: %s is incomplete: %+v", tag, code, r)
			}
			if n := utf8.RuneCountInString(r.What); n > what {
				t.Errorf("%s: %s: first line has %d characters", tag, code, n)
			}
			if n := utf8.RuneCountInString(r.Why + ". " + r.Do); n > rest {
				t.Errorf("%s: %s: second part has %d characters", tag, code, n)
			}
		}
		var checks []string
		for _, id := range verdict.CheckIDs() {
			checks = append(checks, id.String())
		}
		same(t, tag+" checks", checks, keys(c.Checks))
	}
}

// TestM03EveryFault: an officer reads of every fault what it is and what to do, in two lines at most; a fault that waits
// for him says so, and one that clears by itself asks nothing of maintenance (M-03).
func TestM03EveryFault(t *testing.T) {
	const most = 110
	for _, tag := range Tags() {
		c := catalogue(t, tag)
		var codes []string
		for _, e := range health.Catalogue() {
			codes = append(codes, string(e.Code))
		}
		same(t, tag+" faults", codes, keys(c.Words["fault"]))
		for code, text := range c.Words["fault"] {
			if n := utf8.RuneCountInString(text); n > most || n == 0 {
				t.Errorf("%s: %s has %d characters", tag, code, n)
			}
			if officer := health.Lookup(health.Code(code)).Clears == health.Officer; tag == Default && officer != strings.Contains(text, "reset the gate") {
				t.Errorf("%s: an officer clears it: %v; the text: %q", code, officer, text)
			}
		}
	}
}

// TestA01StaffedLaneNamed: the words for the staffed lane stand on every refusal; that the page
// shows them is the browser test's to prove.
func TestA01StaffedLaneNamed(t *testing.T) {
	for _, tag := range Tags() {
		c := catalogue(t, tag)
		for _, k := range []string{"staffed.named", "see_officer.body", "leave_back.body", "closed.body", "button.staffed", "notice.decline"} {
			if c.Screen[k] == "" {
				t.Errorf("%s: %s is missing", tag, k)
			}
		}
	}
}
