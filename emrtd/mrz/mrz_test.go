package mrz

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"egate/emrtd/internal/vectors"
)

var ref = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

func split(s string) [][]byte {
	n, w := 2, len(s)/2
	if len(s) == 90 {
		n, w = 3, 30
	}
	var out [][]byte
	for i := range n {
		out = append(out, []byte(s[i*w:(i+1)*w]))
	}
	return out
}

func TestWorkedCheckDigits(t *testing.T) {
	for _, x := range vectors.Examples(t, "check_digits_part3_appA").List(t, "items") {
		if got := CheckDigit([]byte(x.Text(t, "input"))); string(got) != x.Text(t, "check_digit") {
			t.Errorf("%v: %c", x, got)
		}
	}
}

// Doc 9303 parts 4 to 6 appendix A, part 11 appendix D.2.
func TestWorkedSamples(t *testing.T) {
	for _, x := range vectors.Examples(t, "mrz_samples").List(t, "items") {
		var lines [][]byte
		for _, l := range x["lines"].([]any) {
			lines = append(lines, []byte(l.(string)))
		}
		d, err := ParseStrict(lines, ref)
		if err != nil {
			t.Errorf("%s: %v", x["id"], err)
			continue
		}
		for key, got := range map[string]string{"format": d.Format.String(), "document_code": d.Code, "issuer": d.Issuer, "surname": d.Surname,
			"given_names": d.GivenNames, "document_number": d.Number, "nationality": d.Nationality, "mrz_information": string(d.Information()),
			"optional_data": d.Optional, "optional_data_2": d.Optional2, "birth_yymmdd": fmt.Sprintf("%02d%02d%02d", d.Birth.Year%100, d.Birth.Month, d.Birth.Day)} {
			if want, ok := x[key].(string); ok && strings.Trim(want, "<") != strings.Trim(got, "<") {
				t.Errorf("%s: %s is %q, want %q", x["id"], key, got, want)
			}
		}
	}
}

func TestFailingDigits(t *testing.T) {
	for _, block := range []string{"mrz_negative", "mrz_printed_with_wrong_composite"} {
		for _, x := range vectors.Examples(t, block).List(t, "items") {
			_, err := ParseStrict(split(x.Text(t, "mrz")), ref)
			var ce *CheckError
			if !errors.As(err, &ce) {
				t.Errorf("%s: %v", x["id"], err)
				continue
			}
			var want []Field
			for _, f := range x["failing_check_digits"].([]any) {
				want = append(want, Field(f.(string)))
			}
			if !slices.Equal(ce.Failing, want) {
				t.Errorf("%s: %v, want %v", x["id"], ce.Failing, want)
			}
		}
	}
}

const (
	sample = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<L898902C36UTO7408122F1204159ZE184226B<<<<<10"
	td1    = "I<UTOD231458907<<<<<<<<<<<<<<<7408122F1204159UTO<<<<<<<<<<<6ERIKSSON<<ANNA<MARIA<<<<<<<<<<"
)

func set(s string, i int, c byte) string { return s[:i] + string(c) + s[i+1:] }

func TestRepair(t *testing.T) {
	for name, x := range map[string]struct {
		in    string
		want  string
		field Field
	}{
		"letter in a date":       {set(sample, 44+18, 'Z'), sample, FieldBirth},
		"letter for a digit":     {set(sample, 44+9, 'G'), sample, FieldNumber},
		"digit in the issuer":    {set(sample, 4, '0'), sample, FieldIssuer},
		"digit in the name":      {set(sample, 44-35+3, '0'), set(sample, 44-35+3, 'O'), FieldName},
		"O for 0 in the number":  {set(sample, 44+6, 'O'), set(sample, 44+6, '0'), FieldNumber},
		"composite digit letter": {set(td1, 59, 'G'), td1, FieldComposite},
	} {
		t.Run(name, func(t *testing.T) {
			if x.in == x.want {
				t.Skip("no change")
			}
			if len(layoutOf(x.want).failing([]byte(x.want))) > 0 {
				t.Skip("the wanted line has failing digits")
			}
			d, err := Parse(split(x.in), ref)
			if err != nil {
				t.Fatal(err)
			}
			if string(d.Joined()) != x.want || !slices.Contains(d.Repaired, x.field) {
				t.Fatalf("%s, %v", d.raw, d.Repaired)
			}
			if _, err := ParseStrict(split(x.in), ref); err == nil {
				t.Fatal("strict reading repaired")
			}
		})
	}
	// Ambiguous: more than one swap makes the digit hold.
	if _, err := Parse(split(set(td1, 10, 'S')), ref); err == nil {
		t.Fatal("an ambiguous zone was repaired")
	}
	// Ambiguous: several swaps of the number satisfy its digit.
	num := []byte("0O1I2Z5S8")
	line2 := []byte(sample[44:])
	copy(line2, num)
	line2[9] = CheckDigit(num)
	l := layoutOf(sample)
	b := append([]byte(sample[:44]), line2...)
	var parts [][]byte
	for _, s := range l.composite {
		parts = append(parts, s.of(b))
	}
	b[87] = CheckDigit(parts...)
	if _, err := Parse(split(string(b)), ref); err != nil {
		t.Fatal(err)
	}
	b[44] = 'O'
	if d, err := Parse(split(string(b)), ref); err == nil && string(d.raw[44:53]) != string(num) {
		t.Fatalf("a guess was taken for a repair: %s", d.raw)
	}
}

