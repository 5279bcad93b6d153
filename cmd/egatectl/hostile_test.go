package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"egate/facematch"
	"egate/facematch/evaluate"
	"egate/sim/faces"
)

// C-10: EGATE_HOSTILE=1 go test -v -run C10HostileFiles ./cmd/egatectl prints the table of facematch/README.md: about
// ninety files, each compared with a portrait by an egatectl of its own. Memory is the larger of it and its children,
// processor time their sum. Every file must end as it should; times are printed, not judged.
func TestC10HostileFiles(t *testing.T) {
	dir := os.Getenv("EGATE_HOSTILE")
	if dir == "" {
		t.Skip("SKIP: ninety files of up to 16 million pixels: EGATE_HOSTILE=1 asks for them")
	}
	models, err := filepath.Abs(testModels(t))
	if err != nil {
		t.Fatal(err)
	}
	if dir == "1" {
		// The files are made here and measured by another process: a child is charged with the memory of who starts it.
		dir = t.TempDir()
		if out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "egatectl"), ".").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		face, err := faces.Get("astronaut")
		if err != nil {
			t.Fatal(err)
		}
		list, err := json.Marshal(hostileFiles(t, filepath.Join(dir, "files"), face))
		if err != nil {
			t.Fatal(err)
		}
		for name, b := range map[string][]byte{"portrait.jpg": face.DG2JPEG(), "list.json": list} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(self, "-test.v", "-test.run=^TestC10HostileFiles$")
		cmd.Env = append(os.Environ(), "EGATE_HOSTILE="+dir, "EGATE_MODELS="+models)
		out, err := cmd.CombinedOutput()
		t.Logf("%s", out)
		if err != nil {
			t.Error(err)
		}
		return
	}
	list, err := os.ReadFile(filepath.Join(dir, "list.json"))
	if err != nil {
		t.Fatal(err)
	}
	var files []hostileFile
	if err := json.Unmarshal(list, &files); err != nil {
		t.Fatal(err)
	}
	ctl, portrait := filepath.Join(dir, "egatectl"), filepath.Join(dir, "portrait.jpg")
	type row struct {
		files              int
		reasons            map[string]int
		cpu, fast, slow    time.Duration
		memory             int64
		slowest, hungriest string
	}
	rows := map[string]*row{}
	var order []string
	for _, f := range files {
		var out bytes.Buffer
		cmd := exec.Command(ctl, "face", "compare", "--json", "--models", models, f.Path, portrait)
		cmd.Stdout = &out
		start := time.Now()
		err := cmd.Run()
		wall := time.Since(start)
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		var c comparison
		if err := json.Unmarshal(out.Bytes(), &c); err != nil {
			t.Errorf("%s: %v, %s", f.Path, err, out.Bytes())
			continue
		}
		reason := c.Pictures[0].Reason
		if c.Score != nil {
			reason = "a score"
		}
		if !slices.Contains(f.Ends, reason) {
			t.Errorf("%s: %q, want one of %q", filepath.Base(f.Path), reason, f.Ends)
		}
		use := cmd.ProcessState.SysUsage().(*syscall.Rusage)
		cpu, memory := cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime(), use.Maxrss>>10
		if memory >= 256 {
			t.Errorf("%s: %d MB", filepath.Base(f.Path), memory)
		}
		r := rows[f.Kind]
		if r == nil {
			r = &row{reasons: map[string]int{}, fast: wall}
			rows[f.Kind], order = r, append(order, f.Kind)
		}
		r.files++
		r.reasons[reason]++
		r.cpu, r.fast = max(r.cpu, cpu), min(r.fast, wall)
		if wall > r.slow {
			r.slow, r.slowest = wall, filepath.Base(f.Path)
		}
		if memory > r.memory {
			r.memory, r.hungriest = memory, filepath.Base(f.Path)
		}
	}
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nfiles\tnumber\tend as\tprocessor s\twall s\tslowest\tMB\tmost")
	for _, kind := range order {
		r := rows[kind]
		fmt.Fprintf(w, "%s\t%d\t%s\t%.2f\t%.2f to %.2f\t%s\t%d\t%s\n", kind, r.files, strings.Join(slices.Sorted(maps.Keys(r.reasons)), ", "), r.cpu.Seconds(),
			r.fast.Seconds(), r.slow.Seconds(), r.slowest, r.memory, r.hungriest)
	}
	w.Flush()
	t.Log(table.String())
}

// hostileFile is one file and how a comparison with it may end.
type hostileFile struct {
	Kind, Path string
	Ends       []string
}

