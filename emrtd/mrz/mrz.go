// Package mrz reads the machine readable zone of travel documents: TD1, TD2 and TD3 (ICAO Doc 9303
// parts 3 to 6). Visas (MRV-A, MRV-B) are recognised and refused.
//
// What it holds is personal data: a Document prints and logs as "[redacted]", errors name fields and
// never their content.
package mrz

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Errors that callers branch on.
var (
	ErrFormat = errors.New("mrz: no machine readable zone of a travel document")
	// ErrVisa is a visa's zone (MRV-A or MRV-B): the wrong page.
	ErrVisa = errors.New("mrz: visa, not a travel document")
)

// Format is the size of the document.
type Format uint8

// Formats.
const (
	TD1 Format = iota + 1 // 3 lines of 30
	TD2                   // 2 lines of 36
	TD3                   // 2 lines of 44
)

func (f Format) String() string { return [...]string{"none", "TD1", "TD2", "TD3"}[f&3] }

// Field names a part of the zone in errors and repairs.
type Field string

// Fields. The first five have a check digit.
const (
	FieldNumber      Field = "document_number"
	FieldBirth       Field = "birth"
	FieldExpiry      Field = "expiry"
	FieldOptional    Field = "optional"
	FieldComposite   Field = "composite"
	FieldCode        Field = "document_code"
	FieldIssuer      Field = "issuer"
	FieldNationality Field = "nationality"
	FieldName        Field = "name"
	FieldSex         Field = "sex"
)

// CheckError says which check digits fail.
type CheckError struct{ Failing []Field }

func (e *CheckError) Error() string {
	s := make([]string, len(e.Failing))
	for i, f := range e.Failing {
		s[i] = string(f)
	}
	return "mrz: check digits fail: " + strings.Join(s, ", ")
}

// Document is a parsed zone.
type Document struct {
	Format       Format
	Code         string // "P", "ID", …
	Issuer       string // issuing state or organisation, without fillers
	Nationality  string
	Surname      string
	GivenNames   string
	Number       string
	Birth        Date
	Expiry       Date
	Sex          byte // 'F', 'M' or '<' for unspecified
	Optional     string
	Optional2    string // TD1 only
	Repaired     []Field
	raw          []byte
	info         []byte
	numberIsLong bool
}

// layout tells where fields lie in the joined lines: start and end, check digit at the end.
type span struct{ from, to int }

type layout struct {
	format                                            Format
	width, lines                                      int
	code, issuer, name, number, nat, birth, exp, opt1 span
	opt2                                              span
	sex, cdComposite, cdOpt                           int
	composite                                         []span
}

// Positions of ICAO Doc 9303-4 §4.2.2, 9303-5 §4.2.2 and 9303-6 §4.2.2, counted over the joined lines.
var layouts = []layout{
	{format: TD1, width: 30, lines: 3, code: span{0, 2}, issuer: span{2, 5}, number: span{5, 14}, opt1: span{15, 30},
		birth: span{30, 36}, sex: 37, exp: span{38, 44}, nat: span{45, 48}, opt2: span{48, 59}, cdComposite: 59, name: span{60, 90}, cdOpt: -1,
		composite: []span{{5, 30}, {30, 37}, {38, 45}, {48, 59}}},
	{format: TD2, width: 36, lines: 2, code: span{0, 2}, issuer: span{2, 5}, name: span{5, 36}, number: span{36, 45}, nat: span{46, 49},
		birth: span{49, 55}, sex: 56, exp: span{57, 63}, opt1: span{64, 71}, cdComposite: 71, cdOpt: -1,
		composite: []span{{36, 46}, {49, 56}, {57, 71}}},
	{format: TD3, width: 44, lines: 2, code: span{0, 2}, issuer: span{2, 5}, name: span{5, 44}, number: span{44, 53}, nat: span{54, 57},
		birth: span{57, 63}, sex: 64, exp: span{65, 71}, opt1: span{72, 86}, cdOpt: 86, cdComposite: 87,
		composite: []span{{44, 54}, {57, 64}, {65, 87}}},
}

func (s span) of(b []byte) []byte { return b[s.from:s.to] }

// CheckDigit is the digit of ICAO Doc 9303-3 §4.9: weights 7, 3, 1, sum modulo 10; letters count from
// ten, fillers nothing. It returns 0xFF for another character.
func CheckDigit(parts ...[]byte) byte {
	sum, i := 0, 0
	for _, p := range parts {
		for _, c := range p {
			v := value(c)
			if v < 0 {
				return 0xFF
			}
			sum += v * [3]int{7, 3, 1}[i%3]
			i++
		}
	}
	return '0' + byte(sum%10)
}

