package contract

import (
	"bytes"
	"fmt"
	"slices"
	"sync"

	"gopkg.in/yaml.v3"

	"egate/api"
	"egate/verdict"
)

// Terms is the mapping to the logging scheme of BSI TR-03135-1 (api/tr03135.yaml).
type Terms struct {
	Guideline string
	Version   string
	Domains   map[string]struct{ Schema, Namespace string }
	Always    []struct { // clause 6.3
		Item   string
		Fields []string // schema.field
		Note   string
	}
	Events  map[string]struct{ Domain, Term string }
	Checks  map[string]CheckTerm
	Reasons map[string]ReasonTerm
}

// CheckTerm is one check in the guideline's terms. Results are those that the table of the check allows.
type CheckTerm struct {
	Domain, Clause, Table, Term string
	Results                     []string
	NotPossible                 string `yaml:"not_possible"`
	NotApplicable               string `yaml:"not_applicable"`
}

// ReasonTerm is one reason: its class and numeric error code (clause 5.3), and whether the check broke off.
type ReasonTerm struct {
	Domain  string
	Code    int
	Aborted bool
}

// TR03135 reads the mapping.
var TR03135 = sync.OnceValues(func() (Terms, error) {
	var t Terms
	d := yaml.NewDecoder(bytes.NewReader(api.TR03135))
	d.KnownFields(true)
	if err := d.Decode(&t); err != nil {
		return Terms{}, fmt.Errorf("contract: tr03135.yaml: %w", err)
	}
	return t, nil
})

// LogResult is the result of a check as BSI TR-03135-1 names it (successful, failed, undetermined, not
// supported, aborted) with the numeric error code of its reason; the code is 0 where nothing went wrong, and
// the result empty for a check that was not evaluated.
func (t Terms) LogResult(c verdict.Check) (result string, code int, err error) {
	ct, ok := t.Checks[c.ID.String()]
	if !ok {
		return "", 0, fmt.Errorf("contract: tr03135.yaml has no check %s: add it", c.ID)
	}
	switch c.Result {
	case verdict.NotEvaluated:
		return "", 0, nil
	case verdict.Pass:
		return "successful", 0, nil
	case verdict.Fail:
		result = "failed"
	case verdict.NotApplicable:
		result = ct.NotApplicable
	case verdict.NotPossible:
		if result = ct.NotPossible; t.Reasons[c.Reason.String()].Aborted {
			result = "aborted"
		}
	}
	if !slices.Contains(ct.Results, result) {
		return "", 0, fmt.Errorf("contract: %s cannot end as %s in %s (table %s)", c.ID, c.Result, t.Guideline, ct.Table)
	}
	if c.Reason == verdict.ReasonNone || c.Reason == verdict.OK {
		return result, 0, nil
	}
	r, ok := t.Reasons[c.Reason.String()]
	if !ok {
		return "", 0, fmt.Errorf("contract: tr03135.yaml has no reason %s: add it", c.Reason)
	}
	return result, r.Code, nil
}
