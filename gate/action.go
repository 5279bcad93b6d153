package gate

import "egate/verdict"

// ActionKind is a kind of action.
type ActionKind uint8

// Actions, imperative. Those that open across the border are grants: they are only emitted for the
// event Committed. Everything else acts at once.
const (
	ActNone ActionKind = iota
	// Doors.
	ActOpen    // Door: unlock and pulse
	ActClose   // Door: pulse; the interlock refuses into a broken beam
	ActLock    // Door, On
	ActRelease // emergency release of both doors
	ActRestore // end of the release: doors obey pulses again
	// Timers.
	ActStart // Timer, Limit, N times the limit
	ActStop  // Timer
	// Inspectors: Slot.
	ActSpawn
	ActBegin    // and lease scanner and reader
	ActTakeBack // scanner and reader: Device On=false
	ActCapture  // lease the camera, take live frames
	ActCamera   // take the camera back
	ActHalt     // Reason: the capture ends, the dossier is sealed
	ActEnd
	ActKill
	// Evidence and orders.
	ActCommit // N: number of the grant that waits for this step's record
	ActEmit   // What …
	ActAnswer // Ref, On: accepted, Reason: why not
	ActAdmit  // the traveller at reception becomes the one of the passage
	actEnd
)

// What an emitted event tells.
type What uint8

// Emitted events.
const (
	WhatNone What = iota
	WhatChoice
	WhatReferral // State in Ref: open, taken, returned, decided, closed
	WhatPassage  // Lane, Outcome, Reason, On: completed
	WhatAlarm    // Reason, On: raised
	WhatMode     // Mode
	WhatDoor     // Door, Reason
	WhatTest     // On: passed, Reason
)

// RefEvent is what happened to a referral.
type RefEvent uint8

// Happenings of a referral.
const (
	RefEvNone RefEvent = iota
	RefEvOpen
	RefEvTaken
	RefEvReturned
	RefEvAccepted
	RefEvSentBack
	RefEvClosed
	RefEvConfirmed // by a second officer
	RefEvHandedOver
	refEvEnd
)

func (r RefEvent) String() string {
	return [...]string{"", "open", "taken", "returned", "decided", "decided", "closed", "confirmed", "handed_over",
		"", "", "", "", "", "", ""}[r&15]
}

// Action is one action.
type Action struct {
	Kind    ActionKind
	Door    Door
	On      bool
	Timer   Timer
	Limit   Limit
	Slot    Slot
	What    What
	Lane    Lane
	Outcome verdict.Outcome
	Reason  verdict.Reason
	RefEv   RefEvent
	Mode    Mode
	Ref     uint8
	N       uint8
}
