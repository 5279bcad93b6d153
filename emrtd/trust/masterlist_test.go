package trust

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"egate/emrtd/cms"
)

// vectors finds the folder of shared test vectors beside the project, skipping where there is none.
func vectors(t testing.TB, name ...string) []byte {
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
	if os.IsNotExist(err) {
		t.Skipf("SKIP: test vectors not present: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func rootCert(t testing.TB, name string) *cms.Certificate {
	c, err := cms.ParseCertificate(vectors(t, "masterlists", name))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// C-07: the published lists verify to their pinned roots, with the counts of the vectors' README.
func TestC07MasterLists(t *testing.T) {
	for _, c := range []struct {
		list, root           string
		certs, roots, others int
		countries            int
		from, to             string
	}{
		{"DE_ML_2026-05-28-08-28-45.ml", "DE_ROOT_CA_CSCA07.cer", 588, 375, 213, 112, "2008-02-21", "2045-03-30"},
		{"NL_ML_2026-07-22.ml", "NL_ROOT_CA.cer", 411, 411, 0, 129, "2008-02-21", "2051-05-20"},
	} {
		t.Run(c.list, func(t *testing.T) {
			data := vectors(t, "masterlists", c.list)
			m, err := ParseMasterList(data, rootCert(t, c.root))
			if err != nil {
				t.Fatal(err)
			}
			if len(m.Certificates) != c.certs || len(m.Refused) != 0 {
				t.Errorf("%d certificates, %d refused: %v", len(m.Certificates), len(m.Refused), m.Refused)
			}
			countries := map[string]bool{}
			var first, last time.Time
			odd := 0
			for _, x := range m.Certificates {
				countries[x.Subject.Country] = true
				if first.IsZero() || x.NotBefore.Before(first) {
					first = x.NotBefore
				}
				if x.NotAfter.After(last) {
					last = x.NotAfter
				}
				for _, d := range x.Deviations {
					if d == cms.DevExtension || d == cms.DevPathLenNoCA {
						odd++
						t.Logf("%s: %s", x.Subject.Country, d)
					}
				}
				if x.Key == nil {
					t.Errorf("%s: key: %v", x.Subject.Country, x.KeyErr)
				}
			}
			if len(countries) != c.countries {
				t.Errorf("%d countries, want %d", len(countries), c.countries)
			}
			if f, l := first.Format("2006-01-02"), last.Format("2006-01-02"); f != c.from || l != c.to {
				t.Errorf("validity %s to %s", f, l)
			}
			var b Bundle
			n, err := b.Import(m, c.list)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("kinds %v, odd %d", n, odd)
			if n[Root] != c.roots || n[Link]+n[Listed] != c.others {
				t.Errorf("kinds %v", n)
			}
		})
	}
}

// C-07: a list changed in one byte or held against another root is refused as a whole.
func TestC07MasterListRefused(t *testing.T) {
	de := vectors(t, "masterlists", "DE_ML_2026-05-28-08-28-45.ml")
	if _, err := ParseMasterList(de, rootCert(t, "NL_ROOT_CA.cer")); err == nil {
		t.Error("other root accepted")
	}
	for _, at := range []int{5000, len(de) / 2, len(de) - 10} {
		bad := bytes.Clone(de)
		bad[at] ^= 1
		if _, err := ParseMasterList(bad, rootCert(t, "DE_ROOT_CA_CSCA07.cer")); err == nil {
			t.Errorf("changed byte %d accepted", at)
		}
	}
}
