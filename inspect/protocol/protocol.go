// Package protocol is what egated and the inspector of one traveller say to each other: frames on
// an inherited socket pair, a 4-byte big-endian length and one JSON document of at most MaxFrame
// bytes. Whatever does not parse, has an unknown field or breaks the order of the dialogue ends the
// inspection as "inspector fault" (design §5).
//
// Nothing personal crosses in the clear: egated receives the language tag, results, counts and
// sealed envelopes, never a name, a number, a pixel or a template.
package protocol

import (
	"time"

	"egate/verdict"
)

// MaxFrame caps one frame. A sealed referral dossier with two photos is the largest.
const MaxFrame = 512 << 10

// Device names a leased device.
type Device string

// Devices that an inspector may be leased.
const (
	Scanner Device = "scanner"
	NFC     Device = "nfc"
	Camera  Device = "camera"
)

// ToInspector is what egated says. Exactly one field is set.
type ToInspector struct {
	Begin    *Begin    `json:"begin,omitempty"`
	Lease    *Lease    `json:"lease,omitempty"`
	Capture  *Capture  `json:"capture,omitempty"`
	Stop     *Stop     `json:"stop,omitempty"`
	Answer   *Answer   `json:"answer,omitempty"`
	Shown    *Shown    `json:"shown,omitempty"`
	Officers *Officers `json:"officers,omitempty"`
	End      *End      `json:"end,omitempty"`
}

// Begin starts the inspection of one traveller. It comes once, after Ready, and only when the
// traveller has seen the notice and chosen this lane (DP-05).
type Begin struct {
	Passage    string     `json:"passage"` // 128 random bits, hex (E-08)
	Gate       string     `json:"gate"`
	Epoch      uint64     `json:"epoch"`
	Date       time.Time  `json:"date"`      // trusted wall clock for certificate and document decisions
	DateSure   bool       `json:"date_sure"` // Date is trusted: without it nothing that rests on a date passes (E-07)
	CentreKey  []byte     `json:"centre_key"`
	Officers   []Officer  `json:"officers"`
	Chips      []ChipSize `json:"chips"`
	DocumentMS int        `json:"document_ms"` // limit for document and chip
	CaptureMS  int        `json:"capture_ms"`  // limit for the live capture
	// Service says that a technician lays a specimen down (P-14): nothing but a specimen is inspected, the centre is
	// not asked, no officer gets a dossier, and the verdict allows nothing.
	Service bool `json:"service,omitempty"`
}

// Officer is a recipient of referral dossiers: HPKE public key of one signed-in session.
type Officer struct {
	KeyID string `json:"kid"`
	Key   []byte `json:"key"`
}

// ChipSize remembers the largest read size of a chip type: not personal, survives the traveller.
type ChipSize struct {
	Hash string `json:"hash"` // SHA-256 of the historical bytes, hex, first 16 bytes
	Size int    `json:"size"`
}

// Lease hands over (Held) or takes back a device.
type Lease struct {
	Device Device `json:"device"`
	Held   bool   `json:"held"`
}

// Capture tells that exactly one person is secured: live frames may be taken now (DP-06).
type Capture struct{}

// Stop ends the capture early, e.g. because the occupancy changed.
type Stop struct {
	Reason verdict.Reason `json:"reason"`
}

// Answer carries a sealed answer of the centre.
type Answer struct {
	Sealed []byte `json:"sealed"`
}

// Shown tells that step Index of the light challenge was shown at T, nanoseconds of CLOCK_MONOTONIC.
type Shown struct {
	Index int   `json:"index"`
	T     int64 `json:"t"`
}

// Officers replaces the recipients and asks for the dossier to be sealed again.
type Officers struct {
	Officers []Officer `json:"officers"`
}

// End ends the inspection: everything is wiped and the process exits after Ended.
type End struct{}

// FromInspector is what the inspector says. Exactly one field is set.
type FromInspector struct {
	Ready     *Ready     `json:"ready,omitempty"`
	Beat      *Beat      `json:"beat,omitempty"`
	Fault     *Fault     `json:"fault,omitempty"`
	Document  *Document  `json:"document,omitempty"`
	Progress  *Progress  `json:"progress,omitempty"`
	Language  *Language  `json:"language,omitempty"`
	Lookup    *Lookup    `json:"lookup,omitempty"`
	Checked   *Checked   `json:"checked,omitempty"`
	Guidance  *Guidance  `json:"guidance,omitempty"`
	Challenge *Challenge `json:"challenge,omitempty"`
	Heads     *Heads     `json:"heads,omitempty"`
	TrackLost *TrackLost `json:"track_lost,omitempty"`
	Verdict   *Verdict   `json:"verdict,omitempty"`
	Dossier   *Dossier   `json:"dossier,omitempty"`
	Released  *Released  `json:"released,omitempty"`
	Ended     *Ended     `json:"ended,omitempty"`
}

