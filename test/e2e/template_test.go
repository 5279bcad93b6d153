package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"image"
	_ "image/jpeg"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"egate/display"
	"egate/facematch"
	"egate/sim/faces"
	"egate/sim/memscan"
	"egate/sim/run"
	"egate/sim/scenario"
	"egate/sim/scenarios"
)

// template computes what the inspector computes of a portrait, with the same models, and returns its
// numbers as they stand in memory. No program of ours can hand a template out: this test reads the field.
func template(t *testing.T, file []byte) []byte {
	t.Helper()
	dir := os.Getenv("EGATE_MODELS")
	if dir == "" {
		dir = filepath.Join("..", "..", ".cache", "models")
	}
	if _, err := os.Stat(filepath.Join(dir, "manifest.json")); err != nil {
		t.Skip("SKIP: the model files are not here: memory is NOT searched for templates (make models)")
	}
	img, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	picture, err := facematch.FromImage(img)
	if err != nil {
		t.Fatal(err)
	}
	pack, err := facematch.LoadPack(dir, facematch.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	engine, err := facematch.Open(pack, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	ref, err := engine.Enrol(picture, facematch.PortraitLimits())
	if err != nil {
		t.Fatal(err)
	}
	v := reflect.ValueOf(ref).Elem().FieldByName("template")
	var out []byte
	for i := range v.Len() {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(float32(v.Index(i).Float())))
	}
	return out
}

// TestDP01TemplateDiesWithItsInspector: while the face is captured the template of the chip's portrait is
// found in the inspector's memory, which proves that the search finds it; when the passage has ended it is
// found in no process, file or message (DP-01, DP-03).
func TestDP01TemplateDiesWithItsInspector(t *testing.T) {
	bin := programs(t)
	portrait, err := faces.Get("astronaut")
	if err != nil {
		t.Fatal(err)
	}
	marks := memscan.New()
	if n := marks.AddBlocks("face template", template(t, portrait.DG2JPEG())); n < 16 {
		t.Fatalf("only %d blocks of a template", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	site, err := run.NewSite(ctx, bin, filepath.Join(t.TempDir(), "site"), "", scenario.Mantrap)
	if err != nil {
		t.Fatal(err)
	}
	h, err := run.Open(ctx, bin, site, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}()
	list, err := scenario.Load(scenarios.Files, "01-genuine-bac")
	if err != nil {
		t.Fatal(err)
	}
	search := func() (hits []memscan.Hit) {
		var st memscan.Stats
		for pid, name := range h.Processes() {
			x, err := marks.Process(pid, name, &st)
			if err != nil {
				t.Error(err)
			}
			hits = append(hits, x...)
		}
		x, err := marks.Tree(site.Dir, &st)
		if err != nil {
			t.Error(err)
		}
		hits = append(hits, x...)
		for _, l := range h.Lanes {
			b, err := l.Proxy.Captured()
			if err != nil {
				t.Error(err)
			}
			hits = append(hits, marks.Bytes("traffic", b, 0)...)
		}
		return hits
	}
	during := make(chan []memscan.Hit, 1)
	go func() {
		if h.Lanes[0].Screen.Wait(ctx, func(s display.Screen) bool { return s.Name == display.ScreenCapture }) != nil {
			during <- nil
			return
		}
		during <- search()
	}()
	res := h.Play(ctx, h.Lanes[0], list[0])
	for _, f := range res.Faults {
		t.Error(f)
	}
	live := <-during
	if len(live) == 0 {
		t.Error("the template was not found while it was in use: this search proves nothing")
	}
	for _, x := range live {
		if !strings.Contains(x.String(), "egate-inspect") {
			t.Errorf("during the capture: %s", x)
		}
	}
	for _, x := range search() {
		t.Errorf("after the passage: %s", x)
	}
}
