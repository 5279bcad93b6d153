package health

import (
	"fmt"
	"strings"
)

// Manual is the page of the maintenance manual, in Markdown, made from the catalogue (M-03).
func Manual() string {
	var b strings.Builder
	b.WriteString("<!-- Generated from health/catalogue.go: go test ./health -run Manual -update -->\n# Faults\n\n" +
		"Every fault that a gate can report, from the code that reports it. A fault is a code and a part; both stand in the\n" +
		"retained health document and in the fault events. *Blocks* means that no new traveller is taken; whoever is inside can\n" +
		"leave to the side of origin whatever the fault.\n\n")
	b.WriteString("| code | severity | blocks | shows after | cleared by |\n| --- | --- | --- | --- | --- |\n")
	for _, e := range catalogue {
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s | %s | %s |\n", e.Code, e.Code, e.Severity, yes(e.Blocks), after(e), e.Clears)
	}
	for _, e := range catalogue {
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n\n", e.Code, capital(e.Means))
		fmt.Fprintf(&b, "- **The gate meanwhile:** %s.\n- **Likely cause:** %s.\n- **Test:** %s.\n- **Cure:** %s.\n- **Cleared by:** %s.\n", e.Safe, e.Cause, e.Test, e.Cure, e.Clears)
	}
	return b.String()
}

func after(e Entry) string {
	if e.TimeToVisible == 0 {
		return "at once"
	}
	return e.TimeToVisible.String()
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