func value(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'Z':
		return int(c-'A') + 10
	case c == '<':
		return 0
	}
	return -1
}

// Parse reads a zone as scanned. ref is the date by which two-digit years are resolved. Where check
// digits fail, or letters stand where only digits may, confusions of optical reading are repaired if
// exactly one repair satisfies every check digit; Document.Repaired names the fields then.
func Parse(lines [][]byte, ref time.Time) (Document, error) { return parse(lines, ref, true) }

// ParseStrict reads a zone without any repair, as it must be for DG1.
func ParseStrict(lines [][]byte, ref time.Time) (Document, error) { return parse(lines, ref, false) }

// ParseJoined is ParseStrict for lines joined, as in DG1.
func ParseJoined(b []byte, ref time.Time) (Document, error) {
	for _, l := range layouts {
		if len(b) == l.width*l.lines {
			var lines [][]byte
			for i := range l.lines {
				lines = append(lines, b[i*l.width:(i+1)*l.width])
			}
			return ParseStrict(lines, ref)
		}
	}
	return Document{}, ErrFormat
}

func find(lines [][]byte) (*layout, []byte) {
	for i := range layouts {
		l := &layouts[i]
		if len(lines) != l.lines {
			continue
		}
		if slices.ContainsFunc(lines, func(b []byte) bool { return len(b) != l.width }) {
			continue
		}
		return l, bytes.Join(lines, nil)
	}
	return nil, nil
}

func parse(lines [][]byte, ref time.Time, repair bool) (Document, error) {
	l, b := find(lines)
	if l == nil {
		return Document{}, ErrFormat
	}
	for i, c := range b {
		if c == ' ' {
			b[i] = '<' // scanners render the filler so
		} else if value(c) < 0 {
			return Document{}, fmt.Errorf("%w: character set", ErrFormat)
		}
	}
	if l.format != TD1 && b[0] == 'V' {
		return Document{}, ErrVisa
	}
	var repaired []Field
	bad := l.failing(b)
	if repair && (len(bad) > 0 || len(l.misplaced(b)) > 0) {
		if fixed, fields, ok := l.repair(b); ok {
			b, repaired, bad = fixed, fields, nil
		}
	}
	if len(bad) > 0 {
		return Document{}, &CheckError{Failing: bad}
	}
	d, err := l.document(b, ref)
	d.Repaired = repaired
	return d, err
}

// longNumber returns the whole number and its check digit where the number continues in the optional
// field: a filler in the place of the check digit and digits up to the next filler (Doc 9303-5 and -6
// §4.2.2 note j).
func (l *layout) longNumber(b []byte) (number []byte, digit byte, rest []byte, ok bool) {
	if l.format == TD3 || b[l.number.to] != '<' {
		return nil, 0, nil, false
	}
	o := l.opt1.of(b)
	n := bytes.IndexByte(o, '<')
	if n < 0 {
		n = len(o)
	}
	if n < 2 {
		return nil, 0, nil, false
	}
	return slices.Concat(l.number.of(b), o[:n-1]), o[n-1], o[n:], true
}

// failing lists the check digits that do not hold.
func (l *layout) failing(b []byte) []Field {
	var out []Field
	if num, cd, _, long := l.longNumber(b); long {
		if CheckDigit(num) != cd {
			out = append(out, FieldNumber)
		}
	} else if CheckDigit(l.number.of(b)) != b[l.number.to] {
		out = append(out, FieldNumber)
	}
	if CheckDigit(l.birth.of(b)) != b[l.birth.to] {
		out = append(out, FieldBirth)
	}
	if CheckDigit(l.exp.of(b)) != b[l.exp.to] {
		out = append(out, FieldExpiry)
	}
	if l.cdOpt >= 0 {
		empty := len(bytes.Trim(l.opt1.of(b), "<")) == 0
		if cd := b[l.cdOpt]; CheckDigit(l.opt1.of(b)) != cd && !(empty && cd == '<') {
			out = append(out, FieldOptional)
		}
	}
	var parts [][]byte
	for _, s := range l.composite {
		parts = append(parts, s.of(b))
	}
	if CheckDigit(parts...) != b[l.cdComposite] {
		out = append(out, FieldComposite)
	}
	return out
}

