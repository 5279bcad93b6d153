package mrzscan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"egate/hal"
	"egate/hal/haltest"
)

// The specimens of ICAO Doc 9303 parts 4, 5 and 6.
var (
	td3 = []string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"}
	td2 = []string{"I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F1204159<<<<<<<6"}
	td1 = []string{"I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<"}
)

var names = map[hal.ScanKind]string{hal.ScanPresent: "present", hal.ScanRemoved: "removed", hal.ScanMRZ: "mrz", hal.ScanUnreadable: "unreadable",
	hal.ScanWrongPage: "page", hal.ScanUpsideDown: "upside", hal.ScanCoverOn: "cover"}

func drain(d *decoder) string {
	var out []string
	for {
		s, ok := d.pop()
		if !ok {
			return strings.Join(out, " ")
		}
		w := names[s.Kind]
		if s.Kind == hal.ScanMRZ {
			w = fmt.Sprintf("mrz%dx%d", len(s.Lines), len(s.Lines[0]))
		}
		out = append(out, w)
	}
}

// C-13: what scanners emit, and what becomes of it. "~" lets two and a half seconds pass, "." 300 ms.
func TestC13Decode(t *testing.T) {
	z3, z2, z1 := strings.Join(td3, "\r"), strings.Join(td2, "\n"), strings.Join(td1, "\r\n")
	for name, c := range map[string]struct{ in, want string }{
		"td3 cr":                       {z3 + "\r", "present mrz2x44"},
		"td2 lf":                       {z2 + "\n", "present mrz2x36"},
		"td1 crlf":                     {z1 + "\r\n", "present mrz3x30"},
		"frame":                        {"\x02" + z3 + "\x03", "present mrz2x44"},
		"prefix":                       {"1:" + td3[0] + "\r2:" + td3[1] + "\r", "present mrz2x44"},
		"prefix words":                 {"MRZ1 " + td3[0] + "\rMRZ2 " + td3[1] + "\r", "present mrz2x44"},
		"states":                       {"!P\r\n" + z3 + "\r\n!R\r\n", "present mrz2x44 removed"},
		"removed before present":       {"!R\r", ""},
		"query answer repeats":         {"!P\r" + z3 + "\r!P\r" + z3 + "\r", "present mrz2x44"},
		"same document again":          {"!P\r" + z3 + "\r!R\r!P\r" + z3 + "\r", "present mrz2x44 removed present mrz2x44"},
		"next document":                {"!P\r" + z3 + "\r!R\r!P\r" + z2 + "\r", "present mrz2x44 removed present mrz2x36"},
		"double swipe":                 {z3 + "\r." + z3 + "\r", "present mrz2x44"},
		"two swipes":                   {z3 + "\r~" + z3 + "\r", "present mrz2x44 mrz2x44"},
		"complaints":                   {"!P\r!U\r!W\r!F\r!C\r!R\r", "present unreadable page upside cover removed"},
		"complaint floods":             {strings.Repeat("!U\r", 100), "present unreadable"},
		"complaint comes again":        {"!U\r~!U\r", "present unreadable unreadable"},
		"complaint of swipe reader":    {"!F\r", "present upside"},
		"identity ignored":             {"!V desktop 3.1\r!X\r" + z3 + "\r", "present mrz2x44"},
		"noise before":                 {"\x00\xff%&$\r" + z3 + "\r", "present mrz2x44"},
		"noise in front of line":       {"\xff\xfe" + z3 + "\r", "present unreadable"},
		"noise, frame resynchronises":  {"\xff\xfeP<UT\x02" + z3 + "\x03", "present mrz2x44"},
		"half a zone":                  {td3[0] + "\r~", "present unreadable"},
		"half a zone, then all":        {td3[0] + "\r~" + z3 + "\r", "present unreadable mrz2x44"},
		"zone in pieces":               {td3[0][:20] + "." + td3[0][20:] + "\r." + td3[1] + "\r", "present mrz2x44"},
		"character missing":            {td3[0][:43] + "\r" + td3[1] + "\r~", "present unreadable unreadable"},
		"unread character, not td2":    {td3[0][:7] + "?" + td3[0][8:] + "\r", "present unreadable"},
		"unread character, in prefix?": {"P<UT?" + td2[0] + "\r", "present unreadable"},
		"lines of two kinds":           {td3[0] + "\r" + td2[1] + "\r", "present unreadable"},
		"td3 in one line":              {td3[0] + td3[1] + "\r", "present mrz2x44"},
		"td2 in one line, prefix":      {"MRZ:" + td2[0] + td2[1] + "\r\n", "present mrz2x36"},
		"td1 in one line, framed":      {"\x02" + td1[0] + td1[1] + td1[2] + "\x03", "present mrz3x30"},
		"one line, one missing":        {td3[0] + td3[1][1:] + "\r", "present unreadable"},
		"one line, twice":              {td3[0] + td3[1] + "\r." + td3[0] + td3[1] + "\r", "present mrz2x44"},
		"one line after half a zone":   {td3[0] + "\r" + td3[0] + td3[1] + "\r", "present unreadable"},
		"lf cr":                        {td3[0] + "\n\r" + td3[1] + "\n\r", "present mrz2x44"},
		"form feed and nul at the end": {z3 + "\r\x0c\x00", "present mrz2x44"},
		"checksum after etx":           {"\x02" + z3 + "\x03K\x02" + z2 + "\x03", "present mrz2x44 mrz2x36"},
		"three prefixes":               {"L1>" + td1[0] + "\rL2>" + td1[1] + "\rL3>" + td1[2] + "\r", "present mrz3x30"},
		"removed in the zone":          {"!P\r" + td3[0] + "\r!R\r" + td3[1] + "\r~", "present removed present unreadable"},
		"no line end":                  {strings.Repeat("A", 5000) + "\r" + z3 + "\r", "present unreadable mrz2x44"},
		"blank lines and blanks":       {"\r\n\r\n" + td3[0] + "  \r\n\r\n" + td3[1] + "\r\n", "present mrz2x44"},
	} {
		t.Run(name, func(t *testing.T) {
			// Whole, and byte by byte.
			for _, whole := range []bool{true, false} {
				d, now := newDecoder(), time.Duration(0)
				for part := range strings.SplitSeq(strings.ReplaceAll(c.in, ".", "~."), "~") {
					if rest, short := strings.CutPrefix(part, "."); short {
						now += 300 * time.Millisecond
						part = rest
					} else if now > 0 || part == "" {
						now += 2500 * time.Millisecond
					} else {
						now++
					}
					d.expire(now)
					if whole {
						d.feed([]byte(part), now)
						continue
					}
					for i := range len(part) {
						d.feed([]byte{part[i]}, now)
					}
				}
				if c.in[len(c.in)-1] == '~' {
					d.expire(now + 2500*time.Millisecond)
				}
				if got := drain(d); got != c.want {
					t.Errorf("whole %v: %q, want %q", whole, got, c.want)
				}
			}
		})
	}
}

