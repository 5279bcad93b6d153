package control

import (
	"testing"
	"time"

	"egate/inspect/protocol"
)

// F-15: the reference day goes into the journal once, is taken up by the next process, and begins anew with other devices.
func TestF15ReferenceOfTheseDevices(t *testing.T) {
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	day := func(l *lens, light float64) (row string) {
		for k := range 20 {
			if r := l.add(at.Add(time.Duration(k)*time.Minute), &protocol.Optics{Light: light, Sharpness: 80, Uniformity: .9}); r != "" {
				if row != "" {
					t.Error("two rows")
				}
				row = r
			}
		}
		at = at.AddDate(0, 0, 1)
		return row
	}
	l := newLens("", devicesOf(map[string]string{"config": "c1", "pairing": "v3"}))
	if row := day(&l, 130); row != "" {
		t.Fatalf("a row before the day has ended: %s", row)
	}
	row := day(&l, 129)
	if row != `{"of":"v3","first":[130,80,0.9]}` {
		t.Fatalf("row %q", row)
	}
	if again := day(&l, 128); again != "" {
		t.Errorf("a second row: %s", again)
	}
	for _, c := range []struct {
		name, row string
		docs      map[string]string
		alarm     bool
	}{
		{"the same devices, dark lamps", row, map[string]string{"config": "c2", "pairing": "v3"}, true},
		{"paired anew", row, map[string]string{"config": "c1", "pairing": "v4"}, false},
		{"no row", "", map[string]string{"pairing": "v3"}, false},
		{"a row that is none", "{", map[string]string{"pairing": "v3"}, false},
		{"of other numbers", `{"of":"v3","first":[130]}`, map[string]string{"pairing": "v3"}, false},
	} {
		l := newLens(c.row, devicesOf(c.docs))
		day(&l, 100)
		day(&l, 100)
		if alarm, _ := l.trend.Shifted(); alarm != c.alarm {
			t.Errorf("%s: alarm %v", c.name, alarm)
		}
	}
}
