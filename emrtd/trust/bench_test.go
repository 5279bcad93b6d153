package trust

import (
	"crypto/ed25519"
	"crypto/rand"
	"testing"
	"time"
)

// Opening a bundle of both published master lists is on the way of a warm inspector's start.
func BenchmarkOpen(b *testing.B) {
	bundle := Bundle{Site: "x", Version: 1, Created: time.Unix(1, 0), Expires: time.Unix(1<<33, 0)}
	for _, l := range [][2]string{{"DE_ML_2026-05-28-08-28-45.ml", "DE_ROOT_CA_CSCA07.cer"}, {"NL_ML_2026-07-22.ml", "NL_ROOT_CA.cer"}} {
		m, err := ParseMasterList(vectors(b, "masterlists", l[0]), rootCert(b, l[1]))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := bundle.Import(m, l[0]); err != nil {
			b.Fatal(err)
		}
	}
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	data, err := bundle.Sign(key)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(len(bundle.Anchors)), "anchors")
	for b.Loop() {
		if _, err := Open(data, pub, time.Unix(1<<31, 0)); err != nil {
			b.Fatal(err)
		}
	}
}