func TestLinesAreExact(t *testing.T) {
	d := newDecoder()
	in := []byte("1:" + td1[0] + "\r2:" + td1[1] + "\r3:" + td1[2] + "\r")
	d.feed(in, 0)
	for _, b := range in {
		if b != 0 {
			t.Fatal("the input was not wiped")
		}
	}
	for _, b := range d.line[:cap(d.line)] {
		if b != 0 {
			t.Fatal("the line buffer was not wiped")
		}
	}
	d.pop()
	s, _ := d.pop()
	for i, l := range td1 {
		if string(s.Lines[i]) != l {
			t.Errorf("%q", s.Lines[i])
		}
	}
}

// Whatever was sent before, a framed zone after a pause is read.
func TestResynchronises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newDecoder()
		now := time.Duration(0)
		for range rapid.IntRange(0, 5).Draw(t, "bursts") {
			now += time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond
			d.feed(rapid.SliceOfN(rapid.SampledFrom([]byte("PA<09!URP\r\n\x02\x03:? \xff")), 0, 200).Draw(t, "noise"), now)
		}
		now += 3 * time.Second
		d.feed([]byte("\x02"+td3[0]+"\r"+td3[1]+"\x03"), now)
		if got := drain(d); !strings.HasSuffix(got, "mrz2x44") {
			t.Fatalf("%q", got)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, z := range [][]string{td3, td2, td1} {
		f.Add([]byte("!P\r\n"+strings.Join(z, "\r\n")+"\r\n!R\r\n"), uint16(3))
		f.Add([]byte("\x021:"+strings.Join(z, "\r")+"\x03"), uint16(100))
	}
	f.Add([]byte("!U\r!W\r!F\r!C\r"), uint16(2000))
	f.Fuzz(func(t *testing.T, b []byte, step uint16) {
		d, now := newDecoder(), time.Duration(0)
		present := false
		for len(b) > 0 {
			n := min(len(b), 7)
			d.feed(bytes.Clone(b[:n]), now)
			b = b[n:]
			now += time.Duration(step) * time.Millisecond
			d.expire(now)
			if len(d.queue) > maxQueue || len(d.zone) > 3 || cap(d.line) > maxLine {
				t.Fatal("grew beyond its caps")
			}
			for {
				s, ok := d.pop()
				if !ok {
					break
				}
				switch s.Kind {
				case hal.ScanPresent:
					if present {
						t.Fatal("present twice")
					}
					present = true
				case hal.ScanRemoved:
					if !present {
						t.Fatal("removed what was not there")
					}
					present = false
				default:
					if !present {
						t.Fatal("a reading of no document")
					}
				}
				if (s.Kind == hal.ScanMRZ) != (len(s.Lines) > 0) {
					t.Fatalf("kind %d with %d lines", s.Kind, len(s.Lines))
				}
				for _, l := range s.Lines {
					if len(l) != len(s.Lines[0]) || len(s.Lines) != map[int]int{44: 2, 36: 2, 30: 3}[len(l)] {
						t.Fatal("no zone")
					}
					for _, c := range l {
						if !zoneChar(c) {
							t.Fatalf("character %q", c)
						}
					}
				}
			}
		}
	})
}

