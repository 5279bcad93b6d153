package verdict

import "testing"

// C-03: what a chip without any proof against copying is worth, the policy says per issuer and year.
func TestC03CloneRules(t *testing.T) {
	p := DefaultPolicy()
	p.CloneProof = []CloneRule{{Issuer: "UT", From: 2015}, {Issuer: "DE", From: 2007, To: 2012}}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		issuer string
		year   int
		due    bool
	}{{"UT", 2014, false}, {"UT", 2015, true}, {"UT", 2040, true}, {"UT", 0, true}, {"DE", 2006, false}, {"DE", 2012, true}, {"DE", 2013, false}, {"FR", 2020, false}, {"", 0, false}} {
		if got := p.CloneProofDue(x.issuer, x.year); got != x.due {
			t.Errorf("%s %d: %v", x.issuer, x.year, got)
		}
	}
	p.CloneProof = []CloneRule{{Issuer: "*", From: 2020}}
	if err := p.Validate(); err != nil || !p.CloneProofDue("FR", 2021) || p.CloneProofDue("FR", 2019) {
		t.Error(err)
	}
	for _, bad := range []CloneRule{{Issuer: "UTO", From: 2015}, {Issuer: "ut", From: 2015}, {Issuer: "UT"}, {Issuer: "UT", From: 2015, To: 2014}} {
		p.CloneProof = []CloneRule{bad}
		if p.Validate() == nil {
			t.Errorf("%+v accepted", bad)
		}
	}
}
