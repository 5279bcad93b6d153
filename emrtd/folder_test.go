package emrtd

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"egate/emrtd/ber"
	"egate/emrtd/chip"
	"egate/emrtd/issue"
	"egate/emrtd/lds"
	"egate/emrtd/mrz"
	"egate/hal"
	"egate/verdict"
)

// album is a folder of files and keys, made by OpenSSL where a key is concerned.
type album struct {
	t   *testing.T
	dir string
}

func (a album) openssl(args ...string) {
	a.t.Helper()
	cmd := exec.Command("openssl", args...)
	cmd.Dir = a.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		a.t.Fatalf("openssl %v: %v\n%s", args, err, out)
	}
}

// pair makes a private key NAME as PKCS #8 and returns its SubjectPublicKeyInfo.
func (a album) pair(name string, gen ...string) []byte {
	a.t.Helper()
	a.openssl(append([]string{"genpkey", "-outform", "DER", "-out", name}, gen...)...)
	a.openssl("pkey", "-inform", "DER", "-in", name, "-pubout", "-outform", "DER", "-out", "spki")
	b, err := os.ReadFile(filepath.Join(a.dir, "spki"))
	if err != nil {
		a.t.Fatal(err)
	}
	return b
}

func (a album) write(name string, b []byte) {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, name), b, 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// Zones of Doc 9303-5 and -6, for issuers of their own: a number that goes on in the optional field, and an
// ordinary one.
var (
	zoneTD3 = []string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F3504152ZE184226B<<<<<16"}
	zoneTD1 = []string{"I<UTOD23145890<7349<<<<<<<<<<<", "3407127M3507120UTO<<<<<<<<<<<4", "STEVENSON<<PETER<JOHN<<<<<<<<<"}
	zoneTD2 = []string{"I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F3504152<<<<<<<2"}
)

