package pa_test

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"egate/emrtd/ber"
	"egate/emrtd/cms"
	"egate/emrtd/issue"
	"egate/emrtd/lds"
	"egate/emrtd/pa"
	"egate/emrtd/trust"
	"egate/verdict"
)

// ossl is a state whose certificates, lists and signatures are made by OpenSSL: nothing that it signs went
// through this project's encoders but the LDS security object itself.
type ossl struct {
	t   *testing.T
	dir string
}

func newOSSL(t *testing.T) *ossl {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("SKIP: openssl is not installed: nothing was proven here")
	}
	return &ossl{t, t.TempDir()}
}

func (o *ossl) run(args ...string) {
	o.t.Helper()
	cmd := exec.Command("openssl", args...)
	cmd.Dir = o.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		o.t.Fatalf("openssl %v: %v\n%s", args, err, out)
	}
}

func (o *ossl) write(name, text string) {
	o.t.Helper()
	if err := os.WriteFile(filepath.Join(o.dir, name), []byte(text), 0o600); err != nil {
		o.t.Fatal(err)
	}
}

func (o *ossl) read(name string) []byte {
	o.t.Helper()
	b, err := os.ReadFile(filepath.Join(o.dir, name))
	if err != nil {
		o.t.Fatal(err)
	}
	return b
}

func (o *ossl) der(name string) []byte {
	o.t.Helper()
	o.run("x509", "-in", name+".pem", "-outform", "DER", "-out", name+".der")
	return o.read(name + ".der")
}

