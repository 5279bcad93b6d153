package contract

import (
	"slices"
	"strings"
	"testing"

	"egate/verdict"
)

var tr03135Results = []string{"successful", "failed", "undetermined", "not supported", "aborted"}

// TestE01MappingIsWhole: every event type, check, result and reason of ours has a row in api/tr03135.yaml, no row
// is of something that is gone, and every field that clause 6.3 is answered with exists.
func TestE01MappingIsWhole(t *testing.T) {
	m, err := TR03135()
	if err != nil {
		t.Fatal(err)
	}
	same := func(what string, have, want []string) {
		t.Helper()
		for _, x := range minus(want, have) {
			t.Errorf("api/tr03135.yaml: %s lacks %s: add a row (a new error code where it is a reason)", what, x)
		}
		for _, x := range minus(have, want) {
			t.Errorf("api/tr03135.yaml: %s has %s, which no message can have", what, x)
		}
	}
	var events, checks, reasons []string
	for name, v := range constants(t) {
		if strings.HasPrefix(name, "Event") {
			events = append(events, v)
		}
	}
	for _, c := range verdict.CheckIDs() {
		checks = append(checks, c.String())
	}
	for _, r := range verdict.Reasons() {
		if r != verdict.OK {
			reasons = append(reasons, r.String())
		}
	}
	same("events", keys(m.Events), events)
	same("checks", keys(m.Checks), checks)
	same("reasons", keys(m.Reasons), reasons)
	for k, e := range m.Events {
		if _, ok := m.Domains[e.Domain]; !ok || e.Term == "" {
			t.Errorf("event %s: domain %q, term %q", k, e.Domain, e.Term)
		}
	}
	for k, c := range m.Checks {
		_, ok := m.Domains[c.Domain]
		ours := c.Domain == "application" || c.Domain == "biometric" || c.Domain == "background"
		if !ok || c.Term == "" || (c.Clause == "") != ours || (c.Table == "") != ours || len(minus(c.Results, tr03135Results)) > 0 {
			t.Errorf("check %s: %+v", k, c)
		}
	}
	// Clause 5.3: numbers from 1000 to 999999, one for each error, its class to be told from it.
	class := map[string]int{"optical": 11, "electronic": 12, "combined": 13, "biometric": 14, "background": 15, "application": 16}
	codes := map[int]string{}
	for k, r := range m.Reasons {
		if r.Code/100 != class[r.Domain] || codes[r.Code] != "" {
			t.Errorf("reason %s: code %d in domain %s is another's or out of its class", k, r.Code, r.Domain)
		}
		codes[r.Code] = k
	}
	all := files(t)
	for _, a := range m.Always {
		if len(a.Fields) == 0 && a.Note == "" {
			t.Errorf("%s: neither field nor note", a.Item)
		}
		for _, f := range a.Fields {
			file, field, _ := strings.Cut(f, ".")
			if props, _ := all[file]["properties"].(schema); props[field] == nil {
				t.Errorf("%s: no field %s", a.Item, f)
			}
		}
	}
}

// TestE01EveryResultMaps: whatever a check can end as, the mapping gives a result that the table of that check in
// the guideline allows. Not applicable needs proof, so only checks that can have it are asked for it.
func TestE01EveryResultMaps(t *testing.T) {
	m, err := TR03135()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range verdict.CheckIDs() {
		for _, reason := range append(verdict.Reasons(), verdict.ReasonNone) {
			for _, res := range []verdict.Result{verdict.NotEvaluated, verdict.Pass, verdict.Fail, verdict.NotPossible, verdict.NotApplicable} {
				got, code, err := m.LogResult(verdict.Check{ID: id, Result: res, Reason: reason})
				if res == verdict.NotApplicable && m.Checks[id.String()].NotApplicable == "" {
					if err == nil {
						t.Errorf("%s, not applicable: %s, which its table excludes", id, got)
					}
					continue
				}
				if err != nil {
					t.Errorf("%s %s %s: %v", id, res, reason, err)
				}
				if res == verdict.Pass && (got != "successful" || code != 0) || res == verdict.NotEvaluated && got != "" || res == verdict.Fail && got != "failed" {
					t.Errorf("%s %s %s: %s %d", id, res, reason, got, code)
				}
			}
		}
	}
	for _, c := range []struct {
		check  verdict.Check
		result string
		code   int
	}{
		{verdict.Check{ID: verdict.CheckClone, Result: verdict.NotApplicable, Reason: verdict.OK}, "not supported", 0},
		{verdict.Check{ID: verdict.CheckDSChain, Result: verdict.NotPossible, Reason: verdict.NoAnchor}, "undetermined", 1212},
		{verdict.Check{ID: verdict.CheckDGHashes, Result: verdict.NotPossible, Reason: verdict.ChipLost}, "aborted", 1204},
		{verdict.Check{ID: verdict.CheckValidity, Result: verdict.Fail, Reason: verdict.DocumentExpired}, "failed", 1302},
	} {
		if got, code, err := m.LogResult(c.check); err != nil || got != c.result || code != c.code {
			t.Errorf("%+v: %s %d %v, want %s %d", c.check, got, code, err, c.result, c.code)
		}
	}
	if _, _, err := m.LogResult(verdict.Check{}); err == nil {
		t.Error("no check at all was mapped")
	}
}

func keys[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