func hostileFiles(t *testing.T, dir string, face *faces.Portrait) (all []hostileFile) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(10, 10))
	var kind string
	var ends []string
	file := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		all = append(all, hostileFile{kind, path, ends})
		return path
	}
	jpg := func(m image.Image, quality int) []byte {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality}); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	pngFile := func(m image.Image) []byte {
		var b bytes.Buffer
		if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, m); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	src, err := jpeg.Decode(bytes.NewReader(face.DG2JPEG()))
	if err != nil {
		t.Fatal(err)
	}
	formats := []struct {
		name string
		file []byte
	}{{"jpg", face.DG2JPEG()}, {"jp2", face.DG2JP2()}, {"png", pngFile(src)}}
	const score = "a score"

	kind, ends = "cut, changed, empty, no picture", []string{evaluate.Broken, evaluate.UnknownFormat}
	for _, f := range formats {
		for _, part := range []int{2, 20, 50, 80, 95} {
			file(fmt.Sprintf("cut at %d.%s", part, f.name), f.file[:len(f.file)*part/100])
		}
	}
	file("empty.jpg", nil)
	for name, b := range map[string]string{"text": "person,image\n", "html": "<!doctype html>", "svg": "<svg xmlns='http://www.w3.org/2000/svg'/>", "gif": "GIF89a\x01\x00\x01\x00", "bmp": "BM\x36\x00\x00\x00",
		"tiff": "II*\x00\x08\x00\x00\x00", "webp": "RIFF\x24\x00\x00\x00WEBPVP8 ", "pdf": "%PDF-1.7\n", "zip": "PK\x03\x04", "elf": "\x7fELF\x02\x01\x01", "heic": "\x00\x00\x00\x18ftypheic"} {
		file("truly "+name+".jpg", append([]byte(b), make([]byte, 5000)...))
	}
	noise := make([]byte, 200_000)
	for i := range noise {
		noise[i] = byte(rnd.Uint32())
	}
	file("noise.jpg", noise)
	file("noise behind a header.jpg", append(bytes.Clone(face.DG2JPEG()[:600]), noise...))
	file("3 MB of fill.jpg", append([]byte{0xff, 0xd8, 0xff, 0xe0}, bytes.Repeat([]byte{0xff}, 3<<20)...))
	sos := bytes.Index(face.DG2JPEG(), []byte{0xff, 0xda})
	scan := face.DG2JPEG()[sos : len(face.DG2JPEG())-2]
	file("3000 scans.jpg", append(bytes.Clone(face.DG2JPEG()[:sos]), bytes.Repeat(scan[:400], 3000)...))

	kind, ends = "headers and files that are too large", []string{evaluate.TooLarge}
	for _, size := range [][2]uint32{{30_000, 30_000}, {65_535, 65_535}, {65_535, 1}, {1, 65_535}, {5000, 5000}} {
		file(fmt.Sprintf("%dx%d.png", size[0], size[1]), pngHeader(size[0], size[1]))
		j := bytes.Clone(face.DG2JPEG())
		at := bytes.Index(j, []byte{0xff, 0xc0})
		binary.BigEndian.PutUint16(j[at+5:], uint16(size[1]))
		binary.BigEndian.PutUint16(j[at+7:], uint16(size[0]))
		file(fmt.Sprintf("%dx%d.jpg", size[0], size[1]), j)
		k := bytes.Clone(face.DG2JP2())
		at = bytes.Index(k, []byte{0xff, 0x4f, 0xff, 0x51})
		binary.BigEndian.PutUint32(k[at+8:], size[0])
		binary.BigEndian.PutUint32(k[at+12:], size[1])
		file(fmt.Sprintf("%dx%d.jp2", size[0], size[1]), k)
	}
	file("17 MB.jpg", make([]byte, 17<<20))
	if err := os.Truncate(file("sparse 3 GB.jpg", face.DG2JPEG()), 3<<30); err != nil {
		t.Fatal(err)
	}

	kind, ends = "no file that can be read", []string{evaluate.Unreadable}
	special := func(name string, err error) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, hostileFile{kind, filepath.Join(dir, name), ends})
	}
	special("pipe.jpg", syscall.Mkfifo(filepath.Join(dir, "pipe.jpg"), 0o600))
	special("folder.jpg", os.Mkdir(filepath.Join(dir, "folder.jpg"), 0o700))
	special("circle.jpg", os.Symlink("circle.jpg", filepath.Join(dir, "circle.jpg")))
	special("nothing.jpg", os.Symlink("nowhere", filepath.Join(dir, "nothing.jpg")))
	special("zero.jpg", os.Symlink("/dev/zero", filepath.Join(dir, "zero.jpg")))
	special("random.jpg", os.Symlink("/dev/urandom", filepath.Join(dir, "random.jpg")))
	special("absent.jpg", nil)

	const side = 4096
	box := image.Rect(0, 0, side, side)
	noisy := func(m *image.RGBA, span int) *image.RGBA {
		for i := range m.Pix {
			m.Pix[i] = byte(128 - span/2 + rnd.IntN(span))
			if i%4 == 3 {
				m.Pix[i] = 255
			}
		}
		return m
	}
	kind, ends = "up to 16 million pixels that ask for much", []string{evaluate.DecoderFailed, evaluate.TooLarge, facematch.NoFaceFound}
	deep := image.NewRGBA64(image.Rect(0, 0, 4000, 3750))
	for i := range deep.Pix {
		deep.Pix[i] = byte(i >> 12)
	}
	file("16 bit.png", pngFile(deep))
	file("noise 50.jpg", jpg(noisy(image.NewRGBA(box), 250), 50))
	file("noise 85.jpg", jpg(noisy(image.NewRGBA(box), 250), 85))
	file("noise 95.jpg", jpg(noisy(image.NewRGBA(box), 250), 95))
	file("soft.png", pngFile(noisy(image.NewRGBA(image.Rect(0, 0, 3000, 2000)), 8)))

	kind, ends = "a picture without a face", []string{facematch.NoFaceFound}
	file("one pixel.png", pngFile(image.NewGray(image.Rect(0, 0, 1, 1))))
	file("one pixel.jpg", jpg(image.NewGray(image.Rect(0, 0, 1, 1)), 90))
	file("a line.png", pngFile(image.NewGray(image.Rect(0, 0, 4000, 1))))
	file("a strip.jpg", jpg(image.NewGray(image.Rect(0, 0, 8192, 8)), 90))
	file("grey.png", pngFile(image.NewGray(image.Rect(0, 0, 300, 200))))
	file("16 million black.png", pngFile(image.NewGray(box)))
	file("16 million clear.png", pngFile(image.NewNRGBA(box)))
	file("16 million black.jpg", jpg(image.NewGray(box), 85))
	file("16 million soft.jpg", jpg(noisy(image.NewRGBA(box), 20), 85))
	file("4 million noise.jpg", jpg(noisy(image.NewRGBA(image.Rect(0, 0, 2048, 2048)), 250), 85))

	kind, ends = "damaged, odd or large with a face", []string{score, evaluate.Broken, facematch.NoFaceFound}
	for k := range 3 {
		for _, f := range formats {
			b := bytes.Clone(f.file)
			for range 4 {
				b[len(b)/4+rnd.IntN(len(b)*3/4)] ^= 1 << rnd.IntN(8)
			}
			file(fmt.Sprintf("bits %d.%s", k, f.name), b)
		}
	}
	ends = []string{score}
	file("zeros behind.jpg", append(bytes.Clone(face.DG2JPEG()), make([]byte, 15<<20)...))
	file("a png.jpg", formats[2].file)
	for o := byte(1); o <= 8; o++ {
		exif := []byte{0xff, 0xe1, 0, 34, 'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0, '*', 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, o, 0, 0, 0, 0, 0, 0}
		file(fmt.Sprintf("exif %d.jpg", o), slices.Concat(face.DG2JPEG()[:2], exif, face.DG2JPEG()[2:]))
	}
	all[len(all)-8].Ends = ends
	for i := len(all) - 7; i < len(all); i++ { // the others turn the portrait away: how it ends is the detector's
		all[i].Ends = []string{score, facematch.NoFaceFound}
	}
	grey := image.NewGray16(src.Bounds())
	draw.Draw(grey, grey.Rect, src, image.Point{}, draw.Src)
	file("grey 16.png", pngFile(grey))
	file("grey.jpg", jpg(func() image.Image {
		g := image.NewGray(src.Bounds())
		draw.Draw(g, g.Rect, src, image.Point{}, draw.Src)
		return g
	}(), 90))
	palette := make(color.Palette, 0, 216)
	for i := range 216 {
		palette = append(palette, color.RGBA{byte(i / 36 * 51), byte(i / 6 % 6 * 51), byte(i % 6 * 51), 255})
	}
	few := image.NewPaletted(src.Bounds(), palette)
	draw.FloydSteinberg.Draw(few, few.Rect, src, image.Point{})
	file("palette.png", pngFile(few))
	wide := image.NewRGBA(box)
	for y := range side {
		for x := range side {
			wide.Set(x, y, src.At(src.Bounds().Dx()*x/side, src.Bounds().Dy()*y/side))
		}
	}
	file("portrait of 16 million.jpg", jpg(wide, 90))
	return all
}
