package dossier

import (
	"bufio"
	"bytes"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"egate/api"
	"egate/console"
	"egate/verdict"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "open-dossier" {
		os.Exit(ChildMain())
	}
	os.Exit(m.Run())
}

const (
	gate    = "gate-1"
	passage = "00112233445566778899aabbccddeeff"
)

// Markers that must be found in the child and nowhere else.
const nameMarker = "MARKER-NAME-5d1f"

var photoMarker = append([]byte{0xff, 0xd8, 0xff, 0xe0}, bytes.Repeat([]byte("MARKER-PIXEL-77aa"), 100)...)

func example() api.Dossier {
	return api.Dossier{
		Passage: passage, Reason: verdict.FaceMismatch, Verified: true, Portrait: bytes.Clone(photoMarker), Live: bytes.Clone(photoMarker),
		Checks: []verdict.Check{{ID: verdict.CheckMatch, Result: verdict.Fail, Reason: verdict.FaceMismatch}},
		Name:   nameMarker, Document: "X1", Nationality: "UTO", Sex: "F", Age: 30, MatchScore: .2, Threshold: .36,
	}
}

func sealed(t testing.TB, d api.Dossier) console.SealedDossier {
	t.Helper()
	plain, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return sealBytes(t, plain)
}

func in(sd console.SealedDossier) []byte {
	raw, _ := json.Marshal(input{Gate: gate, Passage: passage, Envelope: sd.Envelope, Key: sd.PrivateKey})
	return raw
}

// TestOpenRefuses: whatever is not the sealed dossier of this gate's passage ends with a fault code.
func TestOpenRefuses(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name string
		edit func(d *api.Dossier, sd *console.SealedDossier)
		late bool // edit the envelope after sealing
		want string
	}{
		{"good", func(*api.Dossier, *console.SealedDossier) {}, false, ""},
		{"another passage inside", func(d *api.Dossier, _ *console.SealedDossier) { d.Passage = "other" }, false, FaultContents},
		{"portrait is no JPEG", func(d *api.Dossier, _ *console.SealedDossier) { d.Portrait = []byte("<svg onload=x>") }, false, FaultContents},
		{"portrait too large", func(d *api.Dossier, _ *console.SealedDossier) {
			d.Portrait = append(d.Portrait, make([]byte, maxPhoto)...)
		}, false, FaultContents},
		{"name too long", func(d *api.Dossier, _ *console.SealedDossier) { d.Name = strings.Repeat("A", maxText+1) }, false, FaultContents},
		{"too many checks", func(d *api.Dossier, _ *console.SealedDossier) { d.Checks = make([]verdict.Check, maxChecks+1) }, false, FaultContents},
		{"another passage outside", func(_ *api.Dossier, sd *console.SealedDossier) { sd.Envelope.Passage = "other" }, true, FaultContents},
		{"another gate", func(_ *api.Dossier, sd *console.SealedDossier) { sd.Envelope.Gate = "gate-2" }, true, FaultContents},
		{"expired", func(_ *api.Dossier, sd *console.SealedDossier) { sd.Envelope.ExpiresAt = now }, true, FaultExpired},
		{"one bit changed", func(_ *api.Dossier, sd *console.SealedDossier) { sd.Envelope.Sealed[len(sd.Envelope.Sealed)-1] ^= 1 }, true, FaultSealed},
		{"one bit changed and hashed", func(_ *api.Dossier, sd *console.SealedDossier) {
			sd.Envelope.Sealed[len(sd.Envelope.Sealed)-1] ^= 1
			h := sha256.Sum256(sd.Envelope.Sealed)
			sd.Envelope.Hash = h[:]
		}, true, FaultSealed},
		{"another key", func(_ *api.Dossier, sd *console.SealedDossier) {
			k, _ := hpke.MLKEM768X25519().GenerateKey()
			sd.PrivateKey, _ = k.Bytes()
		}, true, FaultSealed},
		{"no key", func(_ *api.Dossier, sd *console.SealedDossier) { sd.PrivateKey = nil }, true, FaultSealed},
		{"other plain hash", func(_ *api.Dossier, sd *console.SealedDossier) { sd.Envelope.PlainHash = make([]byte, 32) }, true, FaultContents},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := example()
			if !c.late {
				c.edit(&d, nil)
			}
			sd := sealed(t, d)
			if c.late {
				c.edit(nil, &sd)
			}
			parts, hash, fault := open(in(sd), now)
			if fault != c.want {
				t.Fatalf("fault %q, want %q", fault, c.want)
			}
			if (fault == "") != (len(hash) == 32 && len(parts[PartFacts]) > 0) {
				t.Fatal("parts and fault disagree")
			}
			if fault == "" && bytes.Contains(parts[PartFacts], []byte("MARKER-PIXEL")) {
				t.Fatal("a photo among the facts")
			}
		})
	}
}

// patience bounds what a test waits for on a busy machine; nothing is measured with it.
const patience = time.Minute

func start(t *testing.T, sd console.SealedDossier) (*Child, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The race detector's own sleep at the end of a program is none of ours.
	c, err := Command{Path: self, Args: []string{"open-dossier"}, Env: []string{"GORACE=atexit_sleep_ms=0"}, limit: patience}.Start(t.Context(), gate, passage, sd)
	if err == nil {
		t.Cleanup(c.Close)
	}
	return c, err
}

