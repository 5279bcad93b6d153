// Package asyncapi validates api/asyncapi.yaml with the official parser of AsyncAPI.
package asyncapi

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const warning = 1 // severities: 0 error, 1 warning, 2 information, 3 hint

type report struct {
	File                           string
	Channels, Operations, Messages int
	Found                          []struct {
		Severity            int
		Code, Message, Path string
	}
}

func validate(t *testing.T, files ...string) []report {
	t.Helper()
	if _, err := os.Stat("node_modules/@asyncapi/parser"); err != nil {
		t.Skip("SKIP: the AsyncAPI parser is not installed: cd test/asyncapi && npm ci --ignore-scripts")
	}
	var stderr bytes.Buffer
	cmd := exec.Command("node", append([]string{"validate.mjs"}, files...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.Bytes())
	}
	var all []report
	for _, line := range bytes.Split(bytes.TrimSpace(out), []byte("\n")) {
		var r report
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%v\n%s", err, line)
		}
		all = append(all, r)
	}
	if len(all) != len(files) {
		t.Fatalf("%d reports of %d documents", len(all), len(files))
	}
	return all
}

const broken = `asyncapi: 3.0.0
info: {title: broken, version: 1.0.0}
channels:
  a: {address: a, messages: {M: {payload: {type: string}}}}
operations:
  send: {action: whisper, channel: {$ref: '#/channels/nothing'}}
`

// TestE01OfficialParser: the contract is a valid AsyncAPI document, without a warning either; one that is none is
// refused by the same call.
func TestE01OfficialParser(t *testing.T) {
	if testing.Short() {
		t.Skip("the parser takes seconds: it runs in the full tests")
	}
	bad := filepath.Join(t.TempDir(), "broken.yaml")
	if err := os.WriteFile(bad, []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	all := validate(t, "../../api/asyncapi.yaml", bad)
	for _, f := range all[0].Found {
		if f.Severity <= warning {
			t.Errorf("%s %s: %s", f.Path, f.Code, f.Message)
		}
	}
	if r := all[0]; r.Channels == 0 || r.Operations == 0 || r.Messages == 0 {
		t.Errorf("the parser made no document of it: %+v", r)
	}
	refused := false
	for _, f := range all[1].Found {
		refused = refused || f.Severity == 0
	}
	if !refused {
		t.Errorf("a broken document was accepted: %+v", all[1].Found)
	}
	t.Logf("%d channels, %d operations, %d messages", all[0].Channels, all[0].Operations, all[0].Messages)
}
