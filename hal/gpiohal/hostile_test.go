package gpiohal

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"

	"egate/hal"
	"egate/hal/haltest"
	"egate/hal/internal/edges"
)

// C-11, S-07: a chip that lies. Edges by the hundred thousand with nobody to read them, with numbers and times that jump
// to and fro; levels that are none; commands that fail without a reason to call the chip lost: nothing blocks, the newest level of
// a line arrives, what was lost shows in the numbers, and the outputs are Low at the end.
func TestC11HostileChip(t *testing.T) {
	fresh := func(t *testing.T) (*board, *Lines) {
		t.Helper()
		haltest.Leaks(t)
		b := newBoard()
		l, err := openLines(b.request, "gpiochip0", plan)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return b, l
	}
	t.Run("flood", func(t *testing.T) {
		b, l := fresh(t)
		const n = 100_000 // even: Low at the end
		for i := range n {
			b.drive(1, (i+1)%2, false)
		}
		if v, err := l.Read("entry_closed"); err != nil || v != gpio.Low {
			t.Errorf("reads %v, %v", v, err)
		}
		b.drive(1, 1, false)
		var last hal.Edge
		seen, gap := 0, false
		for last.Seq != n+1 {
			e := <-l.Edges()
			if e.Line != "entry_closed" {
				continue
			}
			gap = gap || e.Seq > last.Seq+1
			last = e
			seen++
		}
		if last.Level != gpio.High || !gap || seen > edges.Capacity+2 {
			t.Errorf("%d edges, a gap: %v, the last: %+v", seen, gap, last)
		}
		if err := l.Set("entry_lock", gpio.High); err != nil {
			t.Errorf("an output after the flood: %v", err)
		}
	})
	t.Run("garbage", func(t *testing.T) {
		b, l := fresh(t)
		r := rand.New(rand.NewPCG(5, 6))
		w := b.lines[1]
		for range 5000 { // times and numbers of nowhere
			w.handler(event{level: r.IntN(2) == 1, at: time.Duration(r.Int64()) - time.Duration(r.Int64()), seq: r.Uint32()})
		}
		w.handler(event{level: true, seq: 4711})
		for e := range l.Edges() {
			if e.Line == "entry_closed" && e.Seq == 4711 {
				break
			}
		}
		for _, v := range []int{-1, 2, 1 << 30} {
			b.mu.Lock()
			w.value = v
			b.mu.Unlock()
			if _, err := l.Read("entry_closed"); errors.Is(err, hal.ErrLost) {
				t.Errorf("level %d: %v", v, err)
			}
		}
	})
	t.Run("half done", func(t *testing.T) { // the line goes High and not Low again
		b, l := fresh(t)
		b.lines[4].sticks = unix.EINTR
		if err := l.Pulse(t.Context(), "entry_open", 10*time.Millisecond); err == nil {
			t.Error("a pulse that never fell was told as one")
		}
		b.mu.Lock()
		b.lines[4].err = nil
		b.mu.Unlock()
		l.Close()
		if b.lines[4].value != 0 {
			t.Error("High after Close")
		}
	})
	t.Run("late", func(t *testing.T) { // edges of a line that was given back
		b, l := fresh(t)
		l.Close()
		for i := range 10_000 {
			b.drive(1, i%2, false)
		}
		for range l.Edges() {
		}
	})
	t.Run("refuses", func(t *testing.T) { // for no reason that says it is gone
		b, l := fresh(t)
		b.lines[3].err = unix.EPERM
		for range 3 {
			if err := l.Set("entry_lock", gpio.High); err == nil || errors.Is(err, hal.ErrLost) {
				t.Errorf("%v", err)
			}
		}
		if l.Err() != nil {
			t.Error(l.Err())
		}
	})
}
