package cms

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"egate/emrtd/ber"
	"egate/emrtd/ec"
)

func bigHex(s string) *big.Int {
	v, ok := new(big.Int).SetString(s, 16)
	if !ok {
		panic("not hexadecimal")
	}
	return v
}

func vectorFile(t testing.TB, name ...string) ([]byte, bool) {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above")
		}
		dir = filepath.Dir(dir)
	}
	b, err := os.ReadFile(filepath.Join(append([]string{dir, "..", "shared", "vectors"}, name...)...))
	return b, err == nil
}

// referenceSOD is the CMS of the BSI reference document.
func referenceSOD(t testing.TB) []byte {
	b, ok := vectorFile(t, "bsi-tr03105-5", "EF_SOD.bin")
	if !ok {
		t.Skip("SKIP: test vectors not present")
	}
	return b[4:]
}

func TestReferenceSOD(t *testing.T) {
	sd, err := Parse(referenceSOD(t))
	if err != nil {
		t.Fatal(err)
	}
	c, dev, err := sd.SignerCertificate(0)
	if err != nil || dev != nil {
		t.Fatal(dev, err)
	}
	if dev, err = sd.VerifySigner(0, c); err != nil || len(dev) > 0 {
		t.Error(dev, err)
	}
	s := sd.Signers[0]
	if s.Algorithm.Scheme != SchemePSS || s.Algorithm.Salt != 32 || s.Algorithm.MGFHash != crypto.SHA256 || !s.SigningTime.IsZero() {
		t.Errorf("%+v", s.Algorithm)
	}
	if c.Serial.Cmp(bigHex("0142FD5CF927")) != 0 || c.Subject.Common != "HJP PB DS" || c.Subject.Country != "DE" ||
		c.NotAfter.Format("2006-01-02 15:04:05") != "2014-12-11 21:43:18" || c.Key.Bits != 2048 {
		t.Errorf("%+v", c.Subject)
	}
	if !bytes.Equal(c.AKI, bigHex("1E4D57560C12902366A8FDE11408A37F70EB7D65").Bytes()) {
		t.Errorf("AKI %X", c.AKI)
	}
	// PSS parameters are honoured, not guessed: with another salt or mask hash it must not verify.
	for _, a := range []Algorithm{
		{Scheme: SchemePSS, Hash: crypto.SHA256, MGFHash: crypto.SHA256, Salt: 20},
		{Scheme: SchemePSS, Hash: crypto.SHA256, MGFHash: crypto.SHA1, Salt: 32},
		{Scheme: SchemePKCS1, Hash: crypto.SHA256},
	} {
		sd.Signers[0].Algorithm = a
		if _, err := sd.VerifySigner(0, c); !errors.Is(err, ErrSignature) {
			t.Errorf("%+v: %v", a, err)
		}
	}
}

// Content as PKCS #7 version 1.5 has it: the wrapping octet string is gone, the digest covers the contents of
// the sequence. What is signed stays signed.
func TestPKCS7Content(t *testing.T) {
	sd, err := Parse(referenceSOD(t))
	if err != nil {
		t.Fatal(err)
	}
	e, err := ber.ParseExact(sd.Content)
	if err != nil {
		t.Fatal(err)
	}
	x := *sd
	x.covered = e.Content
	c, _, err := x.SignerCertificate(0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.VerifySigner(0, c); !errors.Is(err, ErrDigest) {
		t.Errorf("other bytes under the same digest: %v", err)
	}
	wrapped := ber.Encode(ber.Sequence, ber.EncodeOID("2.23.136.1.1.1"), ber.Encode(0xA0, sd.Content))
	ec, err := ber.ParseExact(wrapped)
	if err != nil {
		t.Fatal(err)
	}
	var y SignedData
	if err := y.content(ec); err != nil || !bytes.Equal(y.covered, e.Content) || !bytes.Equal(y.Content, sd.Content) ||
		len(y.Deviations) != 1 || y.Deviations[0] != DevPKCS7Content {
		t.Errorf("%v %v", y.Deviations, err)
	}
}

// The RSA code agrees with the standard library, and padding that only looks right is refused.
func TestRSAPadding(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParsePublicKey(spki)
	if err != nil {
		t.Fatal(err)
	}
	msg := []byte("message")
	h := crypto.SHA256.New()
	h.Write(msg)
	digest := h.Sum(nil)
	alg := Algorithm{Scheme: SchemePKCS1, Hash: crypto.SHA256}
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest)
	if err != nil {
		t.Fatal(err)
	}
	if dev, err := k.Verify(alg, msg, sig); err != nil || len(dev) > 0 {
		t.Error(dev, err)
	}
	private := func(em []byte) []byte {
		v := new(big.Int).SetBytes(em)
		return v.Exp(v, key.D, key.N).FillBytes(make([]byte, 256))
	}
	oid, _ := HashOID(crypto.SHA256)
	info := func(alg ...[]byte) []byte {
		return ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, alg...), ber.Encode(ber.OctetString, digest))
	}
	pad := func(info []byte, ff int) []byte {
		em := append([]byte{0, 1}, bytes.Repeat([]byte{0xff}, ff)...)
		em = append(append(em, 0), info...)
		return append(em, make([]byte, 256-len(em))...)
	}
	full := info(ber.EncodeOID(oid), []byte{ber.Null, 0})
	short := info(ber.EncodeOID(oid))
	if dev, err := k.Verify(alg, msg, private(pad(short, 256-3-len(short)))); err != nil || len(dev) != 1 || dev[0] != DevPKCS1NoNull {
		t.Error("digest info without NULL:", dev, err)
	}
	// Bytes after the digest info (the forgery against small exponents).
	if _, err := k.Verify(alg, msg, private(pad(full, 20))); !errors.Is(err, ErrSignature) {
		t.Error("trailing bytes:", err)
	}
	if _, err := k.Verify(alg, msg, append([]byte{0}, sig...)); !errors.Is(err, ErrSignature) {
		t.Error("longer signature:", err)
	}
	big := new(big.Int).Add(new(big.Int).SetBytes(sig), key.N)
	if len(big.Bytes()) == 256 {
		if _, err := k.Verify(alg, msg, big.Bytes()); !errors.Is(err, ErrSignature) {
			t.Error("signature above the modulus:", err)
		}
	}
}

