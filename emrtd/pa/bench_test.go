package pa_test

import (
	"testing"

	"egate/emrtd/issue"
	"egate/emrtd/pa"
	"egate/verdict"
)

// The host's work for one document, without reading it.
func BenchmarkVerify(b *testing.B) {
	for _, k := range []issue.KeyKind{issue.ECDSAP256, issue.BPExplicit, issue.RSAPSS} {
		b.Run(string(k), func(b *testing.B) {
			a := authority(b, "UTO", k)
			in := input(passport(b, a), store(b, nil, a))
			b.ReportAllocs()
			for b.Loop() {
				r := pa.Verify(in)
				if r.Check(verdict.CheckDSChain).Result != verdict.Pass {
					b.Fatal("chain")
				}
			}
		})
	}
}