// C-01, C-03: a chip is played from a folder of files and private keys as OpenSSL writes them, and read: three
// sizes of document, prime groups, curves in every spelling, mapping with authentication, both face standards.
func TestC03Folder(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("SKIP: openssl is not installed: nothing was proven here")
	}
	ec := func(curve, enc string) []string {
		return []string{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:" + curve, "-pkeyopt", "ec_param_enc:" + enc}
	}
	ca := func(a album, suite int, gen ...string) [][]byte {
		pk, oid := lds.OIDPKECDH, lds.OIDCAECDH
		if gen[1] == "DHX" {
			pk, oid = lds.OIDPKDH, lds.OIDCADH
		}
		return [][]byte{ber.Encode(ber.Sequence, ber.EncodeOID(pk), a.pair("DG14_sk.pkcs8", gen...)),
			ber.Encode(ber.Sequence, ber.EncodeOID(oid+"."+string(rune('0'+suite))), ber.EncodeInt(1))}
	}
	aaInfo := func(n byte) [][]byte {
		return [][]byte{ber.Encode(ber.Sequence, ber.EncodeOID(lds.OIDAA), ber.EncodeInt(1), ber.EncodeOID("0.4.0.127.0.7.1.1.4.1."+string('0'+n)))}
	}
	paceInfo := func(oid string, param int64) []byte {
		return ber.Encode(ber.Sequence, ber.EncodeOID(oid), ber.EncodeInt(2), ber.EncodeInt(param))
	}
	for name, x := range map[string]struct {
		zone  []string
		infos func(album) [][]byte
		aa    []string
		pace  []byte
		clone string
		face  string
	}{
		"td3, ca brainpoolP384r1 explicit": {zone: zoneTD3, infos: func(a album) [][]byte { return ca(a, 3, ec("brainpoolP384r1", "explicit")...) }, clone: "ca"},
		"td1, long number, ca P-521":       {zone: zoneTD1, infos: func(a album) [][]byte { return ca(a, 4, ec("P-521", "named_curve")...) }, clone: "ca", face: "39794-5"},
		"td2, ca dh with 3DES":             {zone: zoneTD2, infos: func(a album) [][]byte { return ca(a, 1, "-algorithm", "DHX", "-pkeyopt", "dh_rfc5114:3") }, clone: "ca"},
		"td1, aa brainpoolP512r1 sha512":   {zone: zoneTD1, infos: func(album) [][]byte { return aaInfo(5) }, aa: ec("brainpoolP512r1", "explicit"), clone: "aa"},
		"td3, aa P-384 sha384":             {zone: zoneTD3, infos: func(album) [][]byte { return aaInfo(4) }, aa: ec("P-384", "named_curve"), clone: "aa", face: "39794-5"},
		"td3, aa rsa":                      {zone: zoneTD3, aa: []string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1280"}, clone: "aa"},
		"td2, pace cam":                    {zone: zoneTD2, pace: paceInfo("0.4.0.127.0.7.2.2.4.6.4", 13), clone: "cam"},
		"td1, pace im":                     {zone: zoneTD1, pace: paceInfo("0.4.0.127.0.7.2.2.4.4.3", 11), aa: ec("P-256", "named_curve"), infos: func(album) [][]byte { return aaInfo(3) }, clone: "aa"},
	} {
		t.Run(name, func(t *testing.T) {
			a := album{t, t.TempDir()}
			var lines [][]byte
			for _, l := range x.zone {
				lines = append(lines, []byte(l))
			}
			doc, err := mrz.ParseStrict(lines, now)
			if err != nil {
				t.Fatal(err)
			}
			img := append([]byte{0xFF, 0xD8, 0xFF, 0xE0}, bytes.Repeat([]byte{7}, 3000)...)
			g := map[int][]byte{1: lds.BuildDG1(doc.Joined()), 2: lds.BuildDG2(img, 30, 40)}
			if x.face == "39794-5" {
				g[2] = lds.BuildDG2As39794(img)
			}
			var infos [][]byte
			if x.infos != nil {
				infos = x.infos(a)
			}
			if x.pace != nil {
				infos = append(infos, x.pace)
				a.write("EF_CardAccess.bin", ber.Encode(ber.Set, x.pace))
				if x.clone == "cam" {
					a.mapping(x.pace)
				}
			}
			if x.aa != nil {
				g[15] = lds.BuildDG15(a.pair("DG15_sk.pkcs8", x.aa...))
			}
			if infos != nil {
				g[14] = lds.BuildDG14(infos...)
			}
			sod, err := authority().SignSOD(g, now.Add(-time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			a.write("EF_SOD.bin", sod)
			for n, b := range g {
				a.write("DG"+strings.TrimPrefix(fileName(lds.FID(n), false), "DG")+".bin", b)
			}
			p, err := issue.LoadFolder(a.dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range []string{"", "clone"} {
				var list []string
				if m != "" {
					list = []string{m}
				}
				c, err := chip.NewChecked(p, chip.Options{Misbehave: list})
				if err != nil {
					t.Fatal(err)
				}
				on := &chip.Reader{Chip: c}
				opt := Options{Now: now, Trust: anchors(t, authority()), AllowBAC: true,
					Reconnect: func(ctx context.Context) (hal.Card, error) { return on.Connect(ctx) }}
				card, err := on.Connect(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				r, err := Read(context.Background(), card, doc, opt)
				if err != nil || !r.Authenticated {
					t.Fatalf("%s: %v", m, err)
				}
				want := verdict.Check{Result: verdict.Pass, Reason: verdict.OK}
				if m != "" {
					want = fail(verdict.CloneSuspected)
				}
				got := r.Check(verdict.CheckClone)
				if got.Result != want.Result || got.Reason != want.Reason || m == "" && r.Clone != x.clone {
					t.Errorf("%s: clone check %s %s by %q", m, got.Result, got.Reason, r.Clone)
				}
				std := x.face
				if std == "" {
					std = "19794-5"
				}
				if !bytes.Equal(r.Face.Image, img) || r.Face.Standard != std || r.DG1.Number != doc.Number || r.DG1.Format != doc.Format {
					t.Errorf("%s: another document was read", m)
				}
				for _, ch := range r.Checks {
					if ch.ID != verdict.CheckClone && ch.Result != verdict.Pass {
						t.Errorf("%s: %s %s %s", m, ch.ID, ch.Result, ch.Reason)
					}
				}
			}
		})
	}
}

// mapping makes EF.CardSecurity for chip authentication mapping with a key of its own.
func (a album) mapping(info []byte) {
	a.t.Helper()
	spki := a.pair("CardSecurity_sk.pkcs8", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1", "-pkeyopt", "ec_param_enc:explicit")
	b, err := authority().CardSecurity(ber.EncodeSet(info, ber.Encode(ber.Sequence, ber.EncodeOID(lds.OIDPKECDH), spki)), now.Add(-time.Hour))
	if err != nil {
		a.t.Fatal(err)
	}
	a.write("EF_CardSecurity.bin", b)
}

// Keys that do not belong to the files are refused, and so is what is no key.
func TestFolderRefusesForeignKeys(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("SKIP: openssl is not installed: nothing was proven here")
	}
	p := passport(t, func(p *issue.Profile) { p.ActiveAuth = "ecdsa" })
	for _, name := range []string{"DG14_sk.pkcs8", "DG15_sk.pkcs8", "CardSecurity_sk.pkcs8"} {
		a := album{t, t.TempDir()}
		for n, g := range p.Groups() {
			a.write(strings.ToLower(fileName(lds.FID(n), false))+".bin", g)
		}
		if name == "CardSecurity_sk.pkcs8" {
			a.mapping(ber.Encode(ber.Sequence, ber.EncodeOID("0.4.0.127.0.7.2.2.4.6.4"), ber.EncodeInt(2), ber.EncodeInt(13)))
		}
		a.pair(name, "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
		if _, err := issue.LoadFolder(a.dir); !errors.Is(err, issue.ErrProfile) {
			t.Errorf("%s of another chip: %v", name, err)
		}
		junk := make([]byte, 40)
		rand.Read(junk)
		a.write(name, junk)
		if _, err := issue.LoadFolder(a.dir); err == nil {
			t.Errorf("%s of noise accepted", name)
		}
	}
}
