package gate

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"egate/verdict"
)

// up is a start with an empty mantrap, a lease and a warm inspector; every story begins with it.
const up = `
door_moved pos=closed
door_moved door=exit pos=closed
beamed tri=low
beamed door=exit tri=low
counted count=0
lease on=yes
timer timer=guard_entry
timer timer=guard_exit
expect recovering idle empty
fire tri=high
expect open idle empty
ready slot=1
expect open notice empty
`

const document = `
accepted
expect open place empty
laid slot=1
expect open reading empty
checked slot=1 outcome=allow reason=ok
expect open lift empty
lifted slot=1
expect open idle admitting
reader_free slot=1
`

const inside = `
committed
door_moved pos=between
door_moved pos=open
beamed tri=high
counted count=1
beamed tri=low
timer timer=guard_entry
expect open idle securing
door_moved pos=between
door_moved pos=closed
expect open idle capturing
`

const through = `
ready slot=2
verdict slot=1 outcome=allow reason=ok
committed
expect open notice releasing
door_moved door=exit pos=between
door_moved door=exit pos=open
beamed door=exit tri=high
beamed door=exit tri=low
counted count=0
expect open notice clearing
timer timer=guard_exit
door_moved door=exit pos=closed
exited slot=1
expect open notice empty
`

const genuine = up + document + inside + through

// Both doors follow their self-test.
const bothDoors = `
door_moved pos=between
door_moved pos=open
door_moved pos=between
door_moved pos=closed
door_moved door=exit pos=between
door_moved door=exit pos=open
door_moved door=exit pos=between
door_moved door=exit pos=closed
`

// A technician's self-test (M-02).
const selfTest = up + `
order order=service lane=passage mine=yes
expect service idle empty
order order=self_test lane=passage mine=yes
expect service idle testing
door_moved pos=between
door_moved pos=open
door_moved pos=between
door_moved pos=closed
expect service idle testing
door_moved door=exit pos=between
door_moved door=exit pos=open
door_moved door=exit pos=between
door_moved door=exit pos=closed
expect service idle empty
`

// An officer lets somebody through by hand (P-14).
const manual = up + `
order order=manual lane=passage mine=yes
expect manual idle empty
order order=open_entry lane=passage mine=yes
expect manual idle manual
door_moved pos=between
door_moved pos=open
beamed tri=high
counted count=1
beamed tri=low
timer timer=guard_entry
door_moved pos=between
door_moved pos=closed
expect manual idle manual
order order=open_exit lane=passage mine=yes
expect manual idle releasing
committed
door_moved door=exit pos=between
door_moved door=exit pos=open
beamed door=exit tri=high
counted count=0 door=exit
beamed door=exit tri=low
timer timer=guard_exit
door_moved door=exit pos=closed
expect manual idle empty
`

// A one-step gate (P-02): the traveller stands in the zone from the notice on.
const upOneStep = `
door_moved door=exit pos=closed
beamed door=exit tri=low
counted count=0
lease on=yes
timer timer=guard_exit
fire tri=high
expect open idle empty
ready slot=1
expect open notice empty
counted count=1
`

const insideOneStep = `
accepted
laid slot=1
checked slot=1 outcome=allow reason=ok
expect open lift empty
lifted slot=1
expect open idle capturing
reader_free slot=1
ready slot=2
expect open idle capturing
`

const throughOneStep = `
verdict slot=1 outcome=allow reason=ok
committed
expect open idle releasing
door_moved door=exit pos=between
door_moved door=exit pos=open
beamed door=exit tri=high
beamed door=exit tri=low
counted count=0 door=exit
expect open idle clearing
timer timer=guard_exit
`

