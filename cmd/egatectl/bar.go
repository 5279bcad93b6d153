package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// bar shows progress on a terminal; where there is none it writes a line per stage, and per tenth of a
// long one.
type bar struct {
	out   io.Writer
	tty   bool
	stage string
	unit  string // what is counted; bytes when empty
	drawn bool
	// tenths are those of a stage that a file or pipe has a line of.
	tenths int
}

// tenth is how much a tenth must be to have a line.
const tenth = 20

const barWidth = 30

func newBar(f *os.File) *bar {
	st, err := f.Stat()
	return &bar{out: f, tty: err == nil && st.Mode()&os.ModeCharDevice != 0}
}

func (b *bar) say(text string) {
	b.done()
	fmt.Fprintln(b.out, text)
}

// show draws done of total bytes of a stage; a total of 0 is unknown.
func (b *bar) show(stage string, done, total int) {
	if !b.tty {
		if stage != b.stage {
			fmt.Fprintln(b.out, stage)
			b.tenths = 0
		}
		b.stage = stage
		if b.unit == "" || total < 10*tenth {
			return
		}
		if now := 10 * done / total; now > b.tenths {
			b.tenths = now
			fmt.Fprintf(b.out, "  %d of %d %s\n", done, total, b.unit)
		}
		return
	}
	fill := 0
	if total > 0 {
		fill = min(barWidth, barWidth*done/total)
	}
	unit := b.unit
	if unit == "" {
		unit = "bytes"
	}
	fmt.Fprintf(b.out, "\r  %-22s [%s%s] %6d of %6d %s", stage, strings.Repeat("#", fill), strings.Repeat(".", barWidth-fill), done, total, unit)
	b.stage, b.drawn = stage, true
}

// done ends a line that was drawn.
func (b *bar) done() {
	if b.drawn {
		fmt.Fprintln(b.out)
	}
	b.drawn = false
}
