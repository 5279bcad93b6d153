package lds

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"
)

// vectors finds the folder of shared test vectors beside the project.
func vectors(t testing.TB, name ...string) []byte {
	t.Helper()
	b, ok := vectorFile(t, name...)
	if !ok {
		t.Skip("SKIP: test vectors not present")
	}
	return b
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

const bsi = "bsi-tr03105-5"

func sum(b []byte) string { h := sha256.Sum256(b); return hex.EncodeToString(h[:]) }

func TestReferenceCOMAndDG1(t *testing.T) {
	c, err := ParseCOM(vectors(t, bsi, "EF_COM.bin"))
	if err != nil {
		t.Fatal(err)
	}
	if c.LDSVersion != "0107" || c.UnicodeVersion != "040000" || len(c.Groups) != 5 || c.Groups[4] != 14 {
		t.Errorf("%+v", c)
	}
	if got := BuildCOM(c); !bytes.Equal(got, vectors(t, bsi, "EF_COM.bin")) {
		t.Errorf("rebuilt % X", got)
	}
	m, err := ParseDG1(vectors(t, bsi, "Datagroup1.bin"))
	if err != nil {
		t.Fatal(err)
	}
	if string(Lines(m)[1]) != "C11T002JM4D<<9608122F2310314<<<<<<<<<<<<<<<4" {
		t.Errorf("%q", Lines(m)[1])
	}
	if !bytes.Equal(BuildDG1(m), vectors(t, bsi, "Datagroup1.bin")) {
		t.Error("rebuilt DG1 differs")
	}
}

func TestReferenceFaces(t *testing.T) {
	f, err := ParseDG2(vectors(t, bsi, "Datagroup2.bin"))
	if err != nil {
		t.Fatal(err)
	}
	if len(f) != 1 || f[0].Format != ImageJP2 || len(f[0].Image) != 14999 || f[0].Standard != "19794-5" {
		t.Errorf("%d faces, %v", len(f), f[0].Format)
	}
	rec := vectors(t, "iso19794-5", "face-valid.bin")
	f, err = ParseFace19794(rec)
	if err != nil {
		t.Fatal(err)
	}
	if len(f) != 1 || sum(f[0].Image) != "c3d7ff842113242bdd0fdec7daf9bd8cddda4c64116da27a8cedc08617feaecf" ||
		f[0].Format != ImageJPEG || f[0].Width != 148 || f[0].Height != 70 || len(f[0].Remarks) != 1 {
		t.Errorf("%+v", f[0].Remarks)
	}
	if _, err := ParseFace19794(rec[:len(rec)-1]); !errors.Is(err, ErrFormat) {
		t.Errorf("cut by one byte: %v", err)
	}
	for _, at := range []int{9, 15} { // record length, length of the face data
		bad := bytes.Clone(rec)
		bad[at]++
		if _, err := ParseFace19794(bad); !errors.Is(err, ErrFormat) {
			t.Errorf("length at %d: %v", at, err)
		}
	}
	f, err = ParseFace39794(vectors(t, "iso39794-5", "mandatory-fields.bin"))
	if err != nil {
		t.Fatal(err)
	}
	if len(f) != 1 || f[0].Format != ImageJP2 || sum(f[0].Image) != "53e1cbbf9194c2aba069ff7db606201e61d6a6d45213fb763cde2a169eb54bb6" {
		t.Errorf("%d faces, %v", len(f), f[0].Format)
	}
	// As DG2 carries it: 7F2E in place of 5F2E.
	dg2 := wrap39794(vectors(t, "iso39794-5", "mandatory-fields.bin"))
	if f, err = ParseDG2(dg2); err != nil || f[0].Standard != "39794-5" {
		t.Errorf("39794-5 in DG2: %v", err)
	}
}

func TestReferenceSecurityInfos(t *testing.T) {
	infos, err := ParseDG14(vectors(t, bsi, "Datagroup14.bin"))
	if err != nil {
		t.Fatal(err)
	}
	var oids []string
	for _, i := range infos {
		oids = append(oids, i.OID)
	}
	for _, want := range []string{OIDPKECDH, OIDCAECDH + ".1", OIDTA} {
		found := false
		for _, o := range oids {
			found = found || o == want
		}
		if !found {
			t.Errorf("%s not in %v", want, oids)
		}
	}
	spki, err := ParseDG15(vectors(t, bsi, "Datagroup15.bin"))
	if err != nil || !bytes.Equal(spki, vectors(t, bsi, "DG15_pk.bin")) {
		t.Errorf("DG15: %v", err)
	}
}

// C-10: announced sizes and counts beyond what is issued are refused, not served.
func TestC10Limits(t *testing.T) {
	huge := []byte{0x75, 0x84, 0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0x61}
	if _, err := ParseDG2(huge); err == nil {
		t.Error("2 GB DG2 accepted")
	}
	if _, err := ParseDG2(make([]byte, MaxDG2+1)); !errors.Is(err, ErrLimit) {
		t.Errorf("DG2 beyond the limit: %v", err)
	}
	rec := append([]byte("FAC\x00010\x00"), 0, 0, 0, 60, 0xff, 0xff)
	if _, err := ParseFace19794(append(rec, make([]byte, 46)...)); !errors.Is(err, ErrLimit) {
		t.Errorf("65535 faces: %v", err)
	}
	if _, err := ParseCOM([]byte{0x60, 3, 0x5C, 1, 0x99}); !errors.Is(err, ErrFormat) {
		t.Errorf("unknown tag in EF.COM: %v", err)
	}
}

func wrap39794(block []byte) []byte {
	e := func(tag uint16, parts ...[]byte) []byte { return encode(tag, parts...) }
	return e(0x75, e(0x7F61, e(0x02, []byte{1}), e(0x7F60, e(0xA1, e(0x87, []byte{1, 1})), e(0x7F2E, block))))
}

// What is built reads back.
func TestBuildFace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		img := append([]byte{0xFF, 0xD8, 0xFF}, rapid.SliceOfN(rapid.Byte(), 1, 70000).Draw(t, "image")...)
		w, h := rapid.IntRange(0, 65535).Draw(t, "w"), rapid.IntRange(0, 65535).Draw(t, "h")
		f, err := ParseDG2(BuildDG2(img, w, h))
		if err != nil {
			t.Fatal(err)
		}
		if len(f) != 1 || !bytes.Equal(f[0].Image, img) || f[0].Width != w || f[0].Height != h || f[0].Remarks != nil {
			t.Errorf("%+v", f[0].Remarks)
		}
	})
}