var oneStepStories = []story{
	{name: "one-step: a genuine traveller", topology: OneStep, trace: upOneStep + insideOneStep + throughOneStep + `
door_moved door=exit pos=closed
exited slot=1
expect open notice empty
`, outcome: verdict.Allow, reason: verdict.OK, lane: LanePassage, crossed: true, exit: 1},
	{name: "one-step: the next one steps in behind the open door", topology: OneStep, trace: upOneStep + insideOneStep + throughOneStep + `
counted count=1
door_moved door=exit pos=closed
exited slot=1
expect open notice empty
`, outcome: verdict.Allow, reason: verdict.IntruderDuringRelease, lane: LanePassage, crossed: true, exit: 1, alarms: []verdict.Reason{verdict.IntruderDuringRelease}},
	{name: "one-step: the next one waits until the door is shut", topology: OneStep, trace: upOneStep + insideOneStep + throughOneStep + `
door_moved door=exit pos=closed
counted count=1
exited slot=1
expect open notice empty
`, outcome: verdict.Allow, reason: verdict.OK, lane: LanePassage, crossed: true, exit: 1},
	{name: "one-step: a second person behind the first, who goes across", topology: OneStep, trace: upOneStep + insideOneStep + `
verdict slot=1 outcome=allow reason=ok
committed
door_moved door=exit pos=open
counted count=many
counted count=1 door=exit
door_moved door=exit pos=closed
expect open idle referred
timer timer=passage
counted count=0
exited slot=1
expect open notice empty
`, outcome: verdict.Refer, reason: verdict.IntruderDuringRelease, lane: LanePassage, crossed: true, exit: 1, alarms: []verdict.Reason{verdict.OfficerNoDecision, verdict.IntruderDuringRelease}},
	{name: "one-step: turned round at the open door", topology: OneStep, trace: upOneStep + insideOneStep + `
verdict slot=1 outcome=allow reason=ok
committed
door_moved door=exit pos=open
counted count=0
expect open idle clearing
door_moved door=exit pos=closed
exited slot=1
expect open notice empty
`, reason: verdict.NoShow, lane: LanePassage, exit: 1},
	{name: "one-step: a second person steps into the zone", topology: OneStep, trace: upOneStep + insideOneStep + `
counted count=many
expect open idle leaving_back
counted count=0
exited slot=1
expect open notice empty
`, outcome: verdict.Refer, reason: verdict.TwoPersons, lane: LanePassage, alarms: []verdict.Reason{verdict.TwoPersons}, never: []ActionKind{ActOpen}},
	{name: "one-step: a second person steps in after the allow, before its record", topology: OneStep, trace: upOneStep + insideOneStep + `
verdict slot=1 outcome=allow reason=ok
counted count=many
committed
expect open idle leaving_back
counted count=0
exited slot=1
`, outcome: verdict.Refer, reason: verdict.TwoPersons, lane: LanePassage, alarms: []verdict.Reason{verdict.TwoPersons}, never: []ActionKind{ActOpen}},
	{name: "one-step: another face, sent back, walks away", topology: OneStep, trace: upOneStep + insideOneStep + `
verdict slot=1 outcome=refer reason=face_mismatch
expect open idle referred
order order=take lane=passage mine=yes
order order=send_back lane=passage mine=yes
expect open idle leaving_back
counted count=0
exited slot=1
expect open notice empty
`, outcome: verdict.Refer, reason: verdict.FaceMismatch, lane: LanePassage, never: []ActionKind{ActOpen}},
	{name: "one-step: walks away during the capture", topology: OneStep, trace: upOneStep + insideOneStep + `
counted count=0
exited slot=1
expect open notice empty
`, outcome: verdict.Refer, reason: verdict.OccupancyChanged, lane: LanePassage, never: []ActionKind{ActOpen}},
	{name: "one-step: the document of whom has walked away", topology: OneStep, trace: upOneStep + `
accepted
laid slot=1
checked slot=1 outcome=allow reason=ok
counted count=0
lifted slot=1
exited slot=1
expect open idle empty
`, reason: verdict.NoShow, lane: LanePassage, never: []ActionKind{ActOpen, ActCapture}},
}

// story is a scenario told to the machine alone: what must have happened at its end.
type story struct {
	name, trace string
	topology    Topology
	outcome     verdict.Outcome
	reason      verdict.Reason
	lane        Lane
	crossed     bool
	alarms      []verdict.Reason
	never       []ActionKind // from the story's own lines
	exit        int          // how often the exit was told to open
}

