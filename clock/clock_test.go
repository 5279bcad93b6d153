package clock

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"

	"egate/seal"
)

var built = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// machine is the clocks of a machine that the test moves.
type machine struct {
	wall time.Time
	mono time.Duration
}

func (m *machine) sources() Sources {
	return Sources{func() time.Time { return m.wall }, func() time.Duration { return m.mono }}
}

func (m *machine) pass(d time.Duration) { m.wall, m.mono = m.wall.Add(d), m.mono+d }

func expect(t *testing.T, c *Clock, why Why) {
	t.Helper()
	if got := c.Look(); got != why || c.Trusted() != (why == Trusted) {
		t.Errorf("time is %q, want %q", got, why)
	}
}

func sign(t *testing.T, c *Clock, at time.Time) {
	t.Helper()
	if _, err := c.Signed(at, c.Mono()); err != nil {
		t.Error(err)
	}
}

// E-07: what is trusted at the start.
func TestE07Start(t *testing.T) {
	now := built.AddDate(0, 3, 0)
	for name, x := range map[string]struct {
		wall time.Time
		k    Known
		why  Why
		now  time.Time
	}{
		"first start":                {now, Known{Built: built}, Stale, now},
		"an hour after":              {now, Known{built, now.Add(-time.Hour), now.Add(-time.Hour)}, Trusted, now},
		"two days after":             {now, Known{built, now.AddDate(0, 0, -2), now.AddDate(0, 0, -2)}, Stale, now},
		"dead clock":                 {time.Unix(0, 0), Known{built, now, now}, Unset, now},
		"behind the program":         {built.Add(-time.Hour), Known{Built: built}, Unset, built},
		"behind the journal":         {now.Add(-time.Minute), Known{built, now, now.Add(-time.Hour)}, Unset, now},
		"a second behind is no jump": {now.Add(-time.Second), Known{built, now, now.Add(-time.Hour)}, Trusted, now},
	} {
		m := &machine{wall: x.wall}
		c := New(m.sources(), x.k)
		if got := c.Look(); got != x.why || !c.Now().Equal(x.now) {
			t.Errorf("%s: %q at %s, want %q at %s", name, got, c.Now(), x.why, x.now)
		}
	}
}

// E-07: a jump either way, a dead clock and a day without the centre stop trust until the centre has signed.
func TestE07TrustedUntil(t *testing.T) {
	now := built.AddDate(0, 3, 0)
	for _, jump := range []time.Duration{3 * time.Second, -3 * time.Second, time.Hour, -365 * 24 * time.Hour, 10 * 365 * 24 * time.Hour} {
		m := &machine{wall: now}
		c := New(m.sources(), Known{built, now.Add(-time.Hour), now.Add(-time.Hour)})
		expect(t, c, Trusted)
		m.wall = m.wall.Add(jump)
		m.pass(time.Second)
		expect(t, c, Jumped)
		if got := c.Now(); !got.Equal(now.Add(time.Second)) {
			t.Errorf("jump of %s: it is %s", jump, got)
		}
		m.pass(time.Hour)
		expect(t, c, Jumped) // time heals nothing
		sign(t, c, now.Add(time.Hour))
		expect(t, c, Trusted)
		// The system's clock comes right again, which is a jump too.
		m.wall = now.Add(time.Hour)
		m.pass(time.Second)
		if (jump + time.Second).Abs() > MaxStep {
			expect(t, c, Jumped)
		}
	}
	m := &machine{wall: now}
	c := New(m.sources(), Known{Built: built})
	expect(t, c, Stale)
	sign(t, c, now)
	m.pass(MaxAge)
	expect(t, c, Trusted)
	m.pass(time.Second)
	expect(t, c, Stale)
	if k := c.Known(); !k.Signed.Equal(now) || !k.Journal.Equal(now) {
		t.Errorf("kept: %+v", k)
	}
}

// E-07: slewing is no jump, however long it goes on.
func TestE07Slew(t *testing.T) {
	m := &machine{wall: built.AddDate(0, 3, 0)}
	c := New(m.sources(), Known{Built: built})
	sign(t, c, m.wall)
	for range 10000 {
		m.pass(time.Second)
		m.wall = m.wall.Add(500 * time.Microsecond)
		c.Look()
	}
	expect(t, c, Trusted)
}