func layoutOf(s string) *layout {
	l, _ := find(split(s))
	return l
}

// Whatever one confusion is made, a repair is either the truth or refused.
func TestRepairNeverInvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom([]string{sample, td1}).Draw(t, "sample")
		l := layoutOf(s)
		i := rapid.IntRange(0, len(s)-1).Draw(t, "position")
		c, ok := swap[s[i]]
		if !ok {
			t.Skip()
		}
		d, err := Parse(split(set(s, i, c)), ref)
		if err != nil {
			return
		}
		if len(l.failing(d.raw)) > 0 {
			t.Fatal("repair does not satisfy the digits")
		}
		if f := l.field(i); (f == FieldNumber || f == FieldBirth || f == FieldExpiry) && string(d.raw) != s {
			t.Fatalf("position %d: %s", i, d.raw)
		}
	})
}

// A search over every confusion of the number says how many readings satisfy all digits: with one, it is the
// repair; with several, none is made; where what was read satisfies them, it stands.
func TestRepairAgainstSearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.StringMatching(`[A-Z0-9]{9}`).Draw(t, "number")
		body := "UTO7408122F3504152" // nationality, birth, sex, expiry
		opt := rapid.StringMatching(`[0-9]{0,4}`).Draw(t, "optional")
		opt += strings.Repeat("<", 14-len(opt))
		l2 := number + string(CheckDigit([]byte(number))) + body + opt + string(CheckDigit([]byte(opt)))
		l2 += string(CheckDigit([]byte(l2[:10]), []byte(l2[13:20]), []byte(l2[21:43])))
		zone := "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<" + l2
		if _, err := ParseStrict(split(zone), ref); err != nil {
			t.Fatal(err)
		}
		// One or two confusions in the number.
		read := zone
		for range rapid.IntRange(1, 2).Draw(t, "errors") {
			i := 44 + rapid.IntRange(0, 8).Draw(t, "at")
			if c, ok := swap[read[i]]; ok {
				read = set(read, i, c)
			}
		}
		if read == zone {
			t.Skip()
		}
		l := layoutOf(zone)
		var at []int
		for i := 44; i < 53; i++ {
			if _, ok := swap[read[i]]; ok {
				at = append(at, i)
			}
		}
		all := map[string]bool{}
		for mask := range 1 << len(at) {
			try := read
			for j, i := range at {
				if mask>>j&1 == 1 {
					try = set(try, i, swap[try[i]])
				}
			}
			if len(l.failing([]byte(try))) == 0 {
				all[try] = true
			}
		}
		d, err := Parse(split(read), ref)
		switch {
		case all[read]:
			// The digits cannot tell: nothing was wrong as far as they go.
			if err != nil || len(d.Repaired) > 0 {
				t.Fatal(err, d.Repaired)
			}
		case len(all) == 1:
			if err != nil || string(d.raw) != zone || len(d.Repaired) != 1 || d.Repaired[0] != FieldNumber {
				t.Fatalf("one repair, not found: %v", err)
			}
		default:
			if err == nil {
				t.Fatalf("%d repairs, one was chosen", len(all))
			}
		}
	})
}