var stories = []story{
	{name: "01 a genuine traveller", trace: genuine, outcome: verdict.Allow, reason: verdict.OK, lane: LanePassage, crossed: true, exit: 1},
	{name: "04 the next document is read while the mantrap is occupied (P-05)", trace: up + document + inside + `
ready slot=2
expect open notice capturing
accepted
laid slot=2
checked slot=2 outcome=allow reason=ok
lifted slot=2
expect open wait capturing
verdict slot=1 outcome=allow reason=ok
committed
door_moved door=exit pos=open
counted count=0
door_moved door=exit pos=closed
expect open wait clearing
exited slot=1
expect open idle admitting
`, outcome: verdict.Allow, reason: verdict.OK, lane: LanePassage, crossed: true, exit: 1},
	{name: "05 another face: referred, nobody comes, out to the side of origin (P-06, P-08)", trace: up + document + inside + `
verdict slot=1 outcome=refer reason=face_mismatch
expect open idle referred
timer timer=passage
timer timer=passage
timer timer=passage
expect open idle referred
timer timer=passage
expect open idle leaving_back
door_moved pos=open
counted count=0
door_moved pos=closed
exited slot=1
`, outcome: verdict.Refer, reason: verdict.FaceMismatch, lane: LanePassage, alarms: []verdict.Reason{verdict.OfficerNoDecision}},
	{name: "05 another face: the officer accepts (O-03)", trace: up + document + inside + `
verdict slot=1 outcome=refer reason=face_mismatch
order order=take lane=passage mine=yes
order order=accept lane=passage mine=yes
committed
expect open idle releasing
door_moved door=exit pos=open
counted count=0
door_moved door=exit pos=closed
exited slot=1
`, outcome: verdict.Refer, reason: verdict.FaceMismatch, lane: LanePassage, crossed: true, exit: 1},
	{name: "05 another face: a second officer decides on what the first one owns", trace: up + document + inside + `
verdict slot=1 outcome=refer reason=face_mismatch
order order=take lane=passage mine=yes
order order=take lane=passage
order order=accept lane=passage
order order=send_back lane=passage
expect open idle referred
order order=send_back lane=passage mine=yes
expect open idle leaving_back
order order=accept lane=passage mine=yes
expect open idle leaving_back
door_moved pos=open
counted count=0
door_moved pos=closed
exited slot=1
`, outcome: verdict.Refer, reason: verdict.FaceMismatch, lane: LanePassage},
	{name: "a print is not accepted from the desk (O-07, F-09)", trace: up + document + inside + `
verdict slot=1 outcome=refer reason=pad_failed
order order=take lane=passage mine=yes
order order=accept lane=passage mine=yes
expect open idle referred
order order=send_back lane=passage mine=yes
order order=send_back lane=passage mine=yes
expect open idle leaving_back
door_moved pos=open
counted count=0
door_moved pos=closed
exited slot=1
`, outcome: verdict.Refer, reason: verdict.PADFailed, lane: LanePassage},
	{name: "a changed occupancy needs two officers (O-07)", trace: up + document + inside + `
counted count=unknown
expect open idle referred
counted count=1
order order=take lane=passage mine=yes
order order=accept lane=passage mine=yes
expect open idle referred
order order=accept lane=passage second=yes
expect open idle referred
order order=accept lane=passage mine=yes
expect open idle releasing
committed
door_moved door=exit pos=open
counted count=0
door_moved door=exit pos=closed
exited slot=1
`, outcome: verdict.Refer, reason: verdict.OccupancyChanged, lane: LanePassage, crossed: true, exit: 1},
	{name: "the officer's console dies: the referral is back in the queue, another takes it (O-01)", trace: up + document + inside + `
verdict slot=1 outcome=refer reason=face_mismatch
order order=take lane=passage mine=yes
owner_lost lane=passage
order order=accept lane=passage mine=yes
expect open idle referred
order order=take lane=passage
order order=send_back lane=passage mine=yes
expect open idle leaving_back
door_moved pos=open
counted count=0
door_moved pos=closed
exited slot=1
`, outcome: verdict.Refer, reason: verdict.FaceMismatch, lane: LanePassage},
	{name: "09 a cloned chip is refused at the reader", trace: up + `
accepted
laid slot=1
checked slot=1 outcome=refer reason=clone_suspected
expect open refer empty
timer timer=reception
timer timer=reception
timer timer=reception
timer timer=reception
expect open leave empty
`, outcome: verdict.Refer, reason: verdict.CloneSuspected, lane: LaneReception, alarms: []verdict.Reason{verdict.OfficerNoDecision}, never: []ActionKind{ActOpen, ActCapture}},
	{name: "18 two people", trace: up + document + `
committed
door_moved pos=open
beamed tri=high
counted count=1
counted count=many
expect open idle leaving_back
beamed tri=low
counted count=0
timer timer=guard_entry
door_moved pos=closed
exited slot=1
`, outcome: verdict.Refer, reason: verdict.TwoPersons, lane: LanePassage, alarms: []verdict.Reason{verdict.TwoPersons}, never: []ActionKind{ActCapture}},
	{name: "19 another person slips in after the capture", trace: up + document + inside + `
verdict slot=1 outcome=allow reason=ok
expect open idle releasing
door_moved pos=between
expect open idle referred
committed
counted count=many
door_moved pos=closed
timer timer=passage
timer timer=passage
door_moved pos=open
counted count=0
door_moved pos=closed
exited slot=1
`, outcome: verdict.Refer, reason: verdict.DoorForced, lane: LanePassage, alarms: []verdict.Reason{verdict.OfficerNoDecision, verdict.DoorForced}},
	{name: "20 a suitcase stays behind (S-05)", trace: up + document + inside + `
verdict slot=1 outcome=allow reason=ok
committed
door_moved door=exit pos=open
object on=yes
counted count=0
door_moved door=exit pos=closed
exited slot=1
expect open idle clearing
object
`, outcome: verdict.Allow, reason: verdict.OK, lane: LanePassage, crossed: true, exit: 1, alarms: []verdict.Reason{verdict.ObjectLeft}},
	{name: "21 somebody stands in the entry door (D-05, D-08)", trace: up + document + `
committed
door_moved pos=open
beamed tri=high
counted count=1
timer timer=passage
expect open idle admitting
beamed tri=low
timer timer=guard_entry
expect open idle securing
door_moved pos=between
beamed tri=high
door_moved pos=open
timer timer=entry
beamed tri=low
timer timer=guard_entry
door_moved pos=closed
expect open idle capturing
` + through, outcome: verdict.Allow, reason: verdict.OK, lane: LanePassage, crossed: true, exit: 1},
	{name: "22 nobody enters", trace: up + document + `
committed
door_moved pos=open
timer timer=passage
expect open idle clearing
door_moved pos=closed
exited slot=1
`, outcome: verdict.OutcomeNone, reason: verdict.NoShow, lane: LanePassage, never: []ActionKind{ActCapture}},
	{name: "23 declines at the notice (DP-06)", trace: up + "declined\nexpect open leave empty\n", reason: verdict.Declined, lane: LaneReception,
		never: []ActionKind{ActBegin, ActCapture, ActOpen}},
	{name: "24 declines inside (P-08)", trace: up + document + inside + `
declined
expect open idle leaving_back
door_moved pos=open
counted count=0
door_moved pos=closed
exited slot=1
`, reason: verdict.Declined, lane: LanePassage},
	{name: "25 fire with a person inside (D-02)", trace: up + document + inside + `
fire tri=low
expect emergency idle empty
counted count=0
order order=end_emergency
expect emergency idle empty
fire tri=high
expect emergency idle empty
door_moved pos=open
door_moved door=exit pos=open
order order=end_emergency
expect recovering idle empty
door_moved door=exit pos=closed
door_moved pos=closed
exited slot=1
expect open idle empty
`, reason: verdict.Emergency, lane: LanePassage, alarms: []verdict.Reason{verdict.Emergency}},
	{name: "26 started again with a person inside (P-15)", trace: `
door_moved pos=open
door_moved door=exit pos=open
beamed tri=low
beamed door=exit tri=low
counted count=1
timer timer=guard_entry
timer timer=guard_exit
fire tri=high
expect recovering idle empty
door_moved door=exit pos=closed
expect recovering idle empty
counted count=0
door_moved pos=closed
expect open idle empty
`, never: []ActionKind{ActCommit, ActCapture}},
	{name: "27 the inspector is killed in the middle of the read", trace: up + `
accepted
laid slot=1
exited slot=1
expect open refer empty
order order=take lane=reception mine=yes
order order=send_back lane=reception mine=yes
`, outcome: verdict.Refer, reason: verdict.InspectorFault, lane: LaneReception, never: []ActionKind{ActOpen}},
	{name: "15 the lease ends while the document is read (O-01)", trace: up + `
accepted
laid slot=1
lease
checked slot=1 outcome=allow reason=ok
lifted slot=1
expect open refer empty
timer timer=reception
timer timer=reception
timer timer=reception
timer timer=reception
`, outcome: verdict.Refer, reason: verdict.LeaseLost, lane: LaneReception, alarms: []verdict.Reason{verdict.OfficerNoDecision}, never: []ActionKind{ActOpen}},
	{name: "two officers let somebody pass after a second body stepped in and left: the exit stays open for him (D-09)", trace: up + document + inside + `
verdict slot=1 outcome=allow reason=ok
committed
door_moved door=exit pos=between
counted count=many
counted count=1
door_moved door=exit pos=closed
expect open idle referred
order order=take lane=passage mine=yes
order order=accept lane=passage second=yes
order order=accept lane=passage mine=yes
expect open idle releasing
committed
door_moved door=exit pos=open
counted count=0 door=exit
expect open idle clearing
door_moved door=exit pos=closed
exited slot=1
`, outcome: verdict.Refer, reason: verdict.OfficerAccepted, lane: LanePassage, crossed: true, exit: 2, alarms: []verdict.Reason{verdict.IntruderDuringRelease}},
	{name: "no record, no door (P-04)", trace: up + document + inside + `
verdict slot=1 outcome=allow reason=ok
commit_failed
expect open idle referred
committed
order order=send_back lane=passage mine=yes
timer timer=passage
timer timer=passage
timer timer=passage
timer timer=passage
door_moved pos=open
counted count=0
door_moved pos=closed
exited slot=1
`, outcome: verdict.Refer, reason: verdict.EvidenceFault, lane: LanePassage, alarms: []verdict.Reason{verdict.OfficerNoDecision, verdict.EvidenceFault}},
	{name: "somebody comes in from the wrong side (S-09)", trace: up + `
counted count=1
expect open notice leaving_back
door_moved pos=open
counted count=0
door_moved pos=closed
expect open notice empty
`, outcome: verdict.Refer, reason: verdict.WrongDirection, lane: LanePassage, alarms: []verdict.Reason{verdict.WrongDirection}},
	{name: "more time, three times and no more (A-02)", trace: up + `
accepted
more
more
more
more
timer timer=reception
expect open place empty
timer timer=reception
timer timer=reception
expect open leave empty
`, reason: verdict.StageTimeout, lane: LaneReception},
	{name: "the self-test moves both doors of an empty mantrap (M-02), and once more before service ends", trace: selfTest + `
order order=open_gate lane=passage mine=yes
expect service idle testing
order order=open_gate lane=passage mine=yes
` + bothDoors + `
expect open notice empty
`, exit: 2, never: []ActionKind{ActBegin, ActCapture}},
	{name: "service does not end while a door does not follow", trace: up + `
order order=service lane=passage mine=yes
order order=close_gate lane=passage mine=yes
expect service idle testing
timer timer=passage
door_moved pos=between
door_moved pos=closed
expect service idle empty
order order=reset lane=passage mine=yes
` + bothDoors + `
expect closed idle empty
`, exit: 1, alarms: []verdict.Reason{verdict.SelfTestFailed}},
	{name: "an officer is asked three times for whom he refused at the reader, then the staffed lane is shown", trace: up + `
accepted
laid slot=1
checked slot=1 outcome=refer reason=face_mismatch
expect open refer empty
timer timer=reception
timer timer=reception
timer timer=reception
expect open refer empty
timer timer=reception
expect open leave empty
`, outcome: verdict.Refer, reason: verdict.FaceMismatch, lane: LaneReception, alarms: []verdict.Reason{verdict.OfficerNoDecision}},
	{name: "a face that is lost while it is captured: what was captured is void, twice tried again, then an officer (S-01, P-07)", trace: up + document + inside + `
track_lost slot=1
track_lost slot=2
track_lost slot=1
expect open idle capturing
track_lost slot=1
expect open idle referred
verdict slot=1 outcome=allow reason=ok
expect open idle referred
exit_button
door_moved pos=open
counted count=0
door_moved pos=closed
exited slot=1
expect open idle empty
`, outcome: verdict.Refer, reason: verdict.FaceTrackLost, lane: LanePassage},
	{name: "a face that was lost once and found again is let across (S-01)", trace: up + document + inside + `
track_lost slot=1
track_lost slot=1
` + through + `
`, outcome: verdict.Allow, reason: verdict.OK, lane: LanePassage, crossed: true, exit: 1},
	{name: "a technician walks a specimen through its inspection: no grant, no exit, the way back (P-14)", trace: up + `
order order=specimen lane=passage mine=yes
expect open notice empty
order order=service lane=passage mine=yes
expect service idle empty
order order=specimen lane=passage mine=yes
expect service notice empty
accepted
laid slot=1
checked slot=1 outcome=allow reason=ok
lifted slot=1
order order=close_gate lane=passage mine=yes
expect service idle admitting
door_moved pos=open
counted count=1
door_moved pos=closed
expect service idle capturing
verdict slot=1 outcome=allow reason=ok
expect service idle leaving_back
door_moved pos=open
counted count=0
door_moved pos=closed
exited slot=1
expect service idle empty
`, outcome: verdict.Refer, reason: verdict.SpecimenDocument, lane: LanePassage},
	{name: "a traveller's document is not for a gate in service: nobody is asked, and nobody let in (P-14)", trace: up + `
order order=service lane=passage mine=yes
order order=specimen lane=passage mine=yes
accepted
laid slot=1
checked slot=1 outcome=refer reason=gate_closed
expect service leave empty
timer timer=reception
expect service idle empty
`, outcome: verdict.Refer, reason: verdict.GateClosed, lane: LaneReception, never: []ActionKind{ActOpen, ActCapture, ActCommit}},
	{name: "a gate whose self-test cannot pass leaves service closed with its fault, until one has (M-02)", trace: up + `
order order=service lane=passage mine=yes
order order=self_test lane=passage mine=yes
timer timer=passage
door_moved pos=between
door_moved pos=closed
expect service idle empty
order order=out_of_service lane=passage mine=yes
expect closed idle empty
order order=open_gate lane=passage mine=yes
order order=manual lane=passage mine=yes
order order=hold_entry lane=passage mine=yes
expect closed idle empty
fire tri=low
fire tri=high
order order=end_emergency lane=passage mine=yes
expect closed idle empty
order order=open_gate lane=passage mine=yes
order order=service lane=passage mine=yes
order order=specimen lane=passage mine=yes
expect service idle empty
order order=self_test lane=passage mine=yes
timer timer=passage
door_moved pos=between
door_moved pos=closed
order order=specimen lane=passage mine=yes
expect service idle empty
order order=open_gate lane=passage mine=yes
` + bothDoors + `
expect open notice empty
`, exit: 1, alarms: []verdict.Reason{verdict.SelfTestFailed, verdict.Emergency}},
	{name: "somebody steps in during the self-test", trace: up + `
order order=service lane=passage mine=yes
order order=self_test lane=passage mine=yes
door_moved pos=open
counted count=1
expect service idle testing
door_moved pos=closed
expect service idle leaving_back
door_moved pos=open
counted count=0
door_moved pos=closed
expect service idle empty
`, outcome: verdict.Refer, reason: verdict.WrongDirection, lane: LanePassage, alarms: []verdict.Reason{verdict.WrongDirection}},
	{name: "a door that does not open fails the self-test", trace: up + `
order order=service lane=passage mine=yes
order order=self_test lane=passage mine=yes
timer timer=passage
expect service idle testing
door_moved pos=between
door_moved pos=closed
expect service idle empty
`, alarms: []verdict.Reason{verdict.SelfTestFailed}},
	{name: "a closed contact that was made while its door was open brings nobody before the camera (P-03, D-10)", trace: up + document + `
committed
door_moved pos=unknown
beamed tri=high
counted count=1
beamed tri=low
timer timer=guard_entry
expect open idle securing
door_moved pos=closed on=yes
expect open idle securing
timer timer=entry
timer timer=entry
door_moved pos=between
door_moved pos=closed
expect open idle capturing
`, never: []ActionKind{ActRelease}},
	{name: "the other contact of a door at rest blinks: it is closed as ever (D-10)", trace: up + `
door_moved door=exit pos=unknown
door_moved door=exit pos=closed on=yes
` + document + `
committed
door_moved pos=open
beamed tri=high
counted count=1
beamed tri=low
timer timer=guard_entry
door_moved pos=closed
expect open idle capturing
`, alarms: []verdict.Reason{verdict.DoorForced}},
	{name: "the end of a shift closes the gate before the next document, not in the middle of a passage (O-02)", trace: up + `
accepted
laid slot=1
shift on=yes
expect open reading empty
checked slot=1 outcome=allow reason=ok
lifted slot=1
expect open idle admitting
reader_free slot=1
ready slot=2
committed
door_moved pos=open
beamed tri=high
counted count=1
beamed tri=low
timer timer=guard_entry
door_moved pos=closed
expect open idle capturing
verdict slot=1 outcome=allow reason=ok
committed
door_moved door=exit pos=open
beamed door=exit tri=high
beamed door=exit tri=low
counted count=0
timer timer=guard_exit
door_moved door=exit pos=closed
exited slot=1
expect open idle empty
shift
expect open notice empty
`, outcome: verdict.Allow, reason: verdict.OK, lane: LanePassage, crossed: true, exit: 1},
	{name: "an officer holds the entry open for cleaning, and nobody else (D-12)", trace: up + `
order order=hold_entry lane=passage mine=yes
expect open idle holding
door_moved pos=open
counted count=1
exit_button
declined
expect open idle holding
timer timer=passage
expect open idle holding
order order=hold_entry lane=passage mine=yes
lease
order order=let_go lane=passage mine=yes
expect open idle holding
beamed tri=high
counted count=0
beamed tri=low
timer timer=guard_entry
door_moved pos=closed
expect open idle empty
`, alarms: []verdict.Reason{verdict.OfficerNoDecision}, never: []ActionKind{ActBegin, ActCapture}},
	{name: "somebody sits down on the way back: told after one limit without progress (D-13)", trace: up + document + inside + `
exit_button
expect open idle leaving_back
door_moved pos=open
counted count=unknown
counted count=1
beamed tri=high
beamed tri=low
expect open idle leaving_back
timer timer=passage
counted count=0
timer timer=guard_entry
door_moved pos=closed
exited slot=1
expect open idle empty
`, reason: verdict.Declined, lane: LanePassage, alarms: []verdict.Reason{verdict.PersonTrapped}},
	{name: "the centre wants him admitted and held: the desk is called, the exit cannot be opened, he can go back (P-09)", trace: up + `
accepted
laid slot=1
checked slot=1 outcome=refuse_and_hold reason=centre_hit
expect open lift empty
lifted slot=1
expect open idle admitting
reader_free slot=1
committed
door_moved pos=open
beamed tri=high
counted count=1
beamed tri=low
timer timer=guard_entry
door_moved pos=closed
expect open idle referred
order order=take lane=passage
order order=accept lane=passage mine=yes
order order=open_exit lane=passage mine=yes
verdict slot=1 outcome=allow reason=ok
committed
expect open idle referred
exit_button
expect open idle leaving_back
door_moved pos=open
counted count=0
door_moved pos=closed
exited slot=1
expect open idle empty
`, outcome: verdict.RefuseAndHold, reason: verdict.CentreHit, lane: LanePassage, alarms: []verdict.Reason{verdict.CentreHit}, never: []ActionKind{ActCapture}},
	{name: "an exit that cannot be proven closed is set right by the self-test (D-10, M-02)", trace: `
door_moved pos=closed
beamed tri=low
beamed door=exit tri=low
counted count=0
lease on=yes
timer timer=guard_entry
timer timer=guard_exit
fire tri=high
door_moved door=exit pos=closed on=yes
expect recovering idle empty
order order=service lane=passage mine=yes
expect service idle empty
order order=self_test lane=passage mine=yes
expect service idle testing
door_moved door=exit pos=between
door_moved door=exit pos=open
door_moved door=exit pos=between
door_moved door=exit pos=closed
expect service idle testing
door_moved pos=open
door_moved pos=closed
expect service idle testing
door_moved door=exit pos=open
door_moved door=exit pos=closed
expect service idle empty
`, exit: 2},
	{name: "an officer lets somebody through by hand (P-14)", trace: manual, outcome: verdict.Allow, reason: verdict.OfficerAccepted, lane: LanePassage, crossed: true, exit: 1,
		never: []ActionKind{ActBegin, ActCapture}},
	{name: "by hand, two went in: the exit stays shut (P-14, S-01)", trace: up + `
order order=manual lane=passage mine=yes
order order=open_entry lane=passage mine=yes
door_moved pos=open
counted count=1
counted count=many
door_moved pos=closed
order order=open_exit lane=passage mine=yes
expect manual idle manual
exit_button
expect manual idle leaving_back
door_moved pos=open
counted count=0
door_moved pos=closed
expect manual idle empty
`, reason: verdict.Declined, lane: LanePassage},
	{name: "standby ends the warm inspector (P-14)", trace: up + `
order order=standby lane=passage mine=yes
expect standby idle empty
exited slot=1
order order=open_gate lane=passage mine=yes
ready slot=1
expect open notice empty
`, never: []ActionKind{ActOpen}},
	{name: "an officer opens the entry for who stands inside, and for nobody whose entry is held (P-08)", trace: up + `
order order=hold_entry lane=passage mine=yes
order order=open_entry lane=passage mine=yes
expect open idle holding
door_moved pos=open
order order=let_go lane=passage mine=yes
door_moved pos=closed
expect open notice empty
` + document + inside + `
order order=open_entry lane=passage mine=yes
expect open idle leaving_back
door_moved pos=open
counted count=0
door_moved pos=closed
exited slot=1
`, reason: verdict.Declined, lane: LanePassage, exit: 0},
	{name: "a document left on the reader (P-13)", trace: up + `
accepted
laid slot=1
checked slot=1 outcome=allow reason=ok
timer timer=reception
expect open refer empty
timer timer=reception
timer timer=reception
timer timer=reception
timer timer=reception
`, outcome: verdict.Refer, reason: verdict.DocumentLeftOnReader, lane: LaneReception, alarms: []verdict.Reason{verdict.DocumentLeftOnReader, verdict.OfficerNoDecision}, never: []ActionKind{ActOpen}},
}