// Explicit parameters are taken only where they equal a known curve (CVE-2020-0601).
func TestExplicitParameters(t *testing.T) {
	c, err := ec.ByStandardID(13)
	if err != nil {
		t.Fatal(err)
	}
	priv, pub, err := c.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	oct := func(v *big.Int) []byte { return ber.Encode(ber.OctetString, v.FillBytes(make([]byte, 32))) }
	spki := func(g []byte, n *big.Int) []byte {
		par := ber.Encode(ber.Sequence, ber.EncodeInt(1),
			ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10045.1.1"), ber.EncodeBig(c.P)),
			ber.Encode(ber.Sequence, oct(c.A), oct(c.B)), ber.Encode(ber.OctetString, g), ber.EncodeBig(n))
		return ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, ber.EncodeOID(oidECKey), par), ber.EncodeBits(c.Encode(pub)))
	}
	if k, err := ParsePublicKey(spki(c.Encode(c.Generator()), c.N)); err != nil || k.Kind != c.Name {
		t.Fatal(k, err)
	}
	// The base point in compressed form is the same point.
	g := append([]byte{2 + byte(c.Gy.Bit(0))}, c.Gx.FillBytes(make([]byte, 32))...)
	if _, err := ParsePublicKey(spki(g, c.N)); err != nil {
		t.Error("compressed base point:", err)
	}
	// Another base point, for which a forger knows the private key of anybody's public key.
	if _, err := ParsePublicKey(spki(c.Encode(pub), c.N)); !errors.Is(err, ErrUnsupported) {
		t.Error("foreign base point:", err)
	}
	if _, err := ParsePublicKey(spki(c.Encode(c.Generator()), new(big.Int).Sub(c.N, big.NewInt(2)))); !errors.Is(err, ErrUnsupported) {
		t.Error("foreign order:", err)
	}
	// Values out of range verify nothing.
	k, err := ParsePublicKey(spki(c.Encode(c.Generator()), c.N))
	if err != nil {
		t.Fatal(err)
	}
	h := crypto.SHA256.New()
	h.Write([]byte("m"))
	r, s, err := ec.SignECDSA(rand.Reader, c, priv, h.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	alg := Algorithm{Scheme: SchemeECDSA, Hash: crypto.SHA256}
	value := func(r, s *big.Int) []byte { return ber.Encode(ber.Sequence, ber.EncodeBig(r), ber.EncodeBig(s)) }
	if _, err := k.Verify(alg, []byte("m"), value(r, s)); err != nil {
		t.Error(err)
	}
	for _, v := range [][2]*big.Int{{big.NewInt(0), s}, {r, big.NewInt(0)}, {new(big.Int).Add(r, c.N), s}, {r, new(big.Int).Add(s, c.N)}, {c.N, c.N}} {
		if _, err := k.Verify(alg, []byte("m"), value(v[0], v[1])); !errors.Is(err, ErrSignature) {
			t.Error("value out of range:", err)
		}
	}
	plain := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	if dev, err := k.Verify(alg, []byte("m"), plain); err != nil || len(dev) != 1 || dev[0] != DevECPlain {
		t.Error("plain signature:", dev, err)
	}
	if dev, err := k.Verify(Algorithm{Scheme: SchemeECDSAPlain, Hash: crypto.SHA256}, []byte("m"), plain); err != nil || len(dev) != 0 {
		t.Error("plain signature under its identifier:", dev, err)
	}
}