// get fetches a part over a real TCP connection that is handed to the child.
func get(t *testing.T, c *Child, part string) (*http.Response, []byte, error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	browser, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer browser.Close()
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	err = c.Hand(conn.(syscall.Conn), part)
	conn.Close()
	if err != nil {
		return nil, nil, err
	}
	rsp, err := http.ReadResponse(bufio.NewReader(browser), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer rsp.Body.Close()
	body, err := io.ReadAll(rsp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return rsp, body, nil
}

// TestO06ChildServesAndDies: photos go from the child to the browser, never kept by either end, and
// the child is gone when it is closed.
func TestO06ChildServesAndDies(t *testing.T) {
	c, err := start(t, sealed(t, example()))
	if err != nil {
		t.Fatal(err)
	}
	plain, _ := json.Marshal(example())
	if want := sha256.Sum256(plain); !bytes.Equal(c.Hash(), want[:]) {
		t.Error("the hash is not that of the plain dossier")
	}
	if !strings.Contains(c.Sandbox(), "no_dump limits") {
		t.Errorf("sandbox %q", c.Sandbox())
	}
	for _, part := range []string{PartFacts, PartPortrait, PartLive} {
		rsp, body, err := get(t, c, part)
		if err != nil {
			t.Fatal(err)
		}
		if rsp.StatusCode != http.StatusOK || !strings.Contains(rsp.Header.Get("Cache-Control"), "no-store") || rsp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %s %v", part, rsp.Status, rsp.Header)
		}
		if part == PartFacts {
			var f facts
			if err := json.Unmarshal(body, &f); err != nil || f.Name != nameMarker || !f.Portrait {
				t.Errorf("facts: %v %+v", err, f)
			}
		} else if !bytes.Equal(body, photoMarker) {
			t.Errorf("%s: other bytes", part)
		}
	}
	if rsp, _, err := get(t, c, "other"); err != nil || rsp.StatusCode != http.StatusNotFound {
		t.Errorf("an unknown part is served: %v", err)
	}
	pid := c.cmd.Process.Pid
	c.Close()
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("child %d is still there: %v", pid, err)
	}
	if _, _, err := get(t, c, PartLive); err == nil {
		t.Error("a closed dossier is still handed connections")
	}
	c.Close() // twice is harmless
}

// TestChildIsConfined: what the child reports is what the kernel says of it (DP-03).
func TestChildIsConfined(t *testing.T) {
	c, err := start(t, sealed(t, example()))
	if err != nil {
		t.Fatal(err)
	}
	proc := fmt.Sprintf("/proc/%d", c.cmd.Process.Pid)
	threads, err := filepath.Glob(filepath.Join(proc, "task", "*", "status"))
	if err != nil || len(threads) == 0 {
		t.Fatalf("threads: %v %v", threads, err)
	}
	for _, th := range threads {
		status, err := os.ReadFile(th)
		if err != nil {
			continue // it has ended
		}
		if !strings.Contains(string(status), "NoNewPrivs:\t1") {
			t.Error("new privileges are possible in a thread")
		}
	}
	limits, err := os.ReadFile(filepath.Join(proc, "limits"))
	if err != nil {
		t.Fatal(err)
	}
	flat := strings.Join(strings.Fields(string(limits)), " ")
	for _, want := range []string{"Max core file size 0 0", "Max file size 0 0"} {
		if !strings.Contains(flat, want) {
			t.Errorf("limits lack %q:\n%s", want, limits)
		}
	}
	for _, f := range []string{"cmdline", "environ"} {
		if b, err := os.ReadFile(filepath.Join(proc, f)); err == nil && (bytes.Contains(b, []byte(nameMarker)) || len(b) > 200) {
			t.Errorf("%s: %q", f, b)
		}
	}
}

// TestParentGone: a child whose parent vanishes without a word ends by itself (DP-01).
func TestParentGone(t *testing.T) {
	c, err := start(t, sealed(t, example()))
	if err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	_ = c.ctrl.Close() // what the kernel does when a process dies
	c.ctrl = nil
	c.mu.Unlock()
	select {
	case <-c.Done():
	case <-time.After(patience):
		t.Fatal("the child lives on")
	}
}

func TestStartRefuses(t *testing.T) {
	sd := sealed(t, example())
	sd.Envelope.Sealed[40] ^= 1
	_, err := start(t, sd)
	if err == nil || !strings.Contains(err.Error(), FaultSealed) || strings.Contains(err.Error(), nameMarker) {
		t.Errorf("error %v", err)
	}
	if _, err := (Command{Path: "/nonexistent"}).Start(t.Context(), gate, passage, sd); err == nil {
		t.Error("no program and no error")
	}
	truth, err := exec.LookPath("true")
	if err != nil {
		t.Skip("SKIP: no program named true")
	}
	if _, err := (Command{Path: truth}).Start(t.Context(), gate, passage, sd); err == nil {
		t.Error("a child that says nothing counts as open")
	}
}

// TestParentHoldsNothing: what a child may tell its parent is a fault code, a hash and a level.
func TestParentHoldsNothing(t *testing.T) {
	raw, err := json.Marshal(Opened{Hash: make([]byte, 32), Sandbox: "x"})
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		t.Fatal(err)
	}
	for k := range fields {
		if k != "hash" && k != "sandbox" && k != "fault" {
			t.Errorf("a child tells its parent %q", k)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(in(sealed(f, example())))
	f.Add([]byte(`{"gate":"gate-1"}`))
	f.Add([]byte("{}{}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		parts, hash, fault := open(raw, time.Now())
		if fault == "" && (len(hash) != 32 || len(parts) != 3) {
			t.Fatal("opened without parts")
		}
		if fault != "" && parts != nil {
			t.Fatal("parts beside a fault")
		}
	})
}
