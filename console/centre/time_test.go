package centre

import (
	"strings"
	"testing"
	"time"
)

// E-07: the centre signs its time as the answer to a gate's question, over the embedded broker and over Mosquitto with the
// site's access list.
func TestE07AnswersForTime(t *testing.T) {
	each(t, func(t *testing.T, embedded bool) {
		e := newLine(t, embedded).gate(here)
		nonce := strings.Repeat("5a", 16)
		before := time.Now()
		if !e.l.AskTime(nonce) {
			t.Fatal("the gate is not connected")
		}
		select {
		case a := <-e.times:
			if a.Nonce != nonce || a.Gate != here || a.At.Before(before.Add(-time.Second)) || a.At.After(time.Now().Add(time.Second)) {
				t.Errorf("%+v", a)
			}
		case <-time.After(patience):
			t.Fatal("no answer")
		}
	})
}
