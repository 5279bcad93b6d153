package facematch

import (
	"strings"
	"testing"
)

// F-01: a shadow that coloured light makes a face of, for a picture or two, is no second head, however often it
// comes; who stays is one, also where some pictures do not show both. One digit is what one picture shows.
func TestF01HeadsThatStay(t *testing.T) {
	for _, c := range []struct {
		name, shown string
		want        int // in the end; -1: nothing is known
		several     bool
	}{
		{"one picture", "1", -1, false},
		{"one person", "11", 1, false},
		{"nobody", "1100", 0, false},
		{"a face missed once", "110111", 1, false},
		{"shadows of a light challenge", strings.Repeat("11221", 12), 1, false},
		{"a shadow every second picture", strings.Repeat("12", 30), -1, false},
		{"a shadow and a missed face", strings.Repeat("1220", 12), -1, false},
		{"a second person", "1122222", 2, true},
		{"a second person, missed now and then", "112221222122", 2, true},
		{"a third one, by turns", "1123232", 2, true},
		{"a second person who leaves", "112222211", 1, true},
	} {
		var h headCount
		several := false
		for _, n := range c.shown {
			h.picture(int(n - '0'))
			several = several || h.several()
		}
		got := -1
		if h.known {
			got = h.count
		}
		if got != c.want || several != c.several {
			t.Errorf("%s: %d in the end, several heads %v, want %d, %v", c.name, got, several, c.want, c.several)
		}
	}
}
