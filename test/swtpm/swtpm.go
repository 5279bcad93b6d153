// Package swtpm runs a TPM 2.0 for tests: Debian's swtpm, behind a socket of its own.
package swtpm

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport/linuxudstpm"
)

// startLimit is how long a TPM may take to answer, on a machine with other work.
const startLimit = time.Minute

// TPM is one simulated TPM.
type TPM struct {
	Path string // of its socket

	t    testing.TB
	dir  string
	stop func()
}

// New makes a TPM with nothing in it and ends it with the test. Where swtpm is not installed, the test is skipped.
func New(t testing.TB) *TPM {
	t.Helper()
	if _, err := exec.LookPath("swtpm"); err != nil {
		t.Skip("SKIP: swtpm is not installed, keys in a TPM are NOT tested: apt-get install swtpm")
	}
	dir := t.TempDir()
	s := &TPM{Path: filepath.Join(dir, "tpm.sock"), t: t, dir: dir}
	s.start()
	t.Cleanup(func() { s.stop() })
	return s
}

// Reboot cuts the power and starts again: PCRs are zero, what the TPM keeps stays.
func (s *TPM) Reboot() {
	s.t.Helper()
	s.stop()
	s.start()
}

func (s *TPM) start() {
	s.t.Helper()
	var log bytes.Buffer
	cmd := exec.Command("swtpm", "socket", "--tpm2", "--tpmstate", "dir="+s.dir, "--server", "type=unixio,path="+s.Path, "--flags", "not-need-init,startup-clear")
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(gone)
	}()
	s.stop = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		<-gone
	})
	for end := time.Now().Add(startLimit); ; time.Sleep(5 * time.Millisecond) { // a socket appears
		if s.answers() {
			return
		}
		select {
		case <-gone:
			s.t.Fatalf("swtpm ended: %s", log.String())
		default:
		}
		if time.Now().After(end) {
			s.t.Fatal("swtpm does not answer")
		}
	}
}

func (s *TPM) answers() bool {
	dev, err := linuxudstpm.Open(s.Path)
	if err != nil {
		return false
	}
	defer dev.Close()
	_, err = tpm2.PCRRead{}.Execute(dev)
	return err == nil
}

// Extend changes a PCR, as another kernel or firmware does.
func (s *TPM) Extend(pcr uint32) {
	s.t.Helper()
	dev, err := linuxudstpm.Open(s.Path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer dev.Close()
	digest := tpm2.TPMTHA{HashAlg: tpm2.TPMAlgSHA256, Digest: bytes.Repeat([]byte{1}, 32)}
	if _, err := (tpm2.PCRExtend{PCRHandle: tpm2.AuthHandle{Handle: tpm2.TPMHandle(pcr), Auth: tpm2.PasswordAuth(nil)},
		Digests: tpm2.TPMLDigestValues{Digests: []tpm2.TPMTHA{digest}}}).Execute(dev); err != nil {
		s.t.Fatal(err)
	}
}
