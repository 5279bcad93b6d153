package scenario

import (
	"os"
	"strings"
	"testing"

	"egate/api"
	"egate/verdict"
)

const good = `title: A genuine traveller
document: {access: bac}
events:
  - when: the chip read reaches 40 %
    do: take the passport away for 1 s
expect: {outcome: allow, reason: ok, crosses: traveller}
`

func TestParse(t *testing.T) {
	s, err := Parse("01-good.yaml", strings.NewReader(good))
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "01-good" || len(s.Events) != 1 || s.Events[0].When.Kind != WhenProgress || s.Events[0].When.N != 40 || s.Events[0].Do.N != 1 {
		t.Fatalf("%+v", s)
	}
}

// Every phrase that is offered is understood as it stands.
func TestPhrases(t *testing.T) {
	for _, forms := range [][]form{whens, dos} {
		for _, f := range forms {
			text := strings.NewReplacer(" N ", " 3 ", "NAME", "beam_01").Replace(f.text)
			p := Phrase{Text: text}
			if err := p.parse(forms); err != nil || p.Kind != f.kind {
				t.Errorf("%q: %v %q", text, err, p.Kind)
			}
		}
	}
	p := Phrase{Text: "the exit door runs at 40 % of its speed"}
	if err := p.parse(dos); err != nil || p.Arg != "exit" || p.N != 40 {
		t.Errorf("%+v %v", p, err)
	}
}

// Bad input is refused with line and cure.
func TestErrorsNameLineAndCure(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{strings.Replace(good, "access:", "acces:", 1), `x.yaml:2: unknown key "acces" (did you mean "access"?)`},
		{strings.Replace(good, "reason: ok", "reason: okay", 1), `x.yaml:6: "okay" is no reason code (did you mean "ok"?)`},
		{strings.Replace(good, "40 %", "fourty %", 1), "x.yaml:4: \"the chip read reaches fourty %\" is not understood"},
		{strings.Replace(good, "bac", "bacc", 1), `x.yaml:2: document.access: "bacc" is not known (one of: bac, pace, paceonly)`},
		{strings.Replace(good, "outcome: allow, ", "", 1), "x.yaml:6: expect.outcome is missing"},
		{"", "empty file"},
		{"title: [\n", "x.yaml"},
		{good + "title: twice\n", "stands here and in line"},
	} {
		_, err := Parse("x.yaml", strings.NewReader(c.in))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("want %q, got %v", c.want, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(good)
	f.Add("title: &a x\nexpect: *a\n")
	f.Fuzz(func(t *testing.T, in string) {
		if s, err := Parse("f.yaml", strings.NewReader(in)); err == nil && s.Title == "" {
			t.Fatal("accepted without title")
		}
	})
}

// Every kind of expectation can fail.
func TestCheckCanFail(t *testing.T) {
	s, err := Parse("g.yaml", strings.NewReader(good))
	if err != nil {
		t.Fatal(err)
	}
	ok := func() *Seen {
		return &Seen{Traveller: "traveller", Crossed: []string{"traveller"}, Events: 3, Acked: 3,
			Passage: &api.Passage{Outcome: verdict.Allow, Reason: verdict.OK, Completed: true, TotalMS: 5,
				Stages: []api.StageTime{{Stage: "a", MS: 2}, {Stage: "b", MS: 3}}}}
	}
	if bad := s.Check(ok()); len(bad) != 0 {
		t.Fatal(bad)
	}
	for name, f := range map[string]func(*Seen){
		"outcome":    func(o *Seen) { o.Passage.Outcome = verdict.Refer },
		"reason":     func(o *Seen) { o.Passage.Reason = verdict.FaceMismatch },
		"no passage": func(o *Seen) { o.Passage = nil },
		"nobody":     func(o *Seen) { o.Crossed = nil },
		"second":     func(o *Seen) { o.Crossed = append(o.Crossed, "second") },
		"doors":      func(o *Seen) { o.Violations = []string{"both"} },
		"leak":       func(o *Seen) { o.Leaks = []string{"portrait"} },
		"ack":        func(o *Seen) { o.Acked = 2 },
		"stages":     func(o *Seen) { o.Passage.TotalMS = 6 },
		"early":      func(o *Seen) { o.EarlyFrame = 1 },
		"inside":     func(o *Seen) { o.Inside = 1 },
	} {
		o := ok()
		f(o)
		if len(s.Check(o)) == 0 {
			t.Errorf("%s: not noticed", name)
		}
	}
	// F-11: what the officer is shown of the document.
	s.Expect.Shown = &Shown{Sex: "M", Age: 61}
	for _, shown := range []Shown{{}, {"F", 61}, {"M", 60}, {"M", 61}} {
		o := ok()
		o.Shown = shown
		if bad := s.Check(o); (len(bad) == 0) != (shown == Shown{"M", 61}) {
			t.Errorf("shown %+v: %v", shown, bad)
		}
	}
}

// The shipped files parse, and each names a requirement that it proves.
func TestShippedScenarios(t *testing.T) {
	all, err := Load(os.DirFS("../scenarios"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if len(s.Proves) == 0 {
			t.Errorf("%s proves nothing", s.Name)
		}
	}
	if len(all) < 26 {
		t.Errorf("%d scenarios", len(all))
	}
	if _, err := Load(os.DirFS("../scenarios"), "genuine-bac"); err != nil {
		t.Error(err)
	}
	if _, err := Load(os.DirFS("../scenarios"), "no-such"); err == nil || !strings.Contains(err.Error(), "there are:") {
		t.Error(err)
	}
}