// C-10: hostile lengths, depths and counts end in an error.
func TestC10Limits(t *testing.T) {
	deep := []byte{}
	for range 200 {
		deep = append([]byte{0x30, 0x80}, deep...)
	}
	for _, b := range [][]byte{nil, {0x30}, {0x30, 0x84, 0x7f, 0xff, 0xff, 0xff}, {0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, deep, {0x04, 0x80, 0, 0}} {
		if _, err := Parse(b); err == nil {
			t.Errorf("% X accepted", b[:min(len(b), 10)])
		}
	}
	if _, err := ParseCertificate(make([]byte, MaxCertificate+1)); !errors.Is(err, ErrLimit) {
		t.Error(err)
	}
	if _, err := ParseCRL(make([]byte, MaxCRL+1)); !errors.Is(err, ErrLimit) {
		t.Error(err)
	}
}

func fuzzSeeds(f *testing.F) {
	if b, ok := vectorFile(f, "bsi-tr03105-5", "EF_SOD.bin"); ok {
		f.Add(b[4:])
		if sd, err := Parse(b[4:]); err == nil {
			f.Add(sd.Certificates[0].Raw)
			f.Add(sd.Certificates[0].RawSPKI)
		}
	}
	for _, n := range []string{"DE_ROOT_CA_CSCA07.cer", "NL_ROOT_CA.cer"} {
		if b, ok := vectorFile(f, "masterlists", n); ok {
			f.Add(b)
		}
	}
	for _, n := range []string{"DG14_pk.bin", "DG15_pk.bin"} {
		if b, ok := vectorFile(f, "bsi-tr03105-5", n); ok {
			f.Add(b)
		}
	}
}

// C-10: CMS, certificates, revocation lists and keys.
func FuzzC10SignedData(f *testing.F) {
	fuzzSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		sd, err := Parse(b)
		if err != nil {
			return
		}
		for i := range sd.Signers {
			if c, _, err := sd.SignerCertificate(i); err == nil {
				_, _ = sd.VerifySigner(i, c)
			}
		}
	})
}

func FuzzC10Certificate(f *testing.F) {
	fuzzSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := ParseCertificate(b); err == nil {
			_, _ = c.CheckSignatureFrom(c)
			c.SHA256()
			c.SelfIssued()
		}
		if l, err := ParseCRL(b); err == nil {
			l.Revoked(big.NewInt(1))
		}
		_, _ = ParsePublicKey(b)
	})
}

// crlSeed is a list with one entry, its reason and the extensions of Doc 9303-12, made by OpenSSL.
const crlSeed = "MIH/MIGlAgEBMAoGCCqGSM49BAMCMBsxCzAJBgNVBAYTAlVUMQwwCgYDVQQDDANTSU0XDTI2MTEyMzE5MjkyOFoXDTI2MTIyMzE5MjkyOFowJz" +
	"AlAgYBQv1c+ScXDTI2MDEwMTAwMDAwMFowDDAKBgNVHRUEAwoBAaAwMC4wHwYDVR0jBBgwFoAUw/Hfg0udxJ5LGuMTyVbjM+YrzzwwCwYDVR0U" +
	"BAQCAhAAMAoGCCqGSM49BAMCA0kAMEYCIQCQQwlV1KkQo+sM7HMwvcu/VK8aRyi+NeHmct+GUn413wIhAJmgbbEzwuaBkcwoVwcFJyaKlsvAPd" +
	"kuSLoTeDXfpzIR"

// C-10: whatever a list of revocations holds, reading it ends; one that reads keeps its entries.
func FuzzC10CRL(f *testing.F) {
	seed, err := base64.StdEncoding.DecodeString(crlSeed)
	if err != nil {
		f.Fatal(err)
	}
	l, err := ParseCRL(seed)
	if err != nil || l.Len() != 1 || len(l.AKI) != 20 {
		f.Fatal(l, err)
	}
	f.Add(seed)
	f.Add(seed[:len(seed)-1])
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := ParseCRL(b)
		if err != nil {
			return
		}
		for serial := range l.revoked {
			n, ok := new(big.Int).SetString(serial, 16)
			if !ok {
				t.Fatal(serial)
			}
			if _, listed := l.Revoked(n); !listed {
				t.Fatal("an entry is not found")
			}
		}
		if l.Len() > len(b) {
			t.Fatal("more entries than bytes")
		}
	})
}