func TestRefused(t *testing.T) {
	mrva := "V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<L8988901C4XXX4009078F96121096ZE184226B<<<<<<"
	mrvb := "V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<L8988901C4XXX4009078F9612109<<<<<<<<"
	for _, v := range []string{mrva, mrvb} {
		if _, err := Parse(split(v), ref); !errors.Is(err, ErrVisa) {
			t.Errorf("%v", err)
		}
	}
	for _, v := range [][][]byte{nil, {}, {[]byte("P<")}, split(sample)[:1], append(split(sample), []byte("x")), {make([]byte, 44), make([]byte, 44)},
		split(strings.ToLower(sample))} {
		if _, err := Parse(v, ref); !errors.Is(err, ErrFormat) {
			t.Errorf("%v", err)
		}
	}
}

func TestYears(t *testing.T) {
	for _, x := range []struct {
		yymmdd        string
		birth, expiry int
	}{{"260101", 2026, 2026}, {"261123", 2026, 2026}, {"261124", 1926, 2026}, {"270101", 1927, 2027}, {"740812", 1974, 2074}, {"760101", 1976, 1976}, {"990101", 1999, 1999}, {"000229", 2000, 2000}} {
		d, ok := parseDate([]byte(x.yymmdd))
		if !ok {
			t.Fatal(x)
		}
		b, e := d, d
		b.resolveBirth(ref)
		e.resolveExpiry(ref)
		if b.Year != x.birth || e.Year != x.expiry {
			t.Errorf("%s: born %d, expires %d", x.yymmdd, b.Year, e.Year)
		}
	}
	for _, bad := range []string{"741301", "740230", "740431", "7408<1", "74<<01", "ABCDEF"} {
		if _, ok := parseDate([]byte(bad)); ok {
			t.Errorf("%s accepted", bad)
		}
	}
}

func TestAge(t *testing.T) {
	for _, x := range []struct {
		born          string
		at            string
		years         int
		certain, know bool
	}{
		{"081123", "2026-11-23", 18, true, true}, {"081124", "2026-11-23", 17, true, true}, {"080229", "2026-02-28", 17, true, true},
		{"080229", "2026-03-01", 18, true, true}, {"08<<<<", "2026-11-23", 17, false, true}, {"0811<<", "2026-11-23", 17, false, true},
		{"<<<<<<", "2026-11-23", 0, false, false},
	} {
		d, ok := parseDate([]byte(x.born))
		if !ok {
			t.Fatal(x)
		}
		d.resolveBirth(ref)
		at, _ := time.Parse(time.DateOnly, x.at)
		if y, c, k := (Document{Birth: d}).AgeAt(at); y != x.years || c != x.certain || k != x.know {
			t.Errorf("%+v: %d %v %v", x, y, c, k)
		}
	}
}

// C-12
func TestC12Expiry(t *testing.T) {
	d, err := ParseStrict(split(sample), ref)
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string]bool{"2012-04-14": false, "2012-04-15": false, "2012-04-16": true, "2026-11-23": true} {
		x, _ := time.Parse(time.DateOnly, at)
		if e, ok := d.ExpiredAt(x); !ok || e != want {
			t.Errorf("%s: %v", at, e)
		}
	}
}

func TestNothingPersonalIsPrinted(t *testing.T) {
	d, err := ParseStrict(split(sample), ref)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&b, nil))
	log.Info("x", "d", d, "p", &d, "birth", d.Birth)
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "d", d)
	fmt.Fprintf(&b, "%v %+v %s %#v %v %v", d, d, d, d, &d, d.Birth)
	for _, secret := range []string{"ERIKSSON", "ANNA", "L898902", "1974", "740812", "UTO"} {
		if strings.Contains(b.String(), secret) {
			t.Errorf("%s in %s", secret, b.String())
		}
	}
	raw := d.raw
	d.Wipe()
	if !bytes.Equal(raw, make([]byte, len(raw))) || !d.Zero() {
		t.Error("not wiped")
	}
}

// C-10
func FuzzParse(f *testing.F) {
	for _, s := range []string{sample, td1, "I<UTOSTEVENSON<<PETER<JOHN<<<<<<<<<<D23145890<UTO3407127M95071227349<<<8", "I<UTOD23145890<7349<<<<<<<<<<<3407127M9507122UTO<<<<<<<<<<<2STEVENSON<<PETER<JOHN<<<<<<<<<"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ParseJoined(b, ref)
		if len(b) == 88 || len(b) == 72 || len(b) == 90 {
			d, err := Parse(split(string(b)), ref)
			if err != nil {
				return
			}
			if _, err := ParseJoined(d.Joined(), ref); err != nil {
				t.Fatalf("repaired zone does not parse strictly: %v", err)
			}
			d.AgeAt(ref)
			d.ExpiredAt(ref)
		}
	})
}