// E-07: a late answer, and a centre whose clock is behind, tell nothing; two persons may say what they see.
func TestE07Answers(t *testing.T) {
	now := built.AddDate(0, 3, 0)
	m := &machine{wall: now}
	c := New(m.sources(), Known{built, now, now})
	asked := c.Mono()
	m.pass(MaxWay + time.Millisecond)
	if _, err := c.Signed(now, asked); err == nil {
		t.Error("a late answer was taken")
	}
	for _, at := range []time.Time{built.Add(-time.Hour), now.Add(-time.Hour)} {
		if _, err := c.Signed(at, c.Mono()); err == nil {
			t.Errorf("the centre's %s was taken", at)
		}
	}
	asked = c.Mono()
	m.pass(2 * time.Second)
	if behind, err := c.Signed(m.wall.Add(9*time.Second), asked); err != nil || behind != 10*time.Second {
		t.Errorf("behind %s, %v", behind, err)
	}
	if err := c.Confirm(built.Add(-time.Second)); err == nil {
		t.Error("a time before the program was confirmed")
	}
	if err := c.Confirm(now.Add(-48 * time.Hour)); err != nil || !c.Now().Equal(now.Add(-48*time.Hour)) {
		t.Errorf("confirmed: %s, %v", c.Now(), err)
	}
}

// E-07: whatever the system's clock does, time never runs backwards between confirmations nor behind what is known, and a
// jump is never trusted.
func TestE07NeverBehind(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hours := func(name string) time.Duration {
			return time.Duration(rapid.IntRange(-100, 100).Draw(t, name)) * time.Hour
		}
		m := &machine{wall: built.Add(hours("wall"))}
		k := Known{Built: built, Journal: built.Add(hours("journal")), Signed: built.Add(hours("signed"))}
		c := New(m.sources(), k)
		last := c.Now()
		for _, f := range []time.Time{k.Built, k.Journal, k.Signed} {
			if last.Before(f) {
				t.Fatalf("it is %s, and was %s", last, f)
			}
		}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			m.pass(time.Duration(rapid.IntRange(0, 3600).Draw(t, "passes")) * time.Second)
			jump := time.Duration(rapid.IntRange(-100000, 100000).Draw(t, "jump")) * time.Second
			m.wall = m.wall.Add(jump)
			now := c.Now()
			if now.Before(last) {
				t.Fatalf("from %s to %s", last, now)
			}
			if jump.Abs() > 3*time.Second && c.Trusted() {
				t.Fatalf("a jump of %s is trusted", jump)
			}
			last = now
		}
	})
}

func TestE07Row(t *testing.T) {
	k := Known{Journal: built.Add(time.Hour), Signed: built}
	if got, err := ParseRow(k.Row()); err != nil || !got.Journal.Equal(k.Journal) || !got.Signed.Equal(k.Signed) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, row := range []string{"x", "2030-01-01T00:00:00Z", "2030-01-01T00:00:00Z x"} {
		if _, err := ParseRow(row); err == nil {
			t.Errorf("row %q was taken", row)
		}
	}
	if k, err := ParseRow(""); err != nil || !k.Signed.IsZero() {
		t.Errorf("%+v, %v", k, err)
	}
}

// E-07: two persons confirm for one question; one of them, one twice, a stranger, another question or gate is not enough.
func TestE07TwoPersonsConfirm(t *testing.T) {
	person := func(n byte) *seal.Signer {
		s, err := seal.NewSigner(bytes.Repeat([]byte{n}, 32))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	a, b, thief := person(1), person(2), person(3)
	keys := seal.Trust(a.Public(), b.Public())
	q := Question{"site", "gate-1", "n1"}
	ask, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	must := func(raw []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	one := must(Answer(ask, built, a))
	both := must(Agree(one, built.Add(time.Minute), time.Hour, b))
	if at, err := Confirmed(both, q, keys); err != nil || !at.Equal(built) {
		t.Errorf("%s, %v", at, err)
	}
	for name, raw := range map[string][]byte{"one": one, "one twice": must(Agree(one, built, time.Hour, a)), "with a stranger": must(Agree(one, built, time.Hour, thief)), "none": []byte("{}")} {
		if _, err := Confirmed(raw, q, keys); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for _, other := range []Question{{"site", "gate-1", "n2"}, {"site", "gate-2", "n1"}, {"other", "gate-1", "n1"}} {
		if _, err := Confirmed(both, other, keys); err == nil {
			t.Errorf("taken for %+v", other)
		}
	}
	if _, err := Agree(one, built.Add(2*time.Hour), time.Hour, b); err == nil {
		t.Error("the second person agrees to another time")
	}
}

func FuzzConfirmed(f *testing.F) {
	a, err := seal.NewSigner(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		f.Fatal(err)
	}
	good, err := Answer([]byte(`{"site":"s","gate":"g","nonce":"n"}`), built, a)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if _, err := Confirmed(raw, Question{"s", "g", "n"}, seal.Trust(a.Public())); err == nil {
			t.Error("one person has confirmed")
		}
	})
}
