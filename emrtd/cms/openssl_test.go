package cms

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// openssl runs OpenSSL as an issuer of its own: what it signs was not made by this project's encoders.
func openssl(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("openssl", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "OPENSSL_CONF="+filepath.Join(dir, "openssl.cnf"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("openssl %v: %v\n%s", args, err, out)
	}
}

const config = `
[req]
distinguished_name = dn
prompt = no
[dn]
C = UT
O = SIMULATION
CN = SIMULATION
[ca]
basicConstraints = critical,CA:true,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[ds]
keyUsage = critical,digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
`

// C-02: SignedData by an independent issuer, for every kind of key, parameter and encoding in use.
func TestC02OpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("SKIP: openssl is not installed")
	}
	content := bytes.Repeat([]byte("security object "), 40)
	pss := func(hash, mgf string, salt int) []string {
		return []string{"-keyopt", "rsa_padding_mode:pss", "-keyopt", fmt.Sprintf("rsa_pss_saltlen:%d", salt), "-keyopt", "rsa_mgf1_md:" + mgf}
	}
	ecKey := func(curve, enc string) []string {
		return []string{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:" + curve, "-pkeyopt", "ec_param_enc:" + enc}
	}
	rsa := []string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"}
	for i, c := range []struct {
		name      string
		key       []string
		md        string
		opts      []string
		deviation []string
		keyDev    string
	}{
		{name: "rsa pkcs1 sha256", key: rsa, md: "sha256"},
		{name: "rsa pkcs1 sha1", key: rsa, md: "sha1", deviation: []string{DevSHA1}},
		{name: "rsa pkcs1 sha512 big exponent", key: []string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-pkeyopt", "rsa_keygen_pubexp:1208925819614629174706189"}, md: "sha512"},
		{name: "rsa pss sha256", key: rsa, md: "sha256", opts: pss("sha256", "sha256", 32)},
		{name: "rsa pss sha256 with mgf1 sha1 and salt 20", key: rsa, md: "sha256", opts: pss("sha256", "sha1", 20)},
		{name: "rsa pss sha512 with mgf1 sha256 and salt 7", key: rsa, md: "sha512", opts: pss("sha512", "sha256", 7)},
		{name: "rsa pss sha1 by default parameters", key: rsa, md: "sha1", opts: pss("sha1", "sha1", 20), deviation: []string{DevSHA1}},
		{name: "rsa pss without salt", key: rsa, md: "sha384", opts: pss("sha384", "sha384", 0)},
		{name: "rsa-pss key", key: []string{"-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048", "-pkeyopt", "rsa_pss_keygen_md:sha256",
			"-pkeyopt", "rsa_pss_keygen_mgf1_md:sha256", "-pkeyopt", "rsa_pss_keygen_saltlen:32"}, md: "sha256", opts: pss("sha256", "sha256", 32)},
		{name: "rsa 1024", key: []string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"}, md: "sha256", keyDev: DevWeakRSA},
		{name: "p256", key: ecKey("P-256", "named_curve"), md: "sha256"},
		{name: "p256 explicit", key: ecKey("P-256", "explicit"), md: "sha256", keyDev: DevExplicitCurve},
		{name: "p521 sha512", key: ecKey("P-521", "named_curve"), md: "sha512"},
		{name: "p224 sha224", key: ecKey("secp224r1", "named_curve"), md: "sha224"},
		{name: "p192 sha1", key: ecKey("prime192v1", "named_curve"), md: "sha1", deviation: []string{DevSHA1}},
		{name: "brainpoolP256r1", key: ecKey("brainpoolP256r1", "named_curve"), md: "sha256"},
		{name: "brainpoolP384r1 explicit", key: ecKey("brainpoolP384r1", "explicit"), md: "sha384", keyDev: DevExplicitCurve},
		{name: "brainpoolP512r1 explicit", key: ecKey("brainpoolP512r1", "explicit"), md: "sha512", keyDev: DevExplicitCurve},
		{name: "brainpoolP320r1 sha384", key: ecKey("brainpoolP320r1", "named_curve"), md: "sha384"},
		{name: "brainpoolP224r1 explicit", key: ecKey("brainpoolP224r1", "explicit"), md: "sha224", keyDev: DevExplicitCurve},
		{name: "hash longer than the curve", key: ecKey("brainpoolP256r1", "named_curve"), md: "sha512"},
		{name: "signer by key identifier", key: rsa, md: "sha256", opts: []string{"-keyid"}},
		{name: "indefinite lengths", key: rsa, md: "sha256", opts: []string{"-stream"}, deviation: []string{DevIndefinite}},
		{name: "no signed attributes", key: rsa, md: "sha256", opts: []string{"-noattr"}, deviation: []string{DevNoSignedAttrs}},
	} {
		if testing.Short() && i%6 != 0 {
			continue // another program makes the keys: nothing of it is for the race detector
		}
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			write := func(name string, b []byte) {
				if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write("openssl.cnf", []byte(config))
			write("content", content)
			openssl(t, dir, append([]string{"genpkey", "-out", "ds.pem"}, c.key...)...)
			certMD := c.md
			if certMD == "sha1" || strings.HasPrefix(c.name, "rsa pss") {
				certMD = "sha256"
			}
			req := []string{"req", "-x509", "-new", "-config", "openssl.cnf", "-extensions", "ds", "-key", "ds.pem", "-days", "30", "-" + certMD, "-out", "cert.pem"}
			openssl(t, dir, req...)
			openssl(t, dir, append([]string{"cms", "-sign", "-binary", "-nodetach", "-in", "content", "-signer", "cert.pem", "-inkey", "ds.pem",
				"-md", c.md, "-outform", "DER", "-out", "signed", "-econtent_type", "2.23.136.1.1.1"}, c.opts...)...)
			b, err := os.ReadFile(filepath.Join(dir, "signed"))
			if err != nil {
				t.Fatal(err)
			}
			sd, err := Parse(b)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(sd.Content, content) || sd.ContentType != "2.23.136.1.1.1" {
				t.Error("content differs")
			}
			cert, _, err := sd.SignerCertificate(0)
			if err != nil {
				t.Fatal(err)
			}
			dev, err := sd.VerifySigner(0, cert)
			if err != nil {
				t.Fatalf("verify: %v", err)
			}
			if !slices.Equal(MergeDeviations(dev), c.deviation) {
				t.Errorf("deviations %v, want %v", dev, c.deviation)
			}
			if c.keyDev != "" && !slices.Contains(cert.Deviations, c.keyDev) {
				t.Errorf("certificate deviations %v, want %s", cert.Deviations, c.keyDev)
			}
			if _, err := cert.CheckSignatureFrom(cert); err != nil {
				t.Errorf("certificate's own signature: %v", err)
			}
			if !slices.Contains(c.opts, "-noattr") && sd.Signers[0].SigningTime.IsZero() {
				t.Error("no signing time")
			}
			// Any change of content or signature is found.
			sd.Content[5] ^= 1
			if _, err := sd.VerifySigner(0, cert); !errors.Is(err, ErrDigest) && !errors.Is(err, ErrSignature) {
				t.Errorf("changed content: %v", err)
			}
			sd.Content[5] ^= 1
			sig := sd.Signers[0].Signature
			sig[len(sig)-1] ^= 1
			if _, err := sd.VerifySigner(0, cert); !errors.Is(err, ErrSignature) {
				t.Errorf("changed signature: %v", err)
			}
		})
	}
}

// A revocation list by an independent issuer.
func TestOpenSSLCRL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("SKIP: openssl is not installed")
	}
	dir := t.TempDir()
	cnf := config + `
[ca]
default_ca = store
[store]
database = index.txt
crlnumber = number
default_md = sha256
default_crl_days = 30
certificate = ca.pem
private_key = ca.key
crl_extensions = crl
[crl]
authorityKeyIdentifier = keyid
`
	cnf = strings.Replace(cnf, "[ca]\nbasic", "[root]\nbasic", 1)
	for n, b := range map[string]string{"openssl.cnf": cnf, "number": "1000\n",
		"index.txt": "R\t350101000000Z\t260101000000Z\t0142FD5CF927\tunknown\t/CN=ds\nV\t350101000000Z\t\t1234\tunknown\t/CN=good\n"} {
		if err := os.WriteFile(filepath.Join(dir, n), []byte(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	openssl(t, dir, "req", "-x509", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-config", "openssl.cnf", "-extensions", "root", "-days", "30", "-out", "ca.pem")
	openssl(t, dir, "ca", "-gencrl", "-config", "openssl.cnf", "-out", "crl.pem")
	openssl(t, dir, "crl", "-in", "crl.pem", "-outform", "DER", "-out", "crl.der")
	openssl(t, dir, "x509", "-in", "ca.pem", "-outform", "DER", "-out", "ca.der")
	read := func(n string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, n))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	ca, err := ParseCertificate(read("ca.der"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := ParseCRL(read("crl.der"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.CheckSignatureFrom(ca); err != nil {
		t.Error(err)
	}
	if l.Len() != 1 || l.Issuer.Canonical != ca.Subject.Canonical || l.NextUpdate.IsZero() || l.Number == nil {
		t.Errorf("%d entries", l.Len())
	}
	for s, want := range map[string]bool{"0142FD5CF927": true, "1234": false} {
		if _, got := l.Revoked(bigHex(s)); got != want {
			t.Errorf("%s: %v", s, got)
		}
	}
}
