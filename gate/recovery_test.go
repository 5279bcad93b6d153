package gate

import (
	"slices"
	"testing"
)

// TestD02LinesLostInRecovery: once recovery has taken the release back, an unknown fire input is an alarm as
// everywhere else: lost lines have dropped the release, and only a new recovery restores it. Before, the
// model believed the doors restored, and closed released doors for ever (P-15).
func TestD02LinesLostInRecovery(t *testing.T) {
	m := New(Mantrap, true)
	for _, e := range []Event{
		{Kind: EvStarted}, {Kind: EvDoorMoved, Door: Entry, Pos: PosOpen}, {Kind: EvDoorMoved, Door: Exit, Pos: PosOpen},
		{Kind: EvFire, Tri: High},
	} {
		m, _ = Step(m, e)
	}
	if m.Mode != ModeRecovering || !m.Restored {
		t.Fatalf("no recovery to disturb: %+v", m)
	}
	m, acts := Step(m, Event{Kind: EvFire, Tri: Unknown})
	if m.Mode != ModeEmergency || !slices.ContainsFunc(acts, func(a Action) bool { return a.Kind == ActRelease }) {
		t.Fatalf("no release: %v, %v", m.Mode, acts)
	}
	m, _ = Step(m, Event{Kind: EvFire, Tri: High})
	m, acts = Step(m, Event{Kind: EvOrder, Order: OrderEndEmergency})
	if m.Mode != ModeRecovering || !slices.ContainsFunc(acts, func(a Action) bool { return a.Kind == ActRestore }) {
		t.Fatalf("no restore: %v, %v", m.Mode, acts)
	}
}