func trim(b []byte) string { return string(bytes.TrimRight(b, "<")) }

func (l *layout) document(b []byte, ref time.Time) (Document, error) {
	d := Document{Format: l.format, Code: trim(l.code.of(b)), Issuer: trim(l.issuer.of(b)), Nationality: trim(l.nat.of(b)),
		Number: trim(l.number.of(b)), Optional: trim(l.opt1.of(b)), Sex: b[l.sex], raw: b}
	if l.opt2.to > 0 {
		d.Optional2 = trim(l.opt2.of(b))
	}
	numberCD := []byte{b[l.number.to]}
	number := l.number.of(b)
	if num, cd, rest, long := l.longNumber(b); long {
		d.Number, d.numberIsLong = string(num), true
		d.Optional = strings.Trim(string(rest), "<")
		number, numberCD = num, []byte{cd}
	}
	d.info = slices.Concat(number, numberCD, b[l.birth.from:l.birth.to+1], b[l.exp.from:l.exp.to+1])
	name := bytes.TrimRight(l.name.of(b), "<")
	primary, secondary, _ := bytes.Cut(name, []byte("<<"))
	d.Surname = strings.ReplaceAll(string(primary), "<", " ")
	d.GivenNames = strings.TrimSpace(strings.ReplaceAll(string(secondary), "<", " "))
	for _, f := range []struct {
		s    span
		name Field
	}{{l.code, FieldCode}, {l.issuer, FieldIssuer}, {l.nat, FieldNationality}, {l.name, FieldName}} {
		v := f.s.of(b)
		if v[0] == '<' && f.name != FieldNationality || bytes.ContainsAny(v, "0123456789") {
			return Document{}, fmt.Errorf("%w: %s", ErrFormat, f.name)
		}
	}
	if d.Sex != 'F' && d.Sex != 'M' && d.Sex != '<' {
		if d.Sex != 'X' {
			return Document{}, fmt.Errorf("%w: %s", ErrFormat, FieldSex)
		}
		d.Sex = '<'
	}
	var ok bool
	if d.Birth, ok = parseDate(l.birth.of(b)); !ok {
		return Document{}, fmt.Errorf("%w: %s", ErrFormat, FieldBirth)
	}
	if d.Expiry, ok = parseDate(l.exp.of(b)); !ok {
		return Document{}, fmt.Errorf("%w: %s", ErrFormat, FieldExpiry)
	}
	d.Birth.resolveBirth(ref)
	d.Expiry.resolveExpiry(ref)
	return d, nil
}

// Information is what access keys are derived from: number, birth and expiry with their check digits
// (ICAO Doc 9303-11 §4.3.2).
func (d Document) Information() []byte { return bytes.Clone(d.info) }

// Joined returns the lines joined, repaired where they were, as DG1 must have them.
func (d Document) Joined() []byte { return bytes.Clone(d.raw) }

// Zero tells whether nothing was parsed.
func (d Document) Zero() bool { return d.Format == 0 }

// Wipe overwrites what can be overwritten and forgets the rest.
func (d *Document) Wipe() {
	clear(d.raw)
	clear(d.info)
	*d = Document{}
}

// Type is the first letter of the document code: 'P' passport, 'I', 'A' or 'C' card.
func (d Document) Type() byte {
	if d.Code == "" {
		return 0
	}
	return d.Code[0]
}

// AgeAt is the age in full years at a date. A partly unknown birth date gives the lowest age that it
// allows; certain is false then. ok is false where nothing is known.
func (d Document) AgeAt(at time.Time) (years int, certain, ok bool) { return d.Birth.yearsAt(at) }

// ExpiredAt tells whether the document's last day of validity lies before the date. ok is false where
// the zone names no full date.
func (d Document) ExpiredAt(at time.Time) (expired, ok bool) {
	if !d.Expiry.Full() {
		return false, false
	}
	y, m, day := at.Date()
	return d.Expiry.before(Date{Year: y, Month: int(m), Day: day}), true
}

const redacted = "[redacted]"

// LogValue keeps personal data out of logs.
func (d Document) LogValue() slog.Value { return slog.StringValue(redacted) }

// Format keeps personal data out of every verb of package fmt.
func (d Document) String() string { return redacted }

// GoString is for %#v.
func (d Document) GoString() string { return redacted }

// MarshalText keeps personal data out of encoders.
func (d Document) MarshalText() ([]byte, error) { return []byte(redacted), nil }
