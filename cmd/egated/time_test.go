package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"egate/api"
	"egate/clock"
	"egate/configs"
	"egate/health"
	"egate/seal"
)

// centreOfTime answers questions for the time while it is there.
type centreOfTime struct {
	t     *timekeeper
	mu    sync.Mutex
	there bool
	asked int
	last  api.Time
	wrong string // nonce to answer with instead
}

func (c *centreOfTime) AskTime(nonce string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.there {
		return false
	}
	c.asked++
	c.last = api.Time{Nonce: nonce, At: time.Now()}
	if c.wrong != "" {
		c.last.Nonce = c.wrong
	}
	c.t.answer(c.last)
	return true
}

// set changes what the centre does from now on.
func (c *centreOfTime) set(there bool, wrong string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.there, c.wrong = there, wrong
}

func (c *centreOfTime) seen() (asked int, last api.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked, c.last
}

// E-07: a first start, a jump and a day without the centre are faults and stop trust; the centre's answer to this very
// question, or two persons, end it.
func TestE07Timekeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, start := t.TempDir(), time.Now()
		var off atomic.Int64 // nanoseconds of the system's clock, which somebody sets
		clk := clock.New(clock.Sources{Wall: func() time.Time { return time.Now().Add(time.Duration(off.Load())) }, Mono: func() time.Duration { return time.Since(start) }}, clock.Known{Built: start})
		cfg := configs.Gate{Site: "site", Gate: "gate-1", StateDir: dir}
		var persons []*seal.Signer
		for n := range byte(2) {
			s, err := seal.NewSigner(bytes.Repeat([]byte{n + 1}, 32))
			if err != nil {
				t.Fatal(err)
			}
			pub := filepath.Join(dir, string('a'+rune(n))+".pub")
			if err := seal.Save(pub, s.Public(), false); err != nil {
				t.Fatal(err)
			}
			persons, cfg.Inspect.PolicyKeys = append(persons, s), append(cfg.Inspect.PolicyKeys, pub)
		}
		board := health.New(nil)
		keeper, err := newTimekeeper(clk, cfg, board, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		c := &centreOfTime{t: keeper}
		keeper.link = c
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go keeper.run(ctx)
		after := func(d time.Duration, want health.Code) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			for _, code := range clockFaults {
				if board.Has(code, health.PartClock) != (code == want) {
					t.Fatalf("%s: %v, want %q", code, board.Has(code, health.PartClock), want)
				}
			}
			if clk.Trusted() != (want == "") {
				t.Fatalf("trusted %v with %q", clk.Trusted(), want)
			}
		}
		after(time.Minute, health.ClockStale) // nobody has said what time it is
		c.set(true, "another question")
		after(time.Minute, health.ClockStale)
		if n, _ := c.seen(); n < 10 {
			t.Errorf("asked %d times in a minute of silence", n)
		}
		c.set(true, "")
		after(10*time.Second, "")
		asked, _ := c.seen()
		after(time.Hour, "")
		if n, _ := c.seen(); n-asked < 11 || n-asked > 13 {
			t.Errorf("asked %d times in a good hour", n-asked)
		}
		off.Add(int64(time.Hour))
		time.Sleep(clock.Every)
		synctest.Wait()
		after(2*time.Second, "") // a jump, and the centre's answer to it
		c.set(false, "")
		off.Add(-int64(time.Hour))
		after(2*time.Second, health.ClockJumped)
		_, last := c.seen()
		keeper.answer(last) // an old answer, replayed
		after(time.Hour, health.ClockJumped)
		question, err := os.ReadFile(filepath.Join(dir, questionFile))
		if err != nil {
			t.Fatal(err)
		}
		half, err := clock.Answer(question, time.Now(), persons[0])
		if err != nil {
			t.Fatal(err)
		}
		put := func(b []byte) {
			t.Helper()
			if err := os.WriteFile(filepath.Join(dir, answerFile), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		put(half)
		after(2*time.Second, health.ClockJumped) // one person is not enough
		both, err := clock.Agree(half, time.Now(), time.Minute, persons[1])
		if err != nil {
			t.Fatal(err)
		}
		put(both)
		after(2*time.Second, "")
		after(24*time.Hour-time.Minute, "")
		after(2*time.Minute, health.ClockStale)
		put(both) // the same answer again
		after(2*time.Second, health.ClockStale)
		var q clock.Question
		if err := json.Unmarshal(question, &q); err != nil || q.Gate != "gate-1" {
			t.Errorf("%+v, %v", q, err)
		}
		c.set(true, "")
		after(2*time.Second, "")
		if _, err := os.Stat(filepath.Join(dir, questionFile)); err == nil {
			t.Error("the question is still there")
		}
	})
}
