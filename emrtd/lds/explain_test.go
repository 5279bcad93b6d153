package lds

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// Every file of the reference document reads as a tree.
func TestExplain(t *testing.T) {
	for file, want := range map[string][]string{
		"EF_COM.bin":      {"EF.COM", `"0107"`},
		"EF_SOD.bin":      {"id-icao-mrtd-security-ldsSecurityObject", "rsassaPss", "HJP PB DS", "2013-12-16 21:43:18"},
		"Datagroup1.bin":  {"MRZ", "P<D<<MUSTERMANN"},
		"Datagroup2.bin":  {"biometric data block, 15045 bytes"},
		"Datagroup14.bin": {"id-PK-ECDH", "id-CA-ECDH.1", "prime-field"},
	} {
		var out strings.Builder
		if err := Explain(&out, vectors(t, bsi, file)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		for _, w := range want {
			if !strings.Contains(out.String(), w) {
				t.Errorf("%s: no %q in\n%s", file, w, out.String())
			}
		}
	}
	if err := Explain(io.Discard, []byte{0x61, 0x10, 1}); err == nil {
		t.Error("truncated file explained")
	}
	if err := Explain(io.Discard, bytes.Repeat([]byte{5, 0}, explainNodes+1)); err == nil {
		t.Error("endless file explained")
	}
}

func FuzzC10Explain(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) { _ = Explain(io.Discard, b) })
}
