package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport/linuxtpm"
	"gopkg.in/yaml.v3"

	"egate/pki/tpm"
	"egate/seal"
)

// resources is the kernel's manager of the TPM's resources.
const resources = "/dev/tpmrm0"

// withTPM: the gate's key lies in the board's TPM as `egatectl key make --tpm` leaves it, the controller signs with it, and
// what it signs is believed by the centre; after another boot (a register that has changed) it does not start.
func withTPM(ctx context.Context, _ map[string]string) error {
	s, err := openSite("/tmp", "")
	if err != nil {
		return err
	}
	err = s.intoTPM()
	report("the key is the TPM's", err)
	if err != nil {
		return err
	}
	if err := s.openCentre(ctx); err != nil {
		return err
	}
	if err := s.start("-700"); err != nil {
		return err
	}
	report("open", s.open(ctx))
	report("two travellers cross", s.await("CROSSED", 2))
	report("orderly end", s.stop())
	what, err := s.intact(nil, s.notes)
	report("journal and audit log: "+what, err)
	if err := s.safe(); err != nil {
		return err
	}
	if err := extend(tpm.DefaultPCR); err != nil {
		return err
	}
	report("another boot, no key", s.refused(tpm.ErrPolicy.Error()))
	return nil
}

// intoTPM makes the gate's key anew, in the TPM.
func (s *site) intoTPM() error {
	t, err := tpm.Open(resources)
	if err != nil {
		return err
	}
	defer t.Close()
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	file, err := t.Seal(key.Seed(), tpm.DefaultPCR)
	if err != nil {
		return err
	}
	if bytes.Contains(file, key.Seed()) || !tpm.Holds(file) {
		return errors.New("the file is no key of a TPM")
	}
	private, public := filepath.Join(s.dir, "gate.key"), filepath.Join(s.dir, "gate.pub")
	if err := errors.Join(os.Remove(private), os.Remove(public)); err != nil {
		return err
	}
	if err := errors.Join(os.WriteFile(private, file, 0o600), seal.Save(public, pub, false)); err != nil {
		return err
	}
	s.key = pub
	s.cfg.Keys.TPM, s.cfg.Keys.InFiles = resources, false
	y, err := yaml.Marshal(s.cfg)
	if err != nil {
		return err
	}
	return os.WriteFile(s.config, y, 0o600)
}

// extend changes a register, as another kernel or firmware does.
func extend(pcr uint32) error {
	dev, err := linuxtpm.Open(resources)
	if err != nil {
		return err
	}
	defer dev.Close()
	_, err = tpm2.PCRExtend{PCRHandle: tpm2.AuthHandle{Handle: tpm2.TPMHandle(pcr), Auth: tpm2.PasswordAuth(nil)},
		Digests: tpm2.TPMLDigestValues{Digests: []tpm2.TPMTHA{{HashAlg: tpm2.TPMAlgSHA256, Digest: bytes.Repeat([]byte{1}, 32)}}}}.Execute(dev)
	return err
}

// refused starts the controller once more and waits until it has refused, with the reason.
func (s *site) refused(why string) error {
	var said bytes.Buffer
	if err := s.startEgated(&said); err != nil {
		return err
	}
	select {
	case err := <-s.exited:
		if err == nil {
			return errors.New("it ended in order")
		}
		if !strings.Contains(said.String(), why) {
			return fmt.Errorf("it ended (%w) without saying %q: %s", err, why, said.String())
		}
		return nil
	case <-time.After(patience):
		return errors.Join(errors.New("it runs"), s.egated.Process.Kill())
	}
}