// A key whose identifier restricts it to PSS with parameters verifies nothing else (RFC 4055 §3.3).
func TestRestrictedPSSKey(t *testing.T) {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	hash := func(oid string) []byte { return ber.Encode(ber.Sequence, ber.EncodeOID(oid)) }
	const sha256OID = "2.16.840.1.101.3.4.2.1"
	par := ber.Encode(ber.Sequence, ber.Encode(0xA0, hash(sha256OID)), ber.Encode(0xA1, ber.Encode(ber.Sequence, ber.EncodeOID(oidMGF1), hash(sha256OID))),
		ber.Encode(0xA2, ber.EncodeInt(32)))
	pub := ber.Encode(ber.Sequence, ber.EncodeBig(k.N), ber.EncodeInt(int64(k.E)))
	key, err := ParsePublicKey(ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, ber.EncodeOID(oidPSS), par), ber.EncodeBits(pub)))
	if err != nil {
		t.Fatal(err)
	}
	msg := []byte("m")
	digest := func(h crypto.Hash) []byte {
		w := h.New()
		w.Write(msg)
		return w.Sum(nil)
	}
	for _, x := range []struct {
		hash crypto.Hash
		salt int
		ok   bool
	}{{crypto.SHA256, 32, true}, {crypto.SHA256, 40, true}, {crypto.SHA256, 20, false}, {crypto.SHA512, 64, false}} {
		sig, err := rsa.SignPSS(rand.Reader, k, x.hash, digest(x.hash), &rsa.PSSOptions{SaltLength: x.salt})
		if err != nil {
			t.Fatal(err)
		}
		_, err = key.Verify(Algorithm{Scheme: SchemePSS, Hash: x.hash, MGFHash: x.hash, Salt: x.salt}, msg, sig)
		if x.ok != (err == nil) || !x.ok && !errors.Is(err, ErrSignature) {
			t.Errorf("%v, salt %d: %v", x.hash, x.salt, err)
		}
	}
	sig, err := rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, digest(crypto.SHA256))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := key.Verify(Algorithm{Scheme: SchemePKCS1, Hash: crypto.SHA256}, msg, sig); !errors.Is(err, ErrSignature) {
		t.Errorf("PKCS #1 under a key of PSS: %v", err)
	}
}

// The signed attributes bind content type and content; two of a kind are refused, for one would be checked and
// the other be meant.
func TestAttributesBind(t *testing.T) {
	b, ok := vectorFile(t, "bsi-tr03105-5", "EF_SOD.bin")
	if !ok {
		t.Skip("SKIP: shared test vectors are absent: nothing was proven here")
	}
	sod := b[4:]
	oid := ber.EncodeOID("2.23.136.1.1.1")
	if n := bytes.Count(sod, oid); n != 2 {
		t.Fatalf("content type %d times", n)
	}
	other := bytes.Replace(sod, oid, ber.EncodeOID("2.23.136.1.1.2"), 1)
	sd, err := Parse(other)
	if err != nil {
		t.Fatal(err)
	}
	cert, _, err := sd.SignerCertificate(0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sd.VerifySigner(0, cert); !errors.Is(err, ErrDigest) {
		t.Errorf("another content type: %v", err)
	}
	// Each attribute once more, with every length around it mended.
	kids := func(b []byte) []ber.Element {
		e, _, err := ber.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		k, err := e.Children()
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	raw := func(k []ber.Element) (out [][]byte) {
		for _, e := range k {
			out = append(out, e.Raw)
		}
		return out
	}
	ci := kids(sod)
	data := kids(ci[1].Raw)[0]
	f := kids(data.Raw)
	si := kids(kids(f[len(f)-1].Raw)[0].Raw)
	attrs := kids(si[3].Raw)
	for i := range attrs {
		signer := raw(si)
		signer[3] = ber.Encode(0xA0, append(raw(attrs), attrs[i].Raw)...)
		fields := raw(f)
		fields[len(fields)-1] = ber.Encode(ber.Set, ber.Encode(ber.Sequence, signer...))
		if _, err := Parse(ber.Encode(ber.Sequence, ci[0].Raw, ber.Encode(0xA0, ber.Encode(ber.Sequence, fields...)))); !errors.Is(err, ErrFormat) {
			t.Errorf("attribute %d twice: %v", i, err)
		}
	}
}
