package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"hash/crc32"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"egate/facematch"
	"egate/facematch/evaluate"
	"egate/inspect/decoder"
	"egate/sim/faces"
)

// testModels is the folder of the demonstration pack; the test is skipped loudly where it is not.
func testModels(t *testing.T) string {
	t.Helper()
	models := os.Getenv("EGATE_MODELS")
	if models == "" {
		models = filepath.Join("..", "..", modelFolder)
	}
	if _, err := os.Stat(filepath.Join(models, "manifest.json")); err != nil {
		t.Skip("SKIP: the model files are not here: face compare is NOT tested (make models)")
	}
	return models
}

// pngHeader promises a picture of so many pixels and holds none of them.
func pngHeader(w, h uint32) []byte {
	ihdr := []byte{'I', 'H', 'D', 'R', byte(w >> 24), byte(w >> 16), byte(w >> 8), byte(w), byte(h >> 24), byte(h >> 16), byte(h >> 8), byte(h), 8, 2, 0, 0, 0}
	c := crc32.ChecksumIEEE(ihdr)
	out := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), ihdr...)
	return append(out, byte(c>>24), byte(c>>16), byte(c>>8), byte(c))
}

// C-10: a file that is no picture, or promises too much, ends as a reason code before a model is loaded, and
// the comparison as not compared; two pictures of one person match, of two do not.
func TestC10FaceCompare(t *testing.T) {
	models := testModels(t)
	dir := t.TempDir()
	file := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	a, err := faces.Get("astronaut")
	if err != nil {
		t.Fatal(err)
	}
	b, err := faces.Get("admiral")
	if err != nil {
		t.Fatal(err)
	}
	portrait := file("a.jpg", a.DG2JPEG())
	compare := func(other string, want error) (c comparison) {
		t.Helper()
		out, err := ctl(t, "face", "compare", "--json", "--models", models, portrait, other)
		if !errors.Is(err, want) {
			t.Fatalf("%s: %v, want %v", filepath.Base(other), err, want)
		}
		if err := json.Unmarshal([]byte(out), &c); err != nil {
			t.Fatal(err)
		}
		return c
	}
	for name, x := range map[string]struct {
		bytes  []byte
		reason string
	}{
		"empty.jpg":     {nil, evaluate.Broken},
		"text.jpg":      {[]byte("no picture"), evaluate.UnknownFormat},
		"cut.jpg":       {a.DG2JPEG()[:9000], evaluate.Broken},
		"cut.jp2":       {a.DG2JP2()[:3000], evaluate.Broken},
		"gif.png":       {append([]byte("GIF89a"), make([]byte, 100)...), evaluate.UnknownFormat},
		"noise.jpg":     {append(bytes.Clone(a.DG2JPEG()[:300]), bytes.Repeat([]byte{0xff, 0x17, 0x93}, 9000)...), evaluate.Broken},
		"promises.png":  {pngHeader(60000, 60000), evaluate.TooLarge},
		"long file.jpg": {make([]byte, decoder.MaxToolFile+1), evaluate.TooLarge},
	} {
		c := compare(file(name, x.bytes), statusNotChecked)
		if c.Score != nil || c.Pictures[1].Reason != x.reason || c.Pictures[0].Looked || pictureReasons[x.reason] == "" {
			t.Errorf("%s: %+v", name, c.Pictures)
		}
	}
	if c := compare(dir, statusNotChecked); c.Pictures[1].Reason != evaluate.Unreadable {
		t.Errorf("a folder: %+v", c.Pictures)
	}
	// A JPEG 2000 that is called JPEG is one all the same.
	if c := compare(file("other.jpg", a.DG2JP2()), nil); !c.Match || c.Policy == "" || !c.Demo || len(c.Pictures[1].Components) == 0 {
		t.Errorf("the same person: %+v", c)
	}
	if c := compare(file("b.jpg", b.DG2JPEG()), statusFailed); c.Match || c.Score == nil {
		t.Errorf("another person: %+v", c)
	}
	if c := compare(file("grey.png", pngOf(t)), statusNotChecked); c.Pictures[1].Reason != facematch.NoFaceFound {
		t.Errorf("no face: %+v", c.Pictures)
	}
}

// pngOf is a grey picture of nobody.
func pngOf(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 300, 200))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// C-10: the child that opens a picture ends before the rest of the program is initialised: what the other commands
// need (schemas, plots) costs a picture nothing.
func TestC10ChildIsBareOfTheRest(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "decode-image") // without a job: it refuses and ends
	cmd.Env = []string{"GODEBUG=inittrace=1"}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Fatalf("%v\n%s", err, out)
	}
	if !bytes.Contains(out, []byte("init egate/inspect/decoder ")) {
		t.Errorf("no trace of what was initialised:\n%s", out)
	}
	for _, large := range []string{"init github.com/santhosh-tekuri/jsonschema", "init gonum.org/v1/plot "} {
		if bytes.Contains(out, []byte(large)) {
			t.Errorf("the child has done %q", large)
		}
	}
}