// lateSource gives one line of a zone at a time, each after its reader slept.
type lateSource struct {
	lines []string
	nap   time.Duration
}

func (l *lateSource) Read(ctx context.Context, p []byte) (int, error) {
	if len(l.lines) == 0 {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	time.Sleep(l.nap)
	n := copy(p, l.lines[0]+"\r")
	l.lines = l.lines[1:]
	return n, nil
}
func (*lateSource) Close() error { return nil }

// C-13: a process that was woken late does not take the second line of a zone for late; a line that was late is.
func TestC13SlowHostReadsTheZone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScanner(&lateSource{lines: td3, nap: 3 * zoneGap})
		for {
			got, err := s.Next(t.Context())
			if err != nil || got.Kind == hal.ScanUnreadable {
				t.Fatal(got.Kind, err)
			}
			if got.Kind == hal.ScanMRZ {
				break
			}
		}
		s = newScanner(&lateSource{lines: td3[:1]})
		for got, err := s.Next(t.Context()); got.Kind != hal.ScanUnreadable; got, err = s.Next(t.Context()) {
			if err != nil || got.Kind == hal.ScanMRZ {
				t.Fatal(got.Kind, err)
			}
		}
	})
}

// C-10, C-11: the generic hostile far ends. One that is honest answers the query with the document that lies there.
func TestC11HostilePeers(t *testing.T) {
	proper := func() func([]byte) []byte {
		return func(b []byte) []byte {
			if len(b) == 0 {
				return nil
			}
			return []byte("!P\r" + strings.Join(td3, "\r") + "\r")
		}
	}
	haltest.Hostile(t, proper, func(ctx context.Context, p hal.SerialPort) []error {
		s, err := Open(ctx, p, Options{})
		if err != nil {
			return []error{err}
		}
		defer s.Close()
		for range 1000 {
			got, err := s.Next(ctx)
			if got.Kind == hal.ScanMRZ || errors.Is(err, context.DeadlineExceeded) {
				return nil // silence is none of a scanner's failures
			}
			if err != nil {
				return []error{err}
			}
		}
		return nil
	})
}
