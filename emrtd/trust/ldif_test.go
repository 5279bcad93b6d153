package trust_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

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
	for _, vouched := range []bool{false, true} {
		var b trust.Bundle
		refused, err := b.ImportLDIF(l, "pkd", now, vouched)
		if err != nil || refused != 0 || len(b.CRLs) != 1 || (len(b.Anchors) == 1) != vouched {
			t.Errorf("%d %d %d %v", refused, len(b.CRLs), len(b.Anchors), err)
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
			var x trust.Bundle
			_, _ = x.ImportLDIF(l, "fuzz", now, true)
		}
	})
}
