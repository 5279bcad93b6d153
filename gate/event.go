package gate

import "egate/verdict"

// Kind is a kind of event.
type Kind uint8

// Events, past tense: what has happened.
const (
	EvNone Kind = iota
	EvStarted
	// Sensors.
	EvDoorMoved  // Door, Pos; On: a closed contact that has been made where it cannot be, not seen free since
	EvBeamed     // Door, Tri
	EvCounted    // Count; Door: on which side the last who left went
	EvObject     // On
	EvFire       // Tri, High is healthy
	EvExitButton // the button in the mantrap: towards the side of origin
	EvFault      // On: a fault that forbids new travellers is active
	// The traveller's screen.
	EvAccepted
	EvDeclined
	EvMore
	// Inspectors: Slot.
	EvReady
	EvLaid       // document present
	EvLifted     // document gone
	EvPrompt     // Reason: why no zone was read
	EvChecked    // Outcome, Reason
	EvHeads      // N
	EvTrackLost  //
	EvVerdict    // Outcome, Reason
	EvReaderFree // the inspector gave scanner and reader back
	EvCameraFree //
	EvExited     // its process is gone
	EvSilent     // its heartbeat stopped, or it spoke out of order
	EvBroken     // it reports a device fault
	// The centre and the desk.
	EvLease     // On
	EvShift     // On: the shift of every officer with a lease has ended (O-02)
	EvOrder     // Order, Lane, Mine, Second, Ref
	EvOwnerLost // Lane: the console of the officer who owns a referral has gone
	// Time and evidence.
	EvTimer     // Timer
	EvCommitted // N: number of the grant
	EvCommitFailed
	kindEnd
)

var kindNames = [...]string{"none", "started", "door_moved", "beamed", "counted", "object", "fire", "exit_button", "fault", "accepted", "declined", "more",
	"ready", "laid", "lifted", "prompt", "checked", "heads", "track_lost", "verdict", "reader_free", "camera_free", "exited", "silent", "broken",
	"lease", "shift", "order", "owner_lost", "timer", "committed", "commit_failed"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "?"
}

// Order is an officer's order; its signature, session and expiry have been checked before (O-03).
type Order uint8

// Orders.
const (
	OrderNone Order = iota
	OrderTake
	OrderReturn
	OrderAccept
	OrderSendBack
	OrderHold
	OrderOpenGate
	OrderCloseGate
	OrderReset
	OrderOpenEntry
	OrderOpenExit
	OrderRelease
	OrderEndEmergency
	OrderSelfTest
	OrderStandby
	OrderService
	OrderManual
	OrderHoldEntry // asked again: the officer is still there
	OrderLetGo
	OrderSpecimen     // in service: inspect a specimen
	OrderOutOfService // leave service with a fault: closed until a self-test has passed
	OrderHandOver     // Mine: of one who is here; Second: to another who is; N: what of it is his
	orderEnd
)

// What an officer who hands a gate over has of it: bits of Event.N.
const (
	HandReception uint8 = 1 << iota // the referral at the reader
	HandPassage                     // the referral inside, or the entry that he holds open
)

// Timer is one of the timers that actions start. Starting one again replaces it.
type Timer uint8

// Timers.
const (
	TimerNone Timer = iota
	TimerReception
	TimerPassage
	TimerCommit
	TimerEntry // travel and closing of the entry door
	TimerExit
	TimerGuard  // the entry beam has cleared
	TimerGuardX // the exit beam has cleared
	TimerRecover
	TimerSlot1
	TimerSlot2
	timerEnd
)

// Limit names a duration of the configuration.
type Limit uint8

// Limits.
const (
	LimitNone Limit = iota
	LimitDocument
	LimitChip
	LimitLift
	LimitNoShow
	LimitSecure
	LimitCapture
	LimitRelease
	LimitClear
	LimitLeave
	LimitReferral
	LimitPrompt // a quarter of it: the desk is told again that somebody waits, three times, before the cap
	LimitNote   // how long a closing word stays on the screen
	LimitCommit
	LimitTravel
	LimitRetry // pause before a blocked door is tried again
	LimitGuard // after a safety beam has cleared
	LimitRecover
	LimitWarm
	LimitExit // an inspector that was told to end
	LimitTest // both doors of a self-test
	limitEnd
)

// Event is one event. Only the fields that its kind names are set, so that events compare.
type Event struct {
	Kind    Kind
	Door    Door
	Pos     Position
	Tri     Tri
	Count   Count
	On      bool
	Slot    Slot
	Outcome verdict.Outcome
	Reason  verdict.Reason
	Timer   Timer
	Order   Order
	Lane    Lane  // whose referral an order is about
	Mine    bool  // the officer owns that referral, and the dossier is the one that was shown
	Second  bool  // another officer than its owner, who was shown the same dossier
	Ref     uint8 // echoed by the answer to an order
	N       uint8
}
