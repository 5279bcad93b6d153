package control

import (
	"testing"
	"testing/synctest"
)

// TestP04EveryGrantWaitsForItsRecord: the numbers of the grants wrap, and the one with the number 0 waits for its
// record like any other. Before, every 256th grant was taken for none and its traveller turned away.
func TestP04EveryGrantWaitsForItsRecord(t *testing.T) {
	loop(t, func(r *rig) {
		r.l.m.GrantID = 255 // the loop waits for something to happen
		r.document(0)
		synctest.Wait()
		if n := r.doors.count("open entry"); n != 1 {
			t.Errorf("the entry was opened %d times", n)
		}
	})
}
