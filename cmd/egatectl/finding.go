package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"egate/locales"
	"egate/verdict"
)

// answer is what a document's checks come to.
type answer string

// Answers, and with which status egatectl ends.
const (
	authentic    answer = "authentic"            // 0
	notAuthentic answer = "not_authentic"        // 1
	notValid     answer = "authentic_not_valid"  // 1: genuine, but expired or not yet valid
	notChecked   answer = "could_not_be_checked" // 3
)

// exitStatus ends egatectl with a status of its own and no further words.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("status %d", int(s)) }

const (
	statusFailed     exitStatus = 1
	statusNotChecked exitStatus = 3
)

// failure is an error that ends egatectl with another status than 1.
type failure struct {
	error
	status exitStatus
}

func (f failure) Unwrap() []error { return []error{f.error, f.status} }

// unchecked is an error that kept a document from being judged.
func unchecked(err error) error { return failure{err, statusNotChecked} }

// judge comes to an answer: what could not be evaluated is never a pass. left are checks that the caller
// chose to do without.
func judge(checks []verdict.Check, left []verdict.CheckID) answer {
	a := authentic
	for _, c := range checks {
		switch {
		case c.Result == verdict.Fail && c.ID != verdict.CheckValidity:
			return notAuthentic
		case c.Result == verdict.Fail && a == authentic:
			a = notValid
		case (c.Result == verdict.NotPossible || c.Result == verdict.NotEvaluated) && !slices.Contains(left, c.ID):
			a = notChecked
		}
	}
	if len(checks) == 0 {
		a = notChecked
	}
	return a
}

// finding is a report on a document. It holds nothing personal.
type finding struct {
	Answer answer          `json:"answer"`
	Checks []verdict.Check `json:"checks"`
	Chip   *chipFinding    `json:"chip,omitempty"` // absent for files
}

// chipFinding is what a read showed besides the checks.
type chipFinding struct {
	Ended      string         `json:"ended,omitempty"`  // why the read ended early
	Access     string         `json:"access"`           // bac, or mapping, group and cipher of PACE
	CloneProof string         `json:"clone_proof"`      // ca, aa, cam or empty
	Issuer     string         `json:"issuer,omitempty"` // country of the document signer
	Groups     []int          `json:"groups"`           // that the SOD lists
	Files      []fileFinding  `json:"files"`
	APDUs      int            `json:"apdus"`
	BytesOut   int            `json:"bytes_out"`
	BytesIn    int            `json:"bytes_in"`
	ReadSize   int            `json:"read_size"`
	Recoveries int            `json:"recoveries"`
	RelayHint  bool           `json:"relay_hint"`
	Stages     []stageFinding `json:"stages"`
	Saved      string         `json:"saved,omitempty"`
}

type fileFinding struct {
	Name   string `json:"name"`
	Size   int    `json:"size"`
	Status string `json:"status,omitempty"`
}

type stageFinding struct {
	Stage        string `json:"stage"`
	Milliseconds int64  `json:"ms"`
}

// print writes the report and returns the status to end with.
func (f finding) print(out io.Writer, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		if err := e.Encode(f); err != nil {
			return unchecked(err)
		}
		return f.status()
	}
	words, err := locales.Get(locales.Default)
	if err != nil {
		return unchecked(err)
	}
	head, next := f.headline(words)
	fmt.Fprintf(out, "%s\n  %s\n\n", head, next)
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	for _, c := range f.Checks {
		reason := ""
		if c.Result == verdict.Fail || c.Result == verdict.NotPossible {
			reason = fmt.Sprintf("%s: %s", c.Reason, words.Reasons[c.Reason.String()].Why)
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", c.Result, c.ID, words.Checks[c.ID.String()], strings.TrimSpace(reason+" "+strings.Join(c.Deviations, " ")))
	}
	if err := w.Flush(); err != nil {
		return unchecked(err)
	}
	if f.Chip != nil {
		f.Chip.print(out)
	}
	return f.status()
}

func (f finding) status() error {
	switch f.Answer {
	case authentic:
		return nil
	case notChecked:
		return statusNotChecked
	}
	return statusFailed
}

// headline says the answer and what to do.
func (f finding) headline(words *locales.Catalogue) (head, next string) {
	worst := func(r verdict.Result) locales.Reason {
		i := slices.IndexFunc(f.Checks, func(c verdict.Check) bool { return c.Result == r })
		if i < 0 {
			return locales.Reason{What: "Nothing was read", Do: "Lay the document down again"}
		}
		return words.Reasons[f.Checks[i].Reason.String()]
	}
	switch f.Answer {
	case authentic:
		next = "The data come from the issuing state and are unchanged."
		switch {
		case f.Chip == nil:
			next += " Files alone cannot tell a chip from its copy."
		case f.Chip.CloneProof == "":
			next += " This chip offers no proof that it is no copy."
		default:
			next += " The chip is no copy."
		}
		return "AUTHENTIC", next
	case notValid:
		r := worst(verdict.Fail)
		return "AUTHENTIC, NOT VALID", r.What + ". " + r.Do + "."
	case notAuthentic:
		r := worst(verdict.Fail)
		return "NOT AUTHENTIC", r.What + ". " + r.Do + "."
	}
	r := worst(verdict.NotPossible)
	return "COULD NOT BE CHECKED", r.What + ". " + r.Do + "."
}

func (c *chipFinding) print(out io.Writer) {
	or := func(s, other string) string {
		if s == "" {
			return other
		}
		return s
	}
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	line := func(name, format string, a ...any) { fmt.Fprintf(w, "  %s\t%s\n", name, fmt.Sprintf(format, a...)) }
	fmt.Fprintln(w)
	if c.Ended != "" {
		line("ended early", "%s", c.Ended)
	}
	line("access", "%s", or(c.Access, "none"))
	line("proof of chip", "%s", or(c.CloneProof, "none"))
	line("signed by", "%s", or(c.Issuer, "unknown"))
	line("groups signed", "%s", strings.Trim(fmt.Sprint(c.Groups), "[]"))
	var files []string
	for _, f := range c.Files {
		if f.Status != "" {
			files = append(files, f.Name+" "+f.Status)
			continue
		}
		files = append(files, fmt.Sprintf("%s %d B", f.Name, f.Size))
	}
	line("files", "%s", strings.Join(files, ", "))
	var stages []string
	for _, s := range c.Stages {
		stages = append(stages, fmt.Sprintf("%s %d", s.Stage, s.Milliseconds))
	}
	line("times (ms)", "%s", strings.Join(stages, ", "))
	line("exchange", "%d APDUs, %d bytes to the chip, %d from it, read size %d, channel repaired %d times", c.APDUs, c.BytesOut, c.BytesIn, c.ReadSize, c.Recoveries)
	if c.RelayHint {
		line("relay", "an answer took far longer than this chip's others: it may have come from elsewhere")
	} else {
		line("relay", "no hint of one; it is not excluded")
	}
	if c.Saved != "" {
		line("saved", "%s", c.Saved)
	}
	_ = w.Flush() // a broken pipe shows in the exit status of the reader of it
}