func (o *ossl) key(name string, gen ...string) {
	o.t.Helper()
	if len(gen) == 0 {
		gen = []string{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:named_curve"}
	}
	o.run(append([]string{"genpkey", "-out", name + ".key"}, gen...)...)
}

const caExt = "basicConstraints=critical,CA:true,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"

// store makes the data base of one CA; several may have one name.
func (o *ossl) ca(name, cert, key string) {
	o.write(name+".idx", "")
	o.write(name+".cnf", fmt.Sprintf(`[ca]
default_ca=s
[s]
database=%s.idx
new_certs_dir=.
rand_serial=yes
crlnumber=%s.num
certificate=%s.pem
private_key=%s.key
default_md=sha256
default_crl_days=30
unique_subject=no
policy=p
email_in_dn=no
preserve=yes
crl_extensions=crl
[crl]
authorityKeyIdentifier=keyid
[p]
countryName=optional
organizationName=optional
commonName=supplied
`, name, name, cert, key))
	o.write(name+".num", "1000\n")
}

func (o *ossl) csr(name, subject string) {
	o.t.Helper()
	o.write("req.cnf", "[req]\ndistinguished_name=dn\nstring_mask=utf8only\n[dn]\n")
	o.run("req", "-new", "-utf8", "-config", "req.cnf", "-key", name+".key", "-subj", subject, "-out", name+".csr")
}

const stamp = "20060102150405Z"

// root makes a self-signed CSCA.
func (o *ossl) root(name, subject string, from, to time.Time, opts ...string) {
	o.t.Helper()
	o.rootWith(caExt, name, subject, from, to, opts...)
}

func (o *ossl) rootWith(ext, name, subject string, from, to time.Time, opts ...string) {
	o.t.Helper()
	o.csr(name, subject)
	o.write(name+".ext", ext)
	o.ca(name, name, name)
	o.run(append([]string{"ca", "-batch", "-selfsign", "-config", name + ".cnf", "-in", name + ".csr", "-keyfile", name + ".key", "-extfile", name + ".ext", "-notext",
		"-startdate", from.Format(stamp), "-enddate", to.Format(stamp), "-out", name + ".pem"}, opts...)...)
}

func (o *ossl) issue(ca, name, subject, ext string, from, to time.Time, opts ...string) {
	o.t.Helper()
	o.csr(name, subject)
	o.write(name+".ext", ext)
	o.run(append([]string{"ca", "-batch", "-config", ca + ".cnf", "-in", name + ".csr", "-extfile", name + ".ext", "-notext",
		"-startdate", from.Format(stamp), "-enddate", to.Format(stamp), "-out", name + ".pem"}, opts...)...)
}

func (o *ossl) crl(ca string) []byte {
	o.t.Helper()
	o.run("ca", "-gencrl", "-config", ca+".cnf", "-out", "crl.pem")
	o.run("crl", "-in", "crl.pem", "-outform", "DER", "-out", "crl.der")
	return o.read("crl.der")
}

// directory takes document signers out of an LDIF export.
func (o *ossl) directory(b *trust.Bundle, countries string, certs ...[]byte) {
	o.t.Helper()
	var text strings.Builder
	for _, c := range certs {
		fmt.Fprintf(&text, "dn: o=dsc\nuserCertificate;binary:: %s\n\n", base64.StdEncoding.EncodeToString(c))
	}
	i := trust.Importer{Bundle: b, SignersOf: strings.Split(countries, ","), Now: time.Now()}
	if _, err := i.Add("pkd", []byte(text.String()), time.Now()); err != nil {
		o.t.Fatal(err)
	}
	if err := i.Finish(); err != nil {
		o.t.Fatal(err)
	}
}

// defect is one family: a document as a careless or hostile issuer would make it.
type defect struct {
	name    string
	dsKey   []string
	subject string // of the DS
	ext     string // of the DS
	from    time.Duration
	to      time.Duration
	sign    []string // options of openssl cms
	// before changes the state of the CAs before the DS is issued, after the SOD is signed.
	before func(*ossl)
	issuer string // CA that issues the DS, "csca" where empty
	object func(*lds.SecurityObject) []byte
	after  func(o *ossl, b *trust.Bundle, sod []byte) []byte
	policy pa.Policy
	change map[verdict.CheckID]outcome
	dev    []string
}

const (
	cscaDN = "/C=UT/O=State/CN=CSCA UT"
	dsDN   = "/C=UT/O=State/CN=DS 1"
	dsExt  = "keyUsage=critical,digitalSignature\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid:always\n"
	dsMin  = "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid:always\n"
)

// C-02, C-05, C-06: families of defects by an issuer that is not this project. Each names the checks that
// change and the tolerances that must be reported; what is not named passes.
func TestC02OpenSSLDefects(t *testing.T) {
	newOSSL(t)
	a := authority(t, "UTO", issue.ECDSAP256)
	p := passport(t, a)
	clock := time.Now().UTC().Truncate(time.Second)
	rsa := []string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"}
	ec := func(curve, enc string) []string {
		return []string{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:" + curve, "-pkeyopt", "ec_param_enc:" + enc}
	}
	pss := func(salt string, more ...string) []string {
		return append([]string{"-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:" + salt}, more...)
	}
	chain := func(o outcome) map[verdict.CheckID]outcome {
		return map[verdict.CheckID]outcome{verdict.CheckDSChain: o}
	}
	sod := func(o outcome) map[verdict.CheckID]outcome {
		return map[verdict.CheckID]outcome{verdict.CheckSODSignature: o}
	}
	unsigned := map[verdict.CheckID]outcome{verdict.CheckDSAtSigning: impossible(verdict.SigningTimeUnknown)}
	chainFails, sodFails := fail(verdict.DSChainFailed), fail(verdict.SODSignatureFailed)
	rows := []defect{
		{name: "genuine, P-256"},
		{name: "genuine, RSA", dsKey: rsa},
		{name: "genuine, PSS with another mask hash", dsKey: rsa, sign: pss("20", "-keyopt", "rsa_mgf1_md:sha1", "-md", "sha256")},
		{name: "genuine, PSS key with restrictions", dsKey: []string{"-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048", "-pkeyopt", "rsa_pss_keygen_md:sha256",
			"-pkeyopt", "rsa_pss_keygen_mgf1_md:sha256", "-pkeyopt", "rsa_pss_keygen_saltlen:32"}, dev: []string{cms.DevSigAlgIsKeyAlg}},
		{name: "genuine, brainpoolP384r1", dsKey: ec("brainpoolP384r1", "named_curve"), sign: []string{"-md", "sha384"}},
		{name: "genuine, explicit brainpoolP256r1", dsKey: ec("brainpoolP256r1", "explicit"), dev: []string{cms.DevExplicitCurve}},
		{name: "genuine, explicit P-521", dsKey: ec("P-521", "explicit"), sign: []string{"-md", "sha512"}, dev: []string{cms.DevExplicitCurve}},
		{name: "genuine, P-224", dsKey: ec("P-224", "named_curve")},
		{name: "genuine, signer by key identifier", sign: []string{"-keyid"}},
		{name: "genuine, streamed", sign: []string{"-stream"}, dev: []string{cms.DevIndefinite}},
		{name: "genuine, CSCA embedded as well", sign: []string{"-certfile", "csca.pem"}},
		{name: "curve that no document uses", dsKey: ec("secp256k1", "named_curve"), change: sod(impossible(verdict.SODSignatureFailed))},
		{name: "explicit parameters of an unknown curve", dsKey: ec("secp256k1", "explicit"), change: sod(impossible(verdict.SODSignatureFailed))},
		{name: "MD5", dsKey: rsa, sign: []string{"-md", "md5"}, change: sod(impossible(verdict.SODSignatureFailed))},
		{name: "SHA-1", sign: []string{"-md", "sha1"}, dev: []string{cms.DevSHA1}},
		{name: "SHA-1 where policy forbids it", sign: []string{"-md", "sha1"}, policy: pa.Policy{ForbidSHA1: true}, change: sod(impossible(verdict.SODSignatureFailed)), dev: []string{cms.DevSHA1}},
		{name: "RSA 1024", dsKey: []string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"}, dev: []string{cms.DevWeakRSA}},
		{name: "no signed attributes", sign: []string{"-noattr"}, change: unsigned, dev: []string{cms.DevNoSignedAttrs}},
		{name: "no signing time, known", sign: []string{"-noattr"}, after: func(_ *ossl, b *trust.Bundle, sod []byte) []byte {
			b.Deviations = []trust.Deviation{{ID: "UT-9", Country: "UT", Check: verdict.CheckDSAtSigning, Reason: verdict.SigningTimeUnknown, Expires: clock.Add(time.Hour)}}
			return sod
		}, change: map[verdict.CheckID]outcome{verdict.CheckDSAtSigning: {Result: verdict.Pass, Reason: verdict.DeviationKnown}}, dev: []string{pa.DevKnown + "UT-9", cms.DevNoSignedAttrs}},
		{name: "certificate not included", sign: []string{"-nocerts"}, change: map[verdict.CheckID]outcome{
			verdict.CheckSODSignature: impossible(verdict.SODSignatureFailed), verdict.CheckDSChain: impossible(verdict.NoAnchor),
			verdict.CheckDSToday: impossible(verdict.NoAnchor), verdict.CheckDSAtSigning: impossible(verdict.SigningTimeUnknown),
			verdict.CheckDSRevocation: impossible(verdict.CRLStale), verdict.CheckDG1Country: impossible(verdict.CountryMismatch)}},
		{name: "certificate not included, kept from the state's directory", sign: []string{"-nocerts"}, after: func(o *ossl, b *trust.Bundle, sod []byte) []byte {
			o.directory(b, "ut", o.der("ds"))
			if len(b.Signers) != 1 {
				o.t.Fatalf("%d signers kept", len(b.Signers))
			}
			return sod
		}, dev: []string{pa.DevSignerNotCarried}},
		{name: "certificate not included, another one kept", sign: []string{"-nocerts"}, before: func(o *ossl) {
			o.key("other")
			o.issue("csca", "other", "/C=UT/O=State/CN=DS 2", dsExt, clock.Add(-time.Hour), clock.Add(time.Hour))
		}, after: func(o *ossl, b *trust.Bundle, sod []byte) []byte {
			o.directory(b, "UT", o.der("other"))
			return sod
		}, change: map[verdict.CheckID]outcome{
			verdict.CheckSODSignature: impossible(verdict.SODSignatureFailed), verdict.CheckDSChain: impossible(verdict.NoAnchor),
			verdict.CheckDSToday: impossible(verdict.NoAnchor), verdict.CheckDSAtSigning: impossible(verdict.SigningTimeUnknown),
			verdict.CheckDSRevocation: impossible(verdict.CRLStale), verdict.CheckDG1Country: impossible(verdict.CountryMismatch)}},
		{name: "content type is data", sign: []string{"-econtent_type", "1.2.840.113549.1.7.1"}, change: sod(sodFails)},
		{name: "content type is that of a master list", sign: []string{"-econtent_type", "2.23.136.1.1.2"}, change: sod(sodFails)},
		{name: "DS without key usage", ext: dsMin, dev: []string{pa.DevDSKeyUsage}},
		{name: "DS may sign certificates only", ext: dsMin + "keyUsage=critical,keyCertSign\n", change: chain(chainFails)},
		{name: "DS may encrypt only", ext: dsMin + "keyUsage=critical,keyEncipherment\n", change: chain(chainFails)},
		{name: "DS may sign and not repudiate", ext: dsMin + "keyUsage=critical,digitalSignature,nonRepudiation\n"},
		{name: "DS is a CA", ext: dsExt + "basicConstraints=critical,CA:true\n", change: chain(chainFails)},
		{name: "DS is said to be no CA", ext: dsExt + "basicConstraints=CA:false\n"},
		{name: "DS is a master list signer", ext: dsExt + "extendedKeyUsage=critical,2.23.136.1.1.3\n", change: chain(chainFails)},
		{name: "DS with an unknown critical extension", ext: dsExt + "1.2.3.4.5=critical,ASN1:NULL\n", change: chain(chainFails)},
		{name: "DS with an unknown extension", ext: dsExt + "1.2.3.4.5=ASN1:NULL\n"},
		{name: "DS names another authority key", ext: "keyUsage=critical,digitalSignature\nsubjectKeyIdentifier=hash\n2.5.29.35=DER:30:16:80:14:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f:10:11:12:13:14\n",
			dev: []string{trust.DevAuthorityKey}},
		{name: "DS names no authority key", ext: "keyUsage=critical,digitalSignature\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=none\n", dev: []string{trust.DevNoAuthorityKey}},
		{name: "DS extension malformed", ext: dsExt + "2.5.29.16=DER:30:05:80:03:41:42:43\n", dev: []string{cms.DevExtension}},
		{name: "DS critical extension malformed", ext: dsExt + "2.5.29.37=critical,DER:04:03:41:42:43\n", change: chain(chainFails), dev: []string{cms.DevExtension}},
		{name: "DS country in small letters", subject: "/C=ut/O=State/CN=DS 1", dev: []string{pa.DevCountryCase}},
		{name: "DS without country", subject: "/O=State/CN=DS 1", change: map[verdict.CheckID]outcome{verdict.CheckDG1Country: impossible(verdict.CountryMismatch)}},
		{name: "DS of another country", subject: "/C=DE/O=State/CN=DS 1", change: map[verdict.CheckID]outcome{verdict.CheckDG1Country: fail(verdict.CountryMismatch)}},
		{name: "DS expired yesterday", to: -24 * time.Hour, change: map[verdict.CheckID]outcome{
			verdict.CheckDSToday: fail(verdict.DSExpired), verdict.CheckDSAtSigning: fail(verdict.DSExpired)}},
		{name: "DS valid from tomorrow", from: 24 * time.Hour, change: map[verdict.CheckID]outcome{
			verdict.CheckDSToday: fail(verdict.DSNotYetValid), verdict.CheckDSAtSigning: fail(verdict.DSNotYetValid)}},
		{name: "DS older than its CSCA", from: -4 * 365 * 24 * time.Hour, dev: []string{trust.DevDSBeforeCSCA}},
		{name: "private key used after its period", ext: dsExt + "2.5.29.16=DER:30:22:80:0f:32:30:32:30:30:31:30:31:30:30:30:30:30:30:5a:81:0f:32:30:32:30:30:34:30:31:30:30:30:30:30:30:5a\n",
			dev: []string{pa.DevKeyUsagePeriod}},
		{name: "DS revoked", after: func(o *ossl, b *trust.Bundle, sod []byte) []byte {
			o.run("ca", "-config", "csca.cnf", "-revoke", "ds.pem")
			b.CRLs[0].DER = o.crl("csca")
			return sod
		}, change: map[verdict.CheckID]outcome{verdict.CheckDSRevocation: fail(verdict.DSRevoked)}},
		{name: "another DS revoked", after: func(o *ossl, b *trust.Bundle, sod []byte) []byte {
			o.run("ca", "-config", "csca.cnf", "-revoke", "other.pem")
			b.CRLs[0].DER = o.crl("csca")
			return sod
		}, before: func(o *ossl) {
			o.key("other")
			o.issue("csca", "other", "/C=UT/O=State/CN=DS 2", dsExt, clock.Add(-time.Hour), clock.Add(time.Hour))
		}},
		{name: "the same serial revoked by another issuer", before: func(o *ossl) {
			o.key("alien")
			o.root("alien", "/C=UT/O=Alien/CN=CSCA", clock.Add(-time.Hour), clock.Add(time.Hour))
		}, after: func(o *ossl, b *trust.Bundle, sod []byte) []byte {
			o.run("ca", "-config", "alien.cnf", "-revoke", "ds.pem")
			if _, err := b.AddAnchor(o.der("alien"), "alien"); err != nil {
				o.t.Fatal(err)
			}
			b.CRLs = append(b.CRLs, trust.CRLEntry{Source: "alien", Fetched: clock, DER: o.crl("alien")})
			return sod
		}},
		{name: "list of changes only", after: func(o *ossl, b *trust.Bundle, sod []byte) []byte {
			o.write("csca.cnf", strings.Replace(string(o.read("csca.cnf")), "[crl]\n", "[crl]\n2.5.29.27=critical,DER:02:01:01\n", 1))
			b.CRLs[0].DER = o.crl("csca")
			return sod
		}, change: map[verdict.CheckID]outcome{verdict.CheckDSRevocation: impossible(verdict.CRLStale)}},
		{name: "list of revocations past its next update", after: func(o *ossl, b *trust.Bundle, sod []byte) []byte {
			o.run("ca", "-gencrl", "-config", "csca.cnf", "-crl_lastupdate", clock.Add(-50*time.Hour).Format(stamp), "-crl_nextupdate", clock.Add(-2*time.Hour).Format(stamp), "-out", "crl.pem")
			o.run("crl", "-in", "crl.pem", "-outform", "DER", "-out", "crl.der")
			b.CRLs[0].DER = o.read("crl.der")
			return sod
		}, change: map[verdict.CheckID]outcome{verdict.CheckDSRevocation: impossible(verdict.CRLStale)}},
		{name: "CSCA of another country", issuer: "abroad", before: func(o *ossl) {
			o.key("abroad")
			o.root("abroad", "/C=DE/O=State/CN=CSCA", clock.Add(-48*time.Hour), clock.Add(9*365*24*time.Hour))
		}, after: func(o *ossl, b *trust.Bundle, sod []byte) []byte {
			if _, err := b.AddAnchor(o.der("abroad"), "abroad"); err != nil {
				o.t.Fatal(err)
			}
			b.CRLs = append(b.CRLs, trust.CRLEntry{Source: "abroad", Fetched: clock, DER: o.crl("abroad")})
			return sod
		}, change: map[verdict.CheckID]outcome{verdict.CheckDG1Country: fail(verdict.CountryMismatch)}},
		{name: "list of revocations by another key of the same name", after: func(o *ossl, b *trust.Bundle, sod []byte) []byte {
			o.key("twin")
			o.root("twin", cscaDN, clock.Add(-time.Hour), clock.Add(time.Hour))
			b.CRLs[0].DER = o.crl("twin")
			return sod
		}, change: map[verdict.CheckID]outcome{verdict.CheckDSRevocation: impossible(verdict.CRLStale)}},
		{name: "issued by another key of the same name", issuer: "twin", before: func(o *ossl) {
			o.key("twin")
			o.root("twin", cscaDN, clock.Add(-time.Hour), clock.Add(time.Hour))
		}, change: chain(impossible(verdict.NoAnchor))},
		{name: "issued by another key that claims the key identifier", issuer: "twin", before: func(o *ossl) {
			o.key("twin")
			o.root("twin", cscaDN, clock.Add(-time.Hour), clock.Add(time.Hour))
			c, err := cms.ParseCertificate(o.der("csca"))
			if err != nil {
				o.t.Fatal(err)
			}
			o.write("claim.ext", "keyUsage=critical,digitalSignature\nsubjectKeyIdentifier=hash\n2.5.29.35=DER:"+hexColons(ber.Encode(ber.Sequence, ber.Encode(0x80, c.SKI)))+"\n")
		}, ext: "@claim.ext", change: chain(chainFails)},
		{name: "issued by a stranger", issuer: "alien", before: func(o *ossl) {
			o.key("alien")
			o.root("alien", "/C=UT/O=Alien/CN=CSCA", clock.Add(-time.Hour), clock.Add(time.Hour))
		}, change: map[verdict.CheckID]outcome{verdict.CheckDSChain: impossible(verdict.NoAnchor), verdict.CheckDSRevocation: impossible(verdict.CRLStale)}},
		{name: "issued by another DS", issuer: "mid", before: func(o *ossl) {
			o.key("mid")
			o.issue("csca", "mid", "/C=UT/O=State/CN=DS 0", dsExt, clock.Add(-time.Hour), clock.Add(time.Hour))
			o.ca("mid", "mid", "mid")
		}, sign: []string{"-certfile", "mid.pem"}, change: map[verdict.CheckID]outcome{verdict.CheckDSChain: impossible(verdict.NoAnchor), verdict.CheckDSRevocation: impossible(verdict.CRLStale)}},
		{name: "issued by a new CSCA, link at hand", issuer: "next", before: func(o *ossl) { nextCSCA(o, clock) }, after: func(o *ossl, b *trust.Bundle, sod []byte) []byte {
			if k, err := b.AddAnchor(o.der("link"), "link"); err != nil || k != trust.Link {
				o.t.Fatal(k, err)
			}
			return sod
		}, dev: []string{trust.DevLinkPath}},
		{name: "issued by a new CSCA whose link is revoked", issuer: "next", before: func(o *ossl) { nextCSCA(o, clock) }, after: func(o *ossl, b *trust.Bundle, sod []byte) []byte {
			if _, err := b.AddAnchor(o.der("link"), "link"); err != nil {
				o.t.Fatal(err)
			}
			o.run("ca", "-config", "csca.cnf", "-revoke", "link.pem")
			b.CRLs[0].DER = o.crl("csca")
			return sod
		}, change: map[verdict.CheckID]outcome{verdict.CheckDSRevocation: fail(verdict.DSRevoked)}, dev: []string{trust.DevLinkPath}},
		{name: "CSCA may not sign lists of revocations", issuer: "mute", before: func(o *ossl) {
			o.key("mute")
			o.rootWith("basicConstraints=critical,CA:true,pathlen:0\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\n", "mute", "/C=UT/O=State/CN=CSCA mute", clock.Add(-48*time.Hour), clock.Add(9*365*24*time.Hour))
		}, after: func(o *ossl, b *trust.Bundle, sod []byte) []byte {
			if _, err := b.AddAnchor(o.der("mute"), "mute"); err != nil {
				o.t.Fatal(err)
			}
			b.CRLs = append(b.CRLs, trust.CRLEntry{Source: "mute", Fetched: clock, DER: o.crl("mute")})
			return sod
		}, change: map[verdict.CheckID]outcome{verdict.CheckDSRevocation: impossible(verdict.CRLStale)}},
		{name: "two signers, the second false", after: func(o *ossl, _ *trust.Bundle, _ []byte) []byte {
			o.key("second")
			o.issue("csca", "second", "/C=UT/O=State/CN=DS 2", dsExt, clock.Add(-time.Hour), clock.Add(time.Hour))
			o.run("cms", "-resign", "-binary", "-nodetach", "-inform", "DER", "-in", "sod.der", "-outform", "DER", "-signer", "second.pem", "-inkey", "second.key", "-nosmimecap", "-out", "two.der")
			two := o.read("two.der")
			two[len(two)-1] ^= 1
			return lds.BuildSOD(two)
		}, change: sod(sodFails), dev: []string{cms.DevManySigners}},
		{name: "issued by a new CSCA, no link", issuer: "next", before: func(o *ossl) { nextCSCA(o, clock) }, change: chain(impossible(verdict.NoAnchor))},
		{name: "issued by a new CSCA, its own root at hand", issuer: "next", before: func(o *ossl) { nextCSCA(o, clock) }, after: func(o *ossl, b *trust.Bundle, sod []byte) []byte {
			if k, err := b.AddAnchor(o.der("next"), "root"); err != nil || k != trust.Root {
				o.t.Fatal(k, err)
			}
			return sod
		}},
		{name: "issued after the CSCA's end", issuer: "ended", before: func(o *ossl) {
			o.key("ended")
			o.root("ended", "/C=UT/O=State/CN=CSCA old", clock.Add(-3000*time.Hour), clock.Add(-2000*time.Hour))
		}, after: func(o *ossl, b *trust.Bundle, sod []byte) []byte {
			if _, err := b.AddAnchor(o.der("ended"), "old"); err != nil {
				o.t.Fatal(err)
			}
			return sod
		}, change: map[verdict.CheckID]outcome{verdict.CheckDSChain: chainFails, verdict.CheckDSRevocation: impossible(verdict.CRLStale)}},
		{name: "CSCA expired since", issuer: "ended", from: -2500 * time.Hour, before: func(o *ossl) {
			o.key("ended")
			o.root("ended", "/C=UT/O=State/CN=CSCA old", clock.Add(-3000*time.Hour), clock.Add(-time.Hour))
		}, after: func(o *ossl, b *trust.Bundle, sod []byte) []byte {
			if _, err := b.AddAnchor(o.der("ended"), "old"); err != nil {
				o.t.Fatal(err)
			}
			b.CRLs = append(b.CRLs, trust.CRLEntry{Source: "old", Fetched: clock, DER: o.crl("ended")})
			return sod
		}, dev: []string{trust.DevCSCAExpired}},
		{name: "two signers", after: func(o *ossl, _ *trust.Bundle, _ []byte) []byte {
			o.key("second")
			o.issue("csca", "second", "/C=UT/O=State/CN=DS 2", dsExt, clock.Add(-time.Hour), clock.Add(time.Hour))
			o.run("cms", "-resign", "-binary", "-nodetach", "-inform", "DER", "-in", "sod.der", "-outform", "DER", "-signer", "second.pem", "-inkey", "second.key", "-nosmimecap", "-out", "two.der")
			return lds.BuildSOD(o.read("two.der"))
		}, dev: []string{cms.DevManySigners}},
		{name: "hash of DG1 over other bytes", object: func(x *lds.SecurityObject) []byte {
			x.Groups[1] = bytes.Repeat([]byte{7}, 32)
			return encoded(x)
		}, change: map[verdict.CheckID]outcome{verdict.CheckDGHashes: fail(verdict.DGHashMismatch)}},
		{name: "groups hashed by SHA-512", object: func(x *lds.SecurityObject) []byte { return rehash(p, x, crypto.SHA512) }},
		{name: "groups hashed by SHA-1", object: func(x *lds.SecurityObject) []byte { return rehash(p, x, crypto.SHA1) }, dev: []string{cms.DevSHA1}},
		{name: "version 1 with LDS version", object: func(x *lds.SecurityObject) []byte {
			x.Version, x.LDSVersion, x.UnicodeVersion = 1, "0108", "040000"
			return encoded(x)
		}},
		{name: "one group twice", object: func(x *lds.SecurityObject) []byte {
			b := encoded(x)
			e, _, _ := ber.Parse(b)
			k, _ := e.Children()
			l, _ := k[2].Children()
			return ber.Encode(ber.Sequence, k[0].Raw, k[1].Raw, ber.Encode(ber.Sequence, bytes.Clone(k[2].Content), l[0].Raw))
		}, change: map[verdict.CheckID]outcome{verdict.CheckSODSignature: sodFails, verdict.CheckGroups: impossible(verdict.GroupInconsistent), verdict.CheckDGHashes: impossible(verdict.DGHashMismatch)}},
		{name: "signature replaced by another document's", after: func(o *ossl, _ *trust.Bundle, sod []byte) []byte {
			o.write("x.bin", "another content")
			o.run("cms", "-sign", "-binary", "-nodetach", "-in", "x.bin", "-econtent_type", "2.23.136.1.1.1", "-outform", "DER", "-signer", "ds.pem", "-inkey", "ds.key", "-nosmimecap", "-out", "x.der")
			mine, err := cms.Parse(sod[4:])
			if err != nil {
				o.t.Fatal(err)
			}
			other, err := cms.Parse(o.read("x.der"))
			if err != nil {
				o.t.Fatal(err)
			}
			return splice(sod, mine.Signers[0].Signature, other.Signers[0].Signature)
		}, change: sod(sodFails)},
	}
	for i, r := range rows {
		if testing.Short() && i%5 != 0 {
			continue // another program makes keys and files: nothing of it is for the race detector
		}
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			o := newOSSL(t)
			o.key("csca")
			o.root("csca", cscaDN, clock.Add(-3*365*24*time.Hour), clock.Add(10*365*24*time.Hour))
			if r.before != nil {
				r.before(o)
			}
			if r.issuer == "" {
				r.issuer = "csca"
			}
			if r.subject == "" {
				r.subject = dsDN
			}
			switch {
			case r.ext == "":
				r.ext = dsExt
			case r.ext[0] == '@':
				r.ext = string(o.read(r.ext[1:]))
			}
			if r.from == 0 {
				r.from = -24 * time.Hour
				if r.to != 0 {
					r.from = r.to - 24*time.Hour
				}
			}
			if r.to == 0 {
				r.to = 5 * 365 * 24 * time.Hour
			}
			o.key("ds", r.dsKey...)
			o.issue(r.issuer, "ds", r.subject, r.ext, clock.Add(r.from), clock.Add(r.to))
			x := &lds.SecurityObject{Hash: crypto.SHA256, Groups: map[int][]byte{}}
			content := rehash(p, x, crypto.SHA256)
			if r.object != nil {
				content = r.object(x)
			}
			o.write("object.bin", string(content))
			args := []string{"cms", "-sign", "-binary", "-nodetach", "-in", "object.bin", "-outform", "DER", "-signer", "ds.pem", "-inkey", "ds.key", "-nosmimecap", "-out", "sod.der"}
			if !strings.Contains(strings.Join(r.sign, " "), "econtent_type") {
				args = append(args, "-econtent_type", "2.23.136.1.1.1")
			}
			o.run(append(args, r.sign...)...)
			b := &trust.Bundle{Type: trust.BundleType, Site: "test", Version: 1, Created: clock, Expires: clock.Add(time.Hour)}
			if k, err := b.AddAnchor(o.der("csca"), "openssl"); err != nil || k != trust.Root {
				t.Fatal(k, err)
			}
			if err := b.AddCRL(o.crl("csca"), "openssl", clock); err != nil {
				t.Fatal(err)
			}
			file := lds.BuildSOD(o.read("sod.der"))
			if r.after != nil {
				file = r.after(o, b, file)
			}
			s, err := b.Store()
			if err != nil {
				t.Fatal(err)
			}
			got := pa.Verify(pa.Input{SOD: file, DGs: maps.Clone(p.Groups()), MRZ: p.MRZ(), Trust: s, Now: time.Now(), Policy: r.policy})
			for _, c := range got.Checks {
				want, ok := r.change[c.ID]
				if !ok {
					want = outcome{verdict.Pass, verdict.OK}
				}
				if c.Result != want.Result || c.Reason != want.Reason {
					t.Errorf("%v: %v %v, want %v %v", c.ID, c.Result, c.Reason, want.Result, want.Reason)
				}
			}
			if fmt.Sprint(got.Deviations) != fmt.Sprint(cms.MergeDeviations(r.dev)) {
				t.Errorf("deviations %v, want %v", got.Deviations, r.dev)
			}
		})
	}
	t.Logf("%d families", len(rows))
}

// nextCSCA makes a new key under the same name, its self-signed certificate, and its link by the old key.
func nextCSCA(o *ossl, clock time.Time) {
	o.t.Helper()
	o.key("next", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
	o.root("next", cscaDN, clock.Add(-48*time.Hour), clock.Add(9*365*24*time.Hour))
	o.csr("next", cscaDN)
	o.write("link.ext", caExt+"authorityKeyIdentifier=keyid:always\n")
	o.run("ca", "-batch", "-config", "csca.cnf", "-in", "next.csr", "-extfile", "link.ext", "-notext", "-startdate", clock.Add(-48*time.Hour).Format(stamp),
		"-enddate", clock.Add(9*365*24*time.Hour).Format(stamp), "-out", "link.pem")
}

func encoded(x *lds.SecurityObject) []byte {
	b, err := x.Encode()
	if err != nil {
		panic(err)
	}
	return b
}

func rehash(p *issue.Passport, x *lds.SecurityObject, h crypto.Hash) []byte {
	x.Hash = h
	for n, g := range p.Groups() {
		w := h.New()
		w.Write(g)
		x.Groups[n] = w.Sum(nil)
	}
	return encoded(x)
}

func hexColons(b []byte) string {
	var s []string
	for _, c := range b {
		s = append(s, fmt.Sprintf("%02x", c))
	}
	return strings.Join(s, ":")
}

// C-07: master lists by OpenSSL as a state: what their signer and everybody above it must be.
func TestC07OpenSSLMasterLists(t *testing.T) {
	newOSSL(t)
	clock := time.Now().UTC().Truncate(time.Second)
	const mlExt = "keyUsage=critical,digitalSignature\nextendedKeyUsage=critical,2.23.136.1.1.3\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid:always\n"
	for name, x := range map[string]struct {
		ext      string
		from, to time.Duration
		by       string
		mid      string // extensions of a certificate between
		sign     []string
		root     string // extensions of the root
		ok       bool
	}{
		"genuine":                                  {ok: true},
		"signer by key identifier":                 {sign: []string{"-keyid"}, ok: true},
		"without signing time":                     {sign: []string{"-noattr"}, ok: true},
		"signer without the usage":                 {ext: dsExt},
		"signer of deviation lists":                {ext: strings.Replace(mlExt, "136.1.1.3", "136.1.1.8", 1)},
		"signed after the signer's end":            {from: -50 * time.Hour, to: -time.Hour},
		"signed before its beginning":              {from: time.Hour, to: 50 * time.Hour},
		"unknown critical extension":               {ext: mlExt + "1.2.3.4.5=critical,ASN1:NULL\n"},
		"below a certificate that is none of a CA": {by: "mid", mid: dsExt},
		"root without the CA flag":                 {root: "keyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"},
		"root that may not certify":                {root: "basicConstraints=critical,CA:true\nkeyUsage=critical,cRLSign\nsubjectKeyIdentifier=hash\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOSSL(t)
			o.key("csca")
			if x.root == "" {
				x.root = caExt
			}
			o.rootWith(x.root, "csca", cscaDN, clock.Add(-3*365*24*time.Hour), clock.Add(10*365*24*time.Hour))
			if x.by == "" {
				x.by = "csca"
			} else {
				o.key(x.by)
				o.issue("csca", x.by, "/C=UT/O=State/CN=between", x.mid, clock.Add(-60*time.Hour), clock.Add(60*time.Hour))
				o.ca(x.by, x.by, x.by)
				x.sign = append(x.sign, "-certfile", x.by+".pem")
			}
			if x.ext == "" {
				x.ext = mlExt
			}
			if x.from == 0 {
				x.from, x.to = -24*time.Hour, 24*time.Hour
			}
			o.key("ml")
			o.issue(x.by, "ml", "/C=UT/O=State/CN=Master List Signer", x.ext, clock.Add(x.from), clock.Add(x.to))
			o.write("list.bin", string(ber.Encode(ber.Sequence, ber.EncodeInt(0), ber.EncodeSet(o.der("csca")))))
			o.run(append([]string{"cms", "-sign", "-binary", "-nodetach", "-in", "list.bin", "-outform", "DER", "-signer", "ml.pem", "-inkey", "ml.key", "-nosmimecap",
				"-econtent_type", "2.23.136.1.1.2", "-out", "list.der"}, x.sign...)...)
			root, err := cms.ParseCertificate(o.der("csca"))
			if err != nil {
				t.Fatal(err)
			}
			m, err := trust.ParseMasterList(o.read("list.der"), root)
			if x.ok && (err != nil || len(m.Certificates) != 1) || !x.ok && !errors.Is(err, trust.ErrMasterList) {
				t.Errorf("%v", err)
			}
		})
	}
}