// Ready tells that models are loaded and the sandbox is entered.
type Ready struct {
	Sandbox   string `json:"sandbox"`    // e.g. "landlock=7 seccomp no_new_privs no_dump netns"
	ModelPack string `json:"model_pack"` // id and hash
	Policy    string `json:"policy"`     // version and hash
	Trust     string `json:"trust"`      // version and hash of the trust bundle
	DemoModel bool   `json:"demo_model"`
	WarmMS    int    `json:"warm_ms"`
}

// Beat is the heartbeat, at least every second while begun.
type Beat struct {
	Stage string `json:"stage"`
}

// Fault reports a device or a part of the inspector; Code is one of the health catalogue.
type Fault struct {
	Code   string `json:"code"`
	Device Device `json:"device,omitempty"`
	Func   string `json:"func,omitempty"` // function name only, never a value
}

// Document tells that a document was laid on the reader or lifted (P-13), or why no MRZ was read.
type Document struct {
	Present bool           `json:"present"`
	Prompt  verdict.Reason `json:"prompt,omitempty"` // MRZUnreadable, MRZWrongPage, MRZUpsideDown, MRZCoverOn
}

// Progress is the chip read in per cent.
type Progress struct {
	Percent int `json:"percent"`
}

// Language is the language tag suggested by the issuing state, e.g. "uk". The only thing of the
// document that egated receives; it goes to the screen and nowhere else.
type Language struct {
	Tag string `json:"tag"`
}

// Lookup asks for an answer of the centre; Sealed is an HPKE envelope to the centre's key.
type Lookup struct {
	Sealed []byte `json:"sealed"`
}

// Checked is the document part: Outcome Allow means eligible to enter, everything else refers.
type Checked struct {
	Outcome verdict.Outcome `json:"outcome"`
	Reason  verdict.Reason  `json:"reason"`
	Checks  []verdict.Check `json:"checks"`
	Stages  []StageTime     `json:"stages"`
}

// StageTime is one timed part of the inspection.
type StageTime struct {
	Stage string `json:"stage"`
	MS    int    `json:"ms"`
}

// Instruction is one instruction to the person in front of the camera.
type Instruction string

// Instructions (F-03): one at a time.
const (
	LookHere      Instruction = "look_here"
	ComeCloser    Instruction = "come_closer"
	StepBack      Instruction = "step_back"
	FollowDot     Instruction = "follow_dot"
	RemoveGlasses Instruction = "remove_glasses"
	UncoverFace   Instruction = "uncover_face"
	OneAtATime    Instruction = "one_person"
	HoldStill     Instruction = "hold_still"
	MoreLight     Instruction = "more_light"
)

// Guidance draws on the traveller screen: an oval, an arrow or a dot. DotX is the horizontal
// position of the dot in -1 … 1 of the screen's width, meaningful with FollowDot.
type Guidance struct {
	Instruction Instruction `json:"instruction"`
	DotX        float64     `json:"dot_x"`
}

// Challenge is a light schedule for screen and lamps: gentle, at most 3 changes a second.
type Challenge struct {
	Schedule []LightStep `json:"schedule"`
}

// LightStep is one step: colour 0xRRGGBB for MS milliseconds.
type LightStep struct {
	Colour uint32 `json:"colour"`
	MS     int    `json:"ms"`
}

// Heads is how many heads stay before the camera, never whose (F-01). Confidence is the least score, 0 … 1, of those
// that the last picture shows, 0 where there is none.
type Heads struct {
	Count      int     `json:"count"`
	Confidence float64 `json:"confidence"`
}

// TrackLost says that the one tracked face was lost after the first captured frame: voids a verdict.
type TrackLost struct{}

// Verdict is the end of the comparison. Bands, never scores.
type Verdict struct {
	Outcome   verdict.Outcome `json:"outcome"`
	Reason    verdict.Reason  `json:"reason"`
	Checks    []verdict.Check `json:"checks"`
	MatchBand string          `json:"match_band"` // below | marginal | above | clear
	PADBand   string          `json:"pad_band"`
	Model     string          `json:"model"`  // model pack id@hash
	Policy    string          `json:"policy"` // policy version@hash
	Stages    []StageTime     `json:"stages"`
}

// Dossier is a referral sealed to one officer session. Hash is SHA-256 over the plain dossier: an
// officer's order names it.
type Dossier struct {
	KeyID  string `json:"kid"`
	Sealed []byte `json:"sealed"`
	Hash   []byte `json:"hash"`
}

// Released gives a leased device back, after its buffers were freed.
type Released struct {
	Device Device `json:"device"`
}

// Ended is the last word before exit.
type Ended struct {
	Chips  []ChipSize `json:"chips"`
	Optics *Optics    `json:"optics,omitempty"`
}

// Optics are rounded medians of one capture that tell of lamps and lens and of nobody: light of the face in grey
// levels, sharpness, evenness (F-15). The daily medians of many are watched.
type Optics struct {
	Light      float64 `json:"light"`
	Sharpness  float64 `json:"sharpness"`
	Uniformity float64 `json:"uniformity"`
	// Frames of the camera while it was looked at, and those of them that nobody looked at (M-05).
	Frames  int `json:"frames,omitempty"`
	Dropped int `json:"dropped,omitempty"`
}
