package main

import (
	"bytes"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A life passes only with all that was expected, DONE, and neither a failure nor a skip.
func TestJudge(t *testing.T) {
	for _, c := range []struct {
		lines string
		want  string // part of the error, empty for a pass
	}{
		{"BOOT 3|PASS a|PASS b: with numbers|DONE", ""},
		{"PASS a|PASS b", "no DONE"},
		{"PASS a|DONE", "no PASS b"},
		{"PASS a|PASS b|FAIL c: why|DONE", "FAIL c: why"},
		{"PASS a|PASS b|SKIP c: no device|DONE", "no pass"},
		{"", "no DONE"},
	} {
		_, err := judge(strings.Split(c.lines, "|"), []string{"a", "b"})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", c.lines, err)
		}
	}
}

// A skip is named in the closing lines and is not counted as a pass; a failure fails the run.
func TestTable(t *testing.T) {
	var b bytes.Buffer
	old := out
	out = &b
	defer func() { out = old }()
	if !table([]row{{word: pass}, {word: skip}}, time.Second) || !strings.Contains(b.String(), "1 passed, 0 failed, 1 skipped") || !strings.Contains(b.String(), "SKIP: 1 of 2") {
		t.Error(b.String())
	}
	if table([]row{{word: pass}, {word: fail}}, time.Second) {
		t.Error("a failure passes")
	}
}

// The archive is what other programs understand too.
func TestArchive(t *testing.T) {
	if _, err := exec.LookPath("cpio"); err != nil {
		t.Skip("SKIP: no cpio: the archive is NOT read by another program here")
	}
	var b bytes.Buffer
	if err := (tree{"init": {data: []byte("first")}, "mod/order": {data: []byte("a\nb")}, "bin/peer": {link: "/init"}}).write(&b); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("cpio", "-itv", "--quiet")
	cmd.Stdin = io.Reader(&b)
	got, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	for _, want := range []string{"bin/peer -> /init", "mod/order", "drwxr-xr-x"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
