package facematch

import (
	"bytes"
	"image"
	_ "image/jpeg"
	"math"
	"sync"
	"testing"

	"egate/sim/faces"
)

// What the tests of both packages here share: an engine serves one of them at a time, and they run one after the other.
var shared struct {
	engine    sync.Once
	e         *Engine
	err       error
	portraits sync.Map // of *Image
}

// PartsOf is what followed pixels told of a recording: how many views, and what a flat and a bent sheet left.
func PartsOf(r *Recording) (views int, plane, bent float64) {
	if r.depth.views == 0 {
		return 0, math.NaN(), math.NaN()
	}
	return r.depth.views, math.Sqrt(r.depth.plane / r.depth.similar), math.Sqrt(r.depth.bent / r.depth.similar)
}

// SharedEngine is the demonstration pack, opened once; the test is skipped loudly where the models are absent.
func SharedEngine(tb testing.TB) *Engine {
	tb.Helper()
	if testing.Short() {
		tb.Skip("SKIP: runs models: left out of the short run")
	}
	modelDir(tb)
	shared.engine.Do(func() {
		var p *Pack
		if p, shared.err = LoadPack(packDir(tb), loadOptions(tb)); shared.err == nil {
			shared.e, shared.err = Open(p, 1)
		}
	})
	if shared.err != nil {
		tb.Fatal(shared.err)
	}
	tb.Cleanup(shared.e.Wipe)
	return shared.e
}

// PortraitOf is a copy of somebody's portrait as it stands in the chip.
func PortraitOf(tb testing.TB, who string) *Image {
	tb.Helper()
	if m, ok := shared.portraits.Load(who); ok {
		return clone(m.(*Image))
	}
	p, err := faces.Get(who)
	if err != nil {
		tb.Fatal(err)
	}
	src, _, err := image.Decode(bytes.NewReader(p.DG2JPEG()))
	if err != nil {
		tb.Fatal(err)
	}
	m, err := FromImage(src)
	if err != nil {
		tb.Fatal(err)
	}
	shared.portraits.Store(who, m)
	return clone(m)
}
