package trust_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"egate/emrtd/cms"
	"egate/emrtd/trust"
)

// fold breaks a line after 76 characters as RFC 2849 does.
func fold(s string) string {
	var b strings.Builder
	for len(s) > 76 {
		b.WriteString(s[:76] + "\r\n ")
		s = s[76:]
	}
	return b.String() + s + "\r\n"
}

// C-07: an export of the ICAO PKD.
func TestC07LDIF(t *testing.T) {
	a := authority(t, "UTO")
	crl, err := a.CRL(now)
	if err != nil {
		t.Fatal(err)
	}
	ml, err := a.MasterList([][]byte{a.CSCA()}, now)
	if err != nil {
		t.Fatal(err)
	}
	value := func(name string, b []byte) string { return fold(name + ":: " + base64.StdEncoding.EncodeToString(b)) }
	text := "version: 1\r\n\r\ndn: o=crl,c=UT\r\nobjectClass: cRLDistributionPoint\r\n" + value("certificateRevocationList;binary", crl) +
		"\r\ndn: cn=1,o=ml,c=UT\r\n" + value("pkdMasterListContent", ml) + "\r\ndn: sn=2,o=dsc,c=UT\r\n" + value("userCertificate;binary", a.DS()) +
		value("cACertificate;binary", a.CSCA()) + value("jpegPhoto", []byte{1})
	l, err := trust.ParseLDIF([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(l.CRLs) != 1 || len(l.MasterLists) != 1 || len(l.Certificates) != 1 || len(l.CSCAs) != 1 || l.Ignored != 1 || string(l.CRLs[0]) != string(crl) {
		t.Errorf("%d %d %d %d %d", len(l.CRLs), len(l.MasterLists), len(l.Certificates), len(l.CSCAs), l.Ignored)
	}
	root := must(cms.ParseCertificate(a.CSCA()))
	// Document signers are kept of named countries only, and only where they chain to an anchor.
	for _, x := range []struct {
		of                      string
		vouched                 bool
		taken, left, refusedToo int
	}{{"ut", true, 1, 0, 0}, {"UT", false, 0, 0, 1}, {"DE", true, 0, 1, 0}} {
		b := &trust.Bundle{Type: trust.BundleType, Site: "x", Version: 1, Created: now, Expires: now.Add(time.Hour)}
		if x.vouched {
			must(b.AddAnchor(a.CSCA(), "by hand"))
		}
		i := trust.Importer{Bundle: b, SignersOf: []string{x.of}, Now: now}
		only := []byte("dn: o=dsc\n" + value("userCertificate;binary", a.DS()))
		for round := range 2 { // a second export changes nothing
			got, err := i.Add("pkd", only, now)
			if err != nil || i.Finish() != nil {
				t.Fatal(err)
			}
			if round == 1 {
				x.taken = 0
			}
			if got.Signers != x.taken || got.Left != x.left || got.Refused != x.refusedToo {
				t.Errorf("%s, vouched %v: %+v", x.of, x.vouched, got)
			}
		}
	}
	for _, vouched := range []bool{false, true} {
		// Without a pinned root the master list of the export is refused, and nothing verifies the CRL.
		b := &trust.Bundle{Type: trust.BundleType, Site: "x", Version: 1, Created: now, Expires: now.Add(time.Hour)}
		i := trust.Importer{Bundle: b, TrustCSCAs: vouched, Now: now}
		got, err := i.Add("pkd", []byte(text), now)
		if err != nil || i.Finish() != nil {
			t.Fatal(err)
		}
		if n := len(b.Anchors); (n == 1) != vouched || got.CRLs != n || len(b.CRLs) != n || got.Refused != 2-n || got.Left != 2-n {
			t.Errorf("vouched %v: %+v, %d anchors", vouched, got, n)
		}
	}
	b := &trust.Bundle{Type: trust.BundleType, Site: "x", Version: 1, Created: now, Expires: now.Add(time.Hour)}
	for range 2 {
		i := trust.Importer{Bundle: b, Roots: []*cms.Certificate{root}, Now: now}
		got, err := i.Add("pkd", []byte(text), now)
		if err != nil || i.Finish() != nil || got.Refused != 0 || len(b.Anchors) != 1 || len(b.CRLs) != 1 {
			t.Errorf("%+v, %d anchors, %d lists: %v", got, len(b.Anchors), len(b.CRLs), err)
		}
	}
	if _, err := trust.ParseLDIF([]byte("cACertificate:: %%%\n")); !errors.Is(err, trust.ErrFormat) {
		t.Error(err)
	}
}

func TestDiff(t *testing.T) {
	a, x := bundle(t, authority(t, "UTO")), bundle(t, authority(t, "D"))
	d := trust.Diff(a, x)
	if len(d) != 4 {
		t.Errorf("%+v", d)
	}
	if d := trust.Diff(a, a); len(d) != 0 {
		t.Errorf("%+v", d)
	}
	if d := trust.Diff(nil, a); len(d) != 2 || !d[0].Added || !strings.Contains(fmt.Sprint(d), "SIMULATION CSCA UTO") {
		t.Errorf("%+v", d)
	}
}

func FuzzC10LDIF(f *testing.F) {
	f.Add([]byte("dn: c=UT\nuserCertificate;binary:: MIIB\n AAAA\n"))
	f.Add([]byte(" a\n::\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if l, err := trust.ParseLDIF(b); err == nil {
			if len(l.Certificates)+len(l.CSCAs)+len(l.CRLs)+len(l.MasterLists) > trust.MaxLDIFEntries {
				t.Error("too many")
			}
		}
	})
}
