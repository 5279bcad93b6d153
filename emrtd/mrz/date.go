package mrz

import (
	"log/slog"
	"time"
)

// Date is a date of the zone; Month and Day are zero where unknown, and so is Year.
type Date struct {
	Year, Month, Day int
	yy               int // two digits, -1 where unknown
}

// Full tells whether year, month and day are known.
func (d Date) Full() bool { return d.Year > 0 && d.Month > 0 && d.Day > 0 }

// LogValue keeps the date out of logs.
func (d Date) LogValue() slog.Value { return slog.StringValue(redacted) }

// String keeps the date out of texts; use the fields.
func (d Date) String() string { return redacted }

// parseDate reads YYMMDD, with fillers for unknown parts (ICAO Doc 9303-3 §4.8).
func parseDate(b []byte) (Date, bool) {
	two := func(b []byte) (int, bool) {
		if b[0] == '<' && b[1] == '<' {
			return -1, true
		}
		if b[0] < '0' || b[0] > '9' || b[1] < '0' || b[1] > '9' {
			return 0, false
		}
		return int(b[0]-'0')*10 + int(b[1]-'0'), true
	}
	y, ok1 := two(b[0:2])
	m, ok2 := two(b[2:4])
	d, ok3 := two(b[4:6])
	if !ok1 || !ok2 || !ok3 || m > 12 || m <= 0 && d > 0 || d > 31 {
		return Date{}, false
	}
	// Some issuers write unknown parts as zeros.
	if m == 0 {
		m = -1
	}
	if d == 0 {
		d = -1
	}
	if m > 0 && d > 0 {
		days := [...]int{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
		if d > days[m-1] {
			return Date{}, false
		}
	}
	return Date{yy: y, Month: max(m, 0), Day: max(d, 0)}, true
}

// resolveBirth takes the latest century that does not put the birth after the reference date.
func (d *Date) resolveBirth(ref time.Time) {
	if d.yy < 0 {
		return
	}
	y, m, day := ref.Date()
	d.Year = y/100*100 + d.yy
	if d.Year > y || d.Year == y && (d.Month > int(m) || d.Month == int(m) && d.Day > day) {
		d.Year -= 100
	}
}

// expiryWindow is how many years an expiry date may lie before the reference date; the others of a
// century lie ahead. Documents are valid for 15 years at most, so either side is generous.
const expiryWindow = 50

func (d *Date) resolveExpiry(ref time.Time) {
	if d.yy < 0 {
		return
	}
	y := ref.Year()
	d.Year = y/100*100 + d.yy
	if d.Year < y-expiryWindow {
		d.Year += 100
	} else if d.Year >= y+100-expiryWindow {
		d.Year -= 100
	}
}

func (d Date) before(x Date) bool {
	if d.Year != x.Year {
		return d.Year < x.Year
	}
	if d.Month != x.Month {
		return d.Month < x.Month
	}
	return d.Day < x.Day
}

func (d Date) yearsAt(at time.Time) (years int, certain, ok bool) {
	if d.Year == 0 {
		return 0, false, false
	}
	certain = d.Full()
	m, day := d.Month, d.Day
	if m == 0 {
		m, day = 12, 31
	} else if day == 0 {
		day = 31
	}
	y, am, ad := at.Date()
	years = y - d.Year
	if int(am) < m || int(am) == m && ad < day {
		years--
	}
	return max(years, 0), certain, true
}
