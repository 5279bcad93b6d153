package tpm

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"egate/pki"
	"egate/seal"
	"egate/test/swtpm"
)

func open(t testing.TB, path string) *TPM {
	t.Helper()
	p, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// the key of a gate's certificate is made in a TPM and opens a connection of TLS 1.3 from there. Another TPM
// cannot use the file, nor can this one on a machine that has booted otherwise.
func TestX05TLSKey(t *testing.T) {
	machine := swtpm.New(t)
	p := open(t, machine.Path)
	if !p.Simulated() {
		t.Error("a socket counts as a TPM")
	}
	file, err := p.NewKey(DefaultPCR)
	if err != nil {
		t.Fatal(err)
	}
	if !Holds(file) || Holds([]byte("00ff")) {
		t.Error("a key of a TPM is not known from one in a file")
	}
	key, err := p.Signer(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	site, err := pki.Init(filepath.Join(dir, "ca"), "site", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	issue := func(name string, key func() ([]byte, error), hosts ...string) string {
		t.Helper()
		raw, err := key()
		if err != nil {
			t.Fatal(err)
		}
		r, err := pki.ParseRequest(raw)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := site.Issue(r, hosts, pki.DefaultLife)
		to := filepath.Join(dir, name+".pem")
		if err = errors.Join(err, pki.Install(to, cert)); err != nil {
			t.Fatal(err)
		}
		return to
	}
	ca := filepath.Join(dir, "ca", pki.CertFile)
	own := issue("gate-1", func() ([]byte, error) { return pki.MakeRequest("gate-1", key) })
	soft, err := pki.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	gate, err := pki.Load(pki.Files{CA: ca, Cert: own}, pki.Options{Name: "gate-1", Key: key})
	if err != nil {
		t.Fatal(err)
	}
	broker, err := pki.Load(pki.Files{CA: ca, Cert: issue("broker", func() ([]byte, error) { return pki.MakeRequest("broker", soft) }, "127.0.0.1")}, pki.Options{Key: soft})
	if err != nil {
		t.Fatal(err)
	}
	// connect tells whether a client comes in, and under which name.
	connect := func() (string, error) {
		l, err := tls.Listen("tcp", "127.0.0.1:0", broker.Server())
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		type end struct {
			name string
			err  error
		}
		done := make(chan end, 1)
		go func() {
			c, err := l.Accept()
			if err != nil {
				done <- end{err: err}
				return
			}
			defer c.Close()
			s := c.(*tls.Conn)
			if err := s.Handshake(); err != nil {
				done <- end{err: err}
				return
			}
			done <- end{name: s.ConnectionState().PeerCertificates[0].Subject.CommonName}
		}()
		c, err := tls.Dial("tcp", l.Addr().String(), func() *tls.Config { x := gate.Client(); x.ServerName = "127.0.0.1"; return x }())
		if err == nil {
			defer c.Close()
			_, _ = io.Copy(io.Discard, c)
		}
		e := <-done
		return e.name, errors.Join(err, e.err)
	}
	if name, err := connect(); err != nil || name != "gate-1" {
		t.Fatalf("%q %v", name, err)
	}
	if _, err := gate.Request(); err != nil {
		t.Errorf("renewal: %v", err)
	}
	machine.Reboot()
	if name, err := connect(); err != nil || name != "gate-1" {
		t.Errorf("after a restart: %q %v", name, err)
	}
	machine.Extend(DefaultPCR)
	if name, err := connect(); err == nil || !strings.Contains(err.Error(), ErrPolicy.Error()) || name != "" {
		t.Errorf("booted otherwise: %q %v", name, err)
	}
	thief, err := open(t, swtpm.New(t).Path).Signer(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pki.MakeRequest("gate-1", thief); !errors.Is(err, ErrForeign) {
		t.Errorf("in another TPM: %v", err)
	}
}

// the seed of the gate's signing key opens in its TPM only, as long as the machine boots as it did.
func TestX05SigningKey(t *testing.T) {
	machine := swtpm.New(t)
	p := open(t, machine.Path)
	seed := bytes.Repeat([]byte{7}, 32)
	bound, err := p.Seal(seed, 4, DefaultPCR, 4)
	if err != nil {
		t.Fatal(err)
	}
	loose, err := p.Seal(seed)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(bound, seed) {
		t.Error("the secret stands in the file")
	}
	opens := func(what string, p *TPM, file []byte, want error) {
		t.Helper()
		got, err := p.Unseal(file)
		if !errors.Is(err, want) || want == nil && !bytes.Equal(got, seed) || want != nil && got != nil {
			t.Errorf("%s: %x %v, want %v", what, got, err, want)
		}
	}
	opens("here", p, bound, nil)
	opens("here, without a policy", p, loose, nil)
	s, err := seal.NewSigner(seed)
	if err != nil || s.Sign("cmd", nil).Kid == "" {
		t.Error(err)
	}
	machine.Reboot()
	opens("after a restart", p, bound, nil)
	machine.Extend(4)
	opens("another kernel", p, bound, ErrPolicy)
	opens("another kernel, without a policy", p, loose, nil)
	machine.Reboot()
	opens("the old kernel", p, bound, nil)
	other := open(t, swtpm.New(t).Path)
	opens("another TPM", other, bound, ErrForeign)
	opens("another TPM, without a policy", other, loose, ErrForeign)
	// A policy that somebody takes out of the file is still the key's own.
	k, err := parse(bound)
	if err != nil {
		t.Fatal(err)
	}
	machine.Extend(4)
	for what, pcrs := range map[string][]uint{"no policy": nil, "another policy": {23}} {
		k.pcrs = pcrs
		forged, err := k.pem()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.Unseal(forged); err == nil {
			t.Errorf("%s: %x", what, got)
		}
	}
	if _, err := p.Signer(bound); err == nil {
		t.Error("a secret signs")
	}
	key, err := p.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Unseal(key); err == nil {
		t.Error("a key is unsealed")
	}
	for what, err := range map[string]error{
		"nothing":       second(p.Seal(nil)),
		"too much":      second(p.Seal(make([]byte, maxSecret+1))),
		"no such PCR":   second(p.NewKey(24)),
		"too many PCRs": second(p.NewKey(0, 1, 2, 3, 4, 5, 6, 7, 8)),
	} {
		if err == nil {
			t.Error(what)
		}
	}
}

func second(_ []byte, err error) error { return err }

func TestX05OpenSaysWhatIsMissing(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "tpmrm0")); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "TPM 2.0") {
		t.Error(err)
	}
	sock := filepath.Join(t.TempDir(), "dead")
	l, err := net.Listen("unix", sock)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = l.Close()
	if _, err := open(t, sock).NewKey(); err == nil {
		t.Error("a dead TPM makes a key")
	}
}

func FuzzX05KeyFile(f *testing.F) {
	for _, name := range []string{"key", "sealed", "bound"} {
		raw, err := os.ReadFile(filepath.Join("testdata", name+".pem"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte("-----BEGIN " + typeKey + "-----\n-----END " + typeKey + "-----\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := parse(b)
		if err != nil {
			return
		}
		again, err := k.pem()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parse(again); err != nil {
			t.Fatalf("what was read is not read again: %v", err)
		}
	})
}