func TestDetails(t *testing.T) {
	b, err := BuildDetails(11, []uint16{0x5F0E, 0x5F2B}, []string{"MUSTER<<ANNA", "19900203"})
	if err != nil {
		t.Fatal(err)
	}
	d, err := ParseDG11(b)
	if err != nil || d[0x5F2B][0] != "19900203" || d[0x5F0E][0] != "MUSTER<<ANNA" {
		t.Errorf("%v %v", d, err)
	}
	if _, err := ParseDG12(b); err == nil {
		t.Error("DG11 taken for DG12")
	}
}

func seeds(f *testing.F) {
	for _, n := range []string{"EF_COM.bin", "EF_SOD.bin", "Datagroup1.bin", "Datagroup2.bin", "Datagroup14.bin", "Datagroup15.bin"} {
		if b, ok := vectorFile(f, bsi, n); ok {
			f.Add(b)
		}
	}
	for _, n := range [][]string{{"iso19794-5", "face-valid.bin"}, {"iso39794-5", "mandatory-fields.bin"}} {
		if b, ok := vectorFile(f, n...); ok {
			f.Add(b)
			f.Add(wrap39794(b))
		}
	}
	f.Add(BuildDG2([]byte{0xFF, 0xD8, 0xFF, 0xE0, 1}, 4, 5))
	f.Add([]byte{0x75, 0x84, 0x7F, 0xFF, 0xFF, 0xFF})
}

// C-10: no file, however broken, makes a parser fail otherwise than by an error.
func FuzzC10Files(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := ParseCOM(b); err == nil && len(c.Groups) > MaxGroups {
			t.Error("groups")
		}
		if m, err := ParseDG1(b); err == nil && len(Lines(m)) == 0 {
			t.Error("lines")
		}
		faces := func(l []Face, err error) {
			if err == nil && (len(l) == 0 || len(l) > MaxFaces) {
				t.Error("faces")
			}
		}
		faces(ParseDG2(b))
		faces(ParseFace19794(b))
		faces(ParseFace39794(b))
		_, _ = ParseDG11(b)
		_, _ = ParseDG12(b)
		_, _ = ParseDG14(b)
		_, _ = ParseDG15(b)
		_, _ = ParseSecurityInfos(b)
		if in, err := ParseSOD(b); err == nil {
			_, _ = ParseSecurityObject(in)
		}
		if o, err := ParseSecurityObject(b); err == nil {
			if _, err := o.Encode(); err != nil {
				t.Error(err)
			}
		}
		SniffImage(b)
	})
}