// TestP02Stories tells each scenario to the machine alone, in both topologies. The numbers are those of sim/scenarios.
func TestP02Stories(t *testing.T) {
	for _, st := range slices.Concat(stories, oneStepStories) {
		t.Run(st.name, func(t *testing.T) {
			n := node{M: New(st.topology, true)}
			var ends []Action
			alarms := map[verdict.Reason]bool{}
			kinds := map[ActionKind]bool{}
			exits := 0
			for i, line := range strings.Split(st.trace, "\n") {
				line = strings.TrimSpace(line)
				if line == "" {
					continue
				}
				if want, ok := strings.CutPrefix(line, "expect "); ok {
					if got := fmt.Sprintf("%s %s %s", n.M.Mode, n.M.Reception, n.M.Passage); got != want {
						t.Fatalf("line %d: is %q, expected %q\n%+v", i, got, want, n.M)
					}
					continue
				}
				e, err := parseEvent(line)
				if err != nil {
					t.Fatal(err)
				}
				after, acts := apply(n, e, nil)
				for _, inv := range invariants {
					if _, wrong := inv.check(&n, e, &after, acts); wrong != "" {
						t.Errorf("line %d: %s: %s: %s", i, line, inv.name, wrong)
					}
				}
				for _, a := range acts {
					kinds[a.Kind] = true
					if a.Kind == ActEmit && a.What == WhatPassage {
						ends = append(ends, a)
					}
					if a.Kind == ActEmit && a.What == WhatAlarm && a.On {
						alarms[a.Reason] = true
					}
					if a.Kind == ActOpen && a.Door == Exit {
						exits++
					}
				}
				n = after
			}
			if st.lane != LaneNone {
				if len(ends) != 1 {
					t.Fatalf("the passage ended %d times: %+v", len(ends), ends)
				}
				if e := ends[0]; e.Outcome != st.outcome || e.Reason != st.reason || e.Lane != st.lane || e.On != st.crossed {
					t.Errorf("ended as %s %s lane %s crossed %v", e.Outcome, e.Reason, e.Lane.text(), e.On)
				}
			}
			for _, r := range st.alarms {
				if !alarms[r] {
					t.Errorf("no alarm %s", r)
				}
			}
			if len(alarms) != len(st.alarms) {
				t.Errorf("alarms %v", alarms)
			}
			for _, k := range st.never {
				if kinds[k] {
					t.Errorf("action %d happened", k)
				}
			}
			if exits != st.exit {
				t.Errorf("the exit was told to open %d times", exits)
			}
		})
	}
}
