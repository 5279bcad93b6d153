// Package display serves the traveller screen on loopback: a page that renders what it is told and
// decides nothing. State goes down over SSE, the traveller's touches come up by POST.
package display

// Screen is one state of the traveller screen. It holds nothing personal: Language is the only
// thing derived from the document.
type Screen struct {
	Name       string   `json:"screen"`                // key into locales and pictograms: notice, read_document, reading, lift_document, enter, ...
	Language   string   `json:"lang,omitempty"`        // BCP 47 tag; empty keeps the traveller's choice
	Progress   int      `json:"progress"`              // per cent of the chip read, -1 for none
	Prompt     string   `json:"prompt,omitempty"`      // second key: what to do better (C-13, F-03)
	DotX       *float64 `json:"dot_x,omitempty"`       // moving dot, -1 … 1
	DeadlineMS int64    `json:"deadline_ms,omitempty"` // time left when sent, shown as countdown
	More       bool     `json:"more_time,omitempty"`   // more-time may be asked for
	Decline    bool     `json:"decline,omitempty"`     // the staffed lane may still be chosen by one touch
	Reference  string   `json:"reference,omitempty"`   // short random reference on a refusal (DP-09)
	Light      uint32   `json:"light,omitempty"`       // light challenge 0xRRGGBB
	Simulated  bool     `json:"simulated,omitempty"`   // marks every page of a simulation
}

// Touch is what a traveller may press.
type Touch string

// Touches. Accept is the free choice of this lane after the notice (DP-05).
const (
	TouchAccept   Touch = "accept"
	TouchDecline  Touch = "decline"
	TouchMoreTime Touch = "more_time"
	TouchExit     Touch = "exit_request"
)

// Names of the screens, in the order of a passage.
const (
	ScreenNotice      = "notice"
	ScreenPlace       = "place_document"
	ScreenReading     = "reading"
	ScreenWaiting     = "waiting"
	ScreenLift        = "lift_document"
	ScreenEnter       = "enter"
	ScreenSecuring    = "securing"
	ScreenCapture     = "capture"
	ScreenDeciding    = "deciding"
	ScreenGo          = "go"
	ScreenRefer       = "see_officer"
	ScreenLeaveBack   = "leave_back"
	ScreenLuggage     = "take_luggage"
	ScreenOneAtATime  = "one_at_a_time"
	ScreenClosed      = "closed"
	ScreenEmergency   = "emergency"
	ScreenRecovering  = "recovering"
	ScreenDoorBlocked = "door_blocked"
)
