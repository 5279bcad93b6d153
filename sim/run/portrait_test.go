package run

import (
	"os"
	"testing"

	"egate/sim/memscan"
)

// A portrait gives markers of its file and of its decoded rows, and the scan finds both (DP-01).
func TestDP01PortraitMarkers(t *testing.T) {
	for _, who := range holders {
		file, err := os.ReadFile("../faces/" + who + "_dg2.jpg")
		if err != nil {
			t.Skip("SKIP: no portrait here: ", err)
		}
		p, err := NewPortrait(file)
		if err != nil {
			t.Fatal(err)
		}
		m := memscan.New()
		files := m.AddPortrait("portrait file", p.File)
		rows := 0
		for _, r := range p.Rows {
			rows += m.AddBlocks("portrait pixels", r)
		}
		if files < 500 || rows < 500 {
			t.Errorf("%s: %d markers of the file, %d of pixels", who, files, rows)
		}
		half := len(file) / 2
		if len(m.Bytes("x", file[half:half+64], 0)) == 0 || len(m.Bytes("x", p.Rows[len(p.Rows)/2], 0)) == 0 {
			t.Errorf("%s: not found", who)
		}
	}
	if _, err := NewPortrait([]byte("no picture")); err == nil {
		t.Error("nonsense was taken")
	}
}

// Two portraits share no markers: no headers or tables are among them, which would accuse every JPEG.
func TestPortraitMarkersAreOfOnePerson(t *testing.T) {
	var file [2][]byte
	for i, who := range holders {
		var err error
		if file[i], err = os.ReadFile("../faces/" + who + "_dg2.jpg"); err != nil {
			t.Skip("SKIP: no portrait here: ", err)
		}
	}
	m := memscan.New()
	m.AddPortrait("astronaut", file[0])
	if hits := m.Bytes("the admiral's file", file[1], 0); len(hits) > 0 {
		t.Errorf("%v", hits)
	}
}
