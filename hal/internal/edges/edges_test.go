package edges

import (
	"testing"

	"periph.io/x/conn/v3/gpio"
	"pgregory.net/rapid"

	"egate/hal"
)

// S-07: order per line is kept, what is lost shows as a gap, and the newest level of every line arrives.
func TestS07QueueKeepsOrderAndNewestLevel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := New()
		defer q.Close()
		names := []string{"entry_beam", "exit_beam", "fire_ok", "tamper_ok"}
		seq, last := map[string]uint32{}, map[string]hal.Edge{}
		push := func(n string) {
			seq[n]++
			e := hal.Edge{Line: n, Seq: seq[n], Level: gpio.Level(seq[n]%2 == 1)}
			last[n] = e
			q.Push(e)
		}
		for _, n := range names {
			push(n)
		}
		// One line floods, the others change now and then.
		n := rapid.SampledFrom([]int{10, Capacity - 10, Capacity + 1000, 2 * Capacity}).Draw(t, "edges")
		rare := rapid.IntRange(100, 5000).Draw(t, "rare")
		for i := range n {
			push(names[0])
			if i%rare == rare-1 {
				push(names[1+i/rare%3])
			}
		}
		total := 0
		for _, c := range seq {
			total += int(c)
		}
		got, seen, gaps := 0, map[string]hal.Edge{}, 0
		for done := 0; done < len(names); {
			e := <-q.C()
			got++
			if e.Seq <= seen[e.Line].Seq {
				t.Fatalf("%s: %d after %d", e.Line, e.Seq, seen[e.Line].Seq)
			}
			gaps += int(e.Seq - seen[e.Line].Seq - 1)
			seen[e.Line] = e
			if e == last[e.Line] {
				done++
			}
		}
		if gaps != int(q.Dropped()) || got+gaps != total {
			t.Fatalf("%d edges, %d arrived, %d gaps, %d dropped", total, got, gaps, q.Dropped())
		}
	})
}

func TestQueueCloseEndsChannel(t *testing.T) {
	q := New()
	q.Push(hal.Edge{Line: "a"})
	q.Close()
	q.Close()
	for range q.C() {
	}
	q.Push(hal.Edge{Line: "a"}) // after the end: no block, no panic
}
