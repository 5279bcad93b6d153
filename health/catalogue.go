package health

import "time"

// Code names a fault. Its text is stable: it stands in events, health documents and the manual.
type Code string

// Codes.
const (
	ScannerLost           Code = "scanner_lost"
	NFCLost               Code = "nfc_lost"
	CameraLost            Code = "camera_lost"
	CameraFrozen          Code = "camera_frozen"
	CameraBlack           Code = "camera_black"
	CameraOverexposed     Code = "camera_overexposed"
	CameraUnfocused       Code = "camera_unfocused"
	CameraDrift           Code = "camera_drift"
	LinesLost             Code = "lines_lost"
	LampsLost             Code = "lamps_lost"
	LinesEdgeLost         Code = "lines_edge_lost"
	BeamStuck             Code = "beam_stuck"
	BeamBlind             Code = "beam_blind"
	BeamFlicker           Code = "beam_flicker"
	BeamDirty             Code = "beam_dirty"
	BeamsInsufficient     Code = "beams_insufficient"
	BeamTestFailed        Code = "beam_test_failed"
	BeamTestSilent        Code = "beam_test_silent"
	BeamsUntested         Code = "beams_untested"
	CountDisagreement     Code = "count_disagreement"
	CountWitnessLost      Code = "count_witness_lost"
	DoorContactImplause   Code = "door_contact_implausible"
	DoorLate              Code = "door_position_late"
	DoorBlocked           Code = "door_blocked"
	DoorForced            Code = "door_forced"
	DoorRefused           Code = "door_command_refused"
	DoorTestFailed        Code = "door_test_failed"
	DisplaySilent         Code = "display_silent"
	InspectorCrash        Code = "inspector_crash"
	InspectorStart        Code = "inspector_start"
	InspectorSilent       Code = "inspector_silent"
	SandboxWeak           Code = "sandbox_weak"
	ModelsMissing         Code = "models_missing"
	PolicyRefused         Code = "policy_refused"
	TrustMissing          Code = "trust_missing"
	TrustStale            Code = "trust_stale"
	JournalFailed         Code = "journal_failed"
	DiskFull              Code = "disk_full"
	DiskLow               Code = "disk_low"
	RosterEnding          Code = "roster_ending"
	RosterEnded           Code = "roster_ended"
	BrokerUnreachable     Code = "broker_unreachable"
	BrokerFallback        Code = "broker_fallback"
	CertificateDue        Code = "certificate_due"
	CertificateEnding     Code = "certificate_ending"
	CertificateLastDay    Code = "certificate_last_day"
	CertificateExpired    Code = "certificate_expired"
	KeyInFile             Code = "key_in_file"
	MessageRefused        Code = "message_refused"
	LeaseLost             Code = "lease_lost"
	ShiftEnding           Code = "shift_ending"
	ShiftOver             Code = "shift_over"
	Tamper                Code = "tamper"
	DevicesUnpaired       Code = "devices_unpaired"
	PowerFailed           Code = "power_failed"
	Fire                  Code = "fire"
	Watchdog              Code = "watchdog"
	ClockUnset            Code = "clock_unset"
	ClockJumped           Code = "clock_jumped"
	ClockStale            Code = "clock_stale"
	ObjectLeft            Code = "object_left"
	PersonTrapped         Code = "person_trapped"
	Wear                  Code = "wear"
	DemoModels            Code = "demo_models"
	Simulation            Code = "simulation"
	ConfigurationMismatch Code = "configuration_mismatch"
	InternalFault         Code = "internal_fault"
	// Unlisted stands in the catalogue for any code that is not in it.
	Unlisted Code = "unlisted"
)

// Parts that faults are raised on, beside lines and beams, which go by their names.
const (
	PartScanner    = "document_scanner"
	PartNFC        = "chip_reader"
	PartCamera     = "camera"
	PartLines      = "lines"
	PartEntry      = "entry_door"
	PartExit       = "exit_door"
	PartMantrap    = "mantrap"
	PartDisplay    = "screen"
	PartInspector  = "inspector"
	PartJournal    = "journal"
	PartLink       = "link"
	PartController = "controller"
	PartEnclosure  = "enclosure"
	PartFireLoop   = "fire_loop"
	PartUSB        = "usb"
	PartSupply     = "supply"
	PartClock      = "clock"
	PartKeys       = "keys" // and the certificate
)

// Entry is what the catalogue says of one code.
type Entry struct {
	Code     Code
	Severity Severity
	Blocks   bool // no new travellers; whoever is inside can always leave to the side of origin
	Clears   Clearer
	// TimeToVisible is how long the fault must last before it shows and blocks.
	TimeToVisible time.Duration
	Means         string // what was observed
	Safe          string // what the gate does meanwhile
	Cause         string // likely causes
	Test          string // how to find out
	Cure          string // what to do, with the spare part
}

// Lookup finds the entry of a code; a code that is not listed has the entry of Unlisted.
func Lookup(c Code) Entry {
	if e, ok := byCode[c]; ok {
		return e
	}
	e := byCode[Unlisted]
	e.Code = c
	return e
}

// Known tells whether a code stands in the catalogue.
func Known(c Code) bool {
	_, ok := byCode[c]
	return ok
}

// Catalogue lists every entry in the order of the manual.
func Catalogue() []Entry { return append([]Entry(nil), catalogue...) }

var byCode = func() map[Code]Entry {
	m := make(map[Code]Entry, len(catalogue))
	for _, e := range catalogue {
		m[e.Code] = e
	}
	return m
}()

// deviceGrace is how long a device may be away before it counts: a USB reset with its enumeration.
const deviceGrace = 2 * time.Second

var catalogue = []Entry{
	{ScannerLost, Error, true, Itself, deviceGrace, "the document scanner does not answer on its port",
		"no new traveller; a passage that is under way goes on", "cable, power, another device on the port",
		"egatectl hardware list; egatectl hardware test document_scanner", "seat the cable; power-cycle the port; replace the scanner and commission it"},
	{NFCLost, Error, true, Itself, deviceGrace, "the contactless reader does not answer",
		"no new traveller; a passage that is under way goes on", "cable, power, reader firmware hung",
		"egatectl hardware test --card chip_reader with a test card", "power-cycle the port; replace the reader and commission it"},
	{CameraLost, Error, true, Itself, deviceGrace, "the live camera cannot be opened or vanished",
		"no new traveller; who is inside is referred to an officer", "cable, USB power, another process holds it",
		"egatectl hardware test camera", "seat the cable; power-cycle the port; replace the camera and commission it"},
	{CameraFrozen, Error, true, Itself, time.Second, "the camera delivers the same picture or none for more than 2 s",
		"no new traveller; who is inside is referred to an officer", "camera firmware hung, link too slow",
		"egatectl hardware test camera shows the frame rate", "power-cycle the port; replace the camera"},
	{CameraBlack, Error, true, Itself, time.Second, "the camera's pictures are black",
		"no new traveller; who is inside is referred to an officer", "lens covered, lamps failed, exposure stuck",
		"look at lens and lamps; egatectl hardware test camera", "uncover the lens; replace the lamps; power-cycle the camera"},
	{CameraOverexposed, Error, true, Itself, time.Second, "the camera's pictures are burnt out",
		"no new traveller; who is inside is referred to an officer", "sun or a lamp into the lens, exposure stuck",
		"look at what shines into the lens; egatectl hardware test camera", "shade the lens; power-cycle the camera"},
	{CameraUnfocused, Error, true, Itself, time.Second, "the camera's pictures show no edge",
		"no new traveller; who is inside is referred to an officer", "lens out of focus, fogged or covered",
		"look at the lens; egatectl hardware test camera", "clean and focus the lens; replace the camera"},
	{CameraDrift, Warning, false, Itself, 0, "a daily median of light, sharpness or evenness of faces has shifted by more than a tenth since the first day",
		"the gate works; faces are captured with more tries", "lamps that fade, a dirty or loose lens, daylight that changed",
		"the log names each shift (control: optics)", "clean the lens, replace the lamps; a new pairing of the devices, or a changed configuration where none are paired, begins a new reference"},
	{LinesLost, Danger, true, Itself, 0, "the driver of the digital lines failed: beams, contacts and fire input are unknown",
		"every signal takes its safe reading: fire reads as alarm, beams as broken, doors as not closed; emergency release",
		"I/O board lost, line taken by another process", "egatectl hardware watch", "check the I/O board and its supply; restart the controller"},
	{LampsLost, Warning, false, Itself, 0, "the expander or LED strip named as part takes no commands: its lamps may stay as they were",
		"the gate works; screen and other lamps still guide", "cable of the bus, no supply, another program or a kernel driver has the chip",
		"egatectl hardware wire names the bus of each lamp; i2cdetect, or another strip, shows whether it answers", "fix cable and supply; the next change of a lamp finds it again"},
	{LinesEdgeLost, Warning, false, Itself, 0, "changes of a line were lost between kernel and controller",
		"the count of persons is unknown until the mantrap is proven empty", "processor overloaded, line flickers",
		"load of the machine; flicker counters in the health document", "find the flickering line or the load"},
	{BeamStuck, Error, true, Itself, 0, "one light beam is broken for more than 10 s with both doors closed and nothing else seen",
		"the mantrap does not count as empty: no new traveller", "dirt, misaligned or dead emitter, something stuck to the frame",
		"look at the beam named as part; it must follow a hand", "clean, align, replace the light barrier"},
	{BeamBlind, Warning, false, Maintenance, 0, "one light beam did not break while persons walked through its neighbours, twice",
		"counting goes on with the other beams", "receiver sees stray light or is bridged", "walk test of the beam named as part",
		"shield or replace the light barrier"},
	{BeamFlicker, Warning, false, Itself, 0, "a line changed more than 40 times in 10 s for less than its debounce time",
		"the changes are ignored", "loose contact, misaligned barrier, interference", "egatectl hardware watch shows the changes", "seat the connector, align the barrier"},
	{BeamDirty, Warning, false, Itself, 0, "one light beam lost its light three times in half a minute with nobody near it",
		"it is taken out of its row; counting goes on with the other beams; after five minutes without a loss it is back", "dirt or condensation, loose or misaligned emitter",
		"look at the beam named as part; egatectl hardware watch shows its losses", "clean, align and fasten the light barrier; replace it"},
	{BeamsInsufficient, Error, true, Itself, 0, "two neighbouring light beams of a row are out of service, or too few of a row are left",
		"the count of persons is unknown: no new traveller, nothing opens across the border", "several dirty or misaligned beams, a panel knocked out of place",
		"the beams are named by beam_dirty", "clean and align the beams; check the panel that carries them"},
	{BeamTestFailed, Warning, false, Itself, 0, "the receiver of a light beam did not go dark while the transmitters were put out for the self-test, or did not come back",
		"the beam is taken out of its row; counting goes on with the other beams; it is back when it passes a test", "receiver bridged or sees stray light, transmitter dead, cable",
		"walk test of the beam named as part; the test comes every 30 s in an idle gate", "shield, align or replace the light barrier"},
	{BeamTestSilent, Warning, false, Itself, 0, "the self-test of the light beams put out no transmitter",
		"beams are judged by their behaviour alone", "the test line is not connected to the transmitters, output defective", "egatectl hardware watch while the gate is idle", "connect the test line, or take it out of the configuration"},
	{BeamsUntested, Notice, false, Itself, 0, "no test line of the light beams is wired",
		"beams are judged by their behaviour alone: stuck, blind, dirty and flickering ones are found", "the light barriers have no test input", "the configuration names no output beam_test", "wire beam_test where the light barriers have a test input"},
	{CountDisagreement, Warning, false, Itself, 0, "the beams and the witness named as part told different counts for longer than a step through a door takes",
		"the count is unknown: nothing opens across the border, who is inside is referred to an officer", "somebody hidden from one of them, side by side or carried; witness misadjusted",
		"look into the mantrap; walk test with one and two persons", "adjust or replace the witness; clean and align the beams"},
	{CountWitnessLost, Error, true, Itself, time.Second, "the witness named as part does not supervise itself well, or its lines are unknown",
		"no new traveller; who is inside alone is referred to an officer", "supply, cable, witness failed", "its own display; egatectl hardware watch", "replace the witness named as part"},
	{DoorContactImplause, Error, true, Itself, 0, "both end contacts of a door are made at once",
		"the door's position is unknown: it satisfies no guard, the other door does not open across the border", "contact stuck or bridged, cable",
		"move the leaf by hand and watch both contacts", "replace the contact named as part"},
	{DoorLate, Error, true, Itself, 0, "a door stood between its end contacts for more than twice its travel time",
		"the door is not closed: the other door does not open", "worn motor, something in the track, contact misadjusted",
		"time the door by hand; look at its wear values", "clear the track, adjust the contact, replace motor or belt"},
	{DoorBlocked, Warning, false, Itself, 0, "a door gave way to something in its path on every try",
		"the door stays open, the gate asks to clear it and calls an officer", "person or object in the door",
		"look at the door", "clear the door"},
	{DoorForced, Danger, true, Officer, 0, "a door left its closed position without an order",
		"any allow is void, the other door stays shut, alarm at the desk", "pushed by hand, lock broken", "look at the door and its lock",
		"an officer resets after a look; replace the lock if the door yields"},
	{DoorRefused, Warning, false, Itself, 0, "the interlock refused a command of the controller",
		"the command had no effect", "contacts and model disagree: a contact changed between decision and command",
		"the journal tells the command; test both contacts", "replace the contact if it repeats"},
	{DoorTestFailed, Error, true, Maintenance, 0, "the self-test did not bring both doors through their way in time, or something spoke against it",
		"no new traveller until a self-test has passed", "a drive, lock or end contact that does not follow; somebody in the mantrap",
		"repeat the self-test in service mode and watch the door that stops", "replace drive, lock or contact of that door"},
	{DisplaySilent, Error, true, Itself, 5 * time.Second, "the traveller screen has not painted for 3 s",
		"no new traveller; lamps and sound still guide who is inside", "browser crashed, display off", "look at the screen",
		"the kiosk restarts by itself; power-cycle the display"},
	{InspectorCrash, Warning, false, Itself, 0, "an inspector ended without saying so",
		"that traveller is referred to an officer; the next inspector is started", "defective chip or picture, defect in the program",
		"the fault code and function names in the journal", "report the journal extract to the maker"},
	{InspectorStart, Error, true, Itself, 0, "an inspector did not become ready in its limit, three times",
		"no new traveller", "models, trust bundle or devices missing; memory", "egatectl model verify; egatectl trust check; egatectl hardware list", "cure what they name"},
	{InspectorSilent, Warning, false, Itself, 0, "an inspector's heartbeat stopped and it was ended",
		"that traveller is referred to an officer", "device driver hangs, processor overloaded", "load of the machine", "replace the device if it repeats"},
	{SandboxWeak, Warning, false, Restart, 0, "the kernel lacks a part of the sandbox",
		"inspection goes on with what there is; the level is in the info document", "old kernel", "sandbox of the info document; uname -r", "install Linux 5.13 or later with Landlock and seccomp"},
	{ModelsMissing, Error, true, Itself, 0, "the model pack is missing or not the signed one",
		"no new traveller", "pack not installed, file damaged", "egatectl model verify", "install the model pack"},
	{PolicyRefused, Error, true, Restart, 0, "the policy is not signed by two persons, has ended, or is older than one that the gate has had",
		"no new traveller", "policy not installed or not signed, an old one put back", "egatectl policy verify", "install the current policy, signed by two persons, and restart the controller"},
	{TrustMissing, Error, true, Itself, 0, "the trust bundle is missing, not signed by the site or older than an accepted one",
		"no new traveller", "bundle not installed, wrong site", "egatectl trust check", "install the current bundle"},
	{TrustStale, Warning, false, Itself, 0, "the trust bundle or a revocation list in it has expired",
		"documents whose revocation cannot be judged are referred", "no update from the centre", "egatectl trust check", "install the current bundle"},
	{JournalFailed, Danger, true, Restart, 0, "a record could not be written to the journal",
		"no grant: nothing opens across the border without its evidence", "disk failed or full", "kernel log; egatectl audit verify",
		"replace the disk; keep the old one as evidence"},
	{DiskFull, Error, true, Itself, 0, "less than 16 MiB are free for the journal", "no new traveller; evidence is kept",
		"broker away for long, other files", "df of the state folder", "restore the link; free space"},
	{DiskLow, Warning, false, Itself, 0, "less than 256 MiB are free for the journal", "none", "broker away for long", "df of the state folder", "restore the link"},
	{RosterEnding, Warning, false, Itself, 0, "7 days, or a tenth of its life, are left to the roster of officers", "none", "nobody has signed the next one", "egatectl roster show",
		"sign the next roster (egatectl roster sign) and give it to the console; no restart"},
	{RosterEnded, Error, true, Itself, 30 * time.Second, "there is no roster of officers in force: none has come, or it has ended",
		"no new traveller; nobody's order is followed, who is inside can leave to the side of origin", "nobody has signed the next one; clock", "egatectl roster check; timedatectl",
		"sign the next roster (egatectl roster sign) and give it to the console; no restart"},
	{BrokerUnreachable, Warning, false, Itself, 5 * time.Second, "there is no connection to the broker",
		"events wait in the journal and none is lost; look-ups get no answer, so that every traveller is referred", "network, broker, certificate",
		"egatectl pki show; egatectl diag follow at the desk", "restore the network; renew the certificate"},
	{BrokerFallback, Notice, false, Itself, 5 * time.Second, "the broker in use is not the first of the list",
		"the gate works on through this one, and comes back by itself", "the first broker or the way to it is down", "its log; egatectl diag follow", "restore the first broker"},
	{CertificateDue, Notice, false, Itself, 0, "two thirds of the life of the gate's certificate have passed, or 30 days are left to it or to the authority's",
		"none; a request for its renewal lies in the state folder as renewal.csr", "time", "egatectl pki show", "sign the request (egatectl pki renew) and put the answer in its place; no restart"},
	{CertificateEnding, Warning, false, Itself, 0, "7 days are left to the gate's certificate or its authority's", "none",
		"nobody has renewed it", "egatectl pki show", "sign renewal.csr of the state folder (egatectl pki renew) and put the answer in its place; no restart"},
	{CertificateLastDay, Warning, false, Itself, 0, "1 day is left to the gate's certificate or its authority's: brokers let nobody in after it", "none",
		"nobody has renewed it", "egatectl pki show", "sign renewal.csr of the state folder (egatectl pki renew) and put the answer in its place today"},
	{CertificateExpired, Error, true, Itself, 0, "the gate's certificate or its authority's has ended, or the clock lies before its beginning",
		"no broker lets the gate in: no new traveller; events wait in the journal", "nobody has renewed it; clock",
		"egatectl pki show; timedatectl", "sign renewal.csr of the state folder (egatectl pki renew) and put the answer in its place: no broker and no restart needed"},
	{Wear, Notice, false, Itself, 0, "a trend is beyond its limit: a door's travel time against its first cycles, readings repeated, frames dropped, or the temperature of the board (limits: wear of the configuration)",
		"none", "motor, belt or track of the door; glass or antenna of the reader; cable or hub of the camera; dust, fan", "counters of the health document", "plan a service of the part before it fails; remove wear.json of the state folder after a motor was replaced"},
	{KeyInFile, Notice, false, Itself, 0, "a private key of the gate is in a file: whoever takes the disk has it",
		"none", "no TPM is configured", "keys of the configuration", "fit a TPM 2.0 and make the keys in it (egatectl key make --tpm, egatectl pki request --tpm); encrypt the disk meanwhile"},
	{MessageRefused, Warning, false, Itself, 0, "messages with a wrong signature, gate, epoch or session arrived",
		"they have no effect", "attack, or a centre with the wrong key", "security log", "find the sender; check the keys"},
	{LeaseLost, Error, true, Itself, 0, "no officer's console has renewed the lease of this gate in time",
		"no new traveller; who is inside can leave to the side of origin", "officer signed out, console or network down", "sign in at the console", "sign in; restore the console"},
	{ShiftEnding, Notice, false, Itself, 0, "the shift of the officer who signed in last ends within the time of warning (O-02)",
		"none", "an officer has been at the gates for nearly a whole shift", "the roster of the line", "hand over: another officer signs in"},
	{ShiftOver, Warning, false, Itself, 0, "the shift of every officer at a console has ended (O-02)",
		"no new traveller; whose document was taken is served to the end, and referrals are decided", "nobody took over", "the roster of the line",
		"another officer signs in, or the same one after a break of more than a minute"},
	{Tamper, Danger, true, Officer, 0, "the enclosure was opened, or a paired device was changed",
		"no new traveller, alarm at the desk", "service without notice, attack; a device that nobody paired is plugged (part usb)", "look at the gate; egatectl hardware list", "unplug what does not belong there, or egatectl hardware pair with an officer's countersignature; then an officer resets"},
	{PowerFailed, Error, true, Itself, time.Second, "the mains are away: the gate runs on its battery (line power_ok)",
		"no new traveller; who is inside goes through or back", "power cut, fuse, supply failed", "the supply's own display; egatectl hardware watch", "restore the mains; replace the supply"},
	{DevicesUnpaired, Error, true, Itself, 0, "the devices of the gate are not bound to it: the pairing is missing, not signed by two persons, older than the one in use, or lacks a part",
		"no new traveller", "not commissioned, or the file was replaced", "egatectl hardware list", "egatectl hardware pair, countersigned by an officer"},
	{Fire, Danger, true, Officer, 0, "the fire loop is open, or cannot be read",
		"emergency release: both doors open, transactions are cancelled", "fire alarm, loop cut", "fire panel", "an officer ends the emergency when the loop is closed again"},
	{Watchdog, Warning, false, Itself, 0, "the hardware watchdog cannot be opened or fed, or it has reset the machine",
		"the gate works without it", "driver not loaded, device taken", "is the device of the configuration there, and who holds it", "load the driver; look for the cause of a reset in the journal"},
	{ClockUnset, Warning, false, Itself, 0, "the wall clock is before the date of the software, the journal or the last signed time",
		"validity and revocation cannot be judged: every document is referred; time goes on from the latest that is known", "battery of the clock", "timedatectl",
		"the centre's signed time, as soon as there is a link, or two persons (egatectl time confirm) end it; replace the battery"},
	{ClockJumped, Warning, false, Itself, 0, "the wall clock jumped by more than 2 s against the monotonic one",
		"every document is referred; time goes on from before the jump", "somebody set the clock; time source", "timedatectl",
		"the centre's signed time, or two persons (egatectl time confirm) end it; find who set the clock"},
	{ClockStale, Warning, false, Itself, 0, "neither the centre nor two persons have confirmed the time for 24 h",
		"every document is referred", "no link to the centre; first start", "link of the health document", "restore the link; two persons (egatectl time confirm) where there is none"},
	{ObjectLeft, Warning, true, Itself, 0, "something lies in the mantrap after the person left",
		"the gate stays closed for the next traveller, the screen asks to take it along, then an officer is called", "luggage forgotten", "look into the mantrap", "take it away by the rules of the site"},
	{PersonTrapped, Danger, true, Itself, 0, "a person has been in the mantrap past every limit",
		"the way to the side of origin is open and an officer is called", "does not understand, needs help", "go there", "help"},
	{DemoModels, Notice, false, Maintenance, 0, "the models are those of the demonstration", "none", "no licensed model pack installed", "egatectl model show", "install the site's model pack"},
	{Simulation, Notice, false, Maintenance, 0, "the gate is simulated: its keys and travellers are", "every page and event says so", "simulated: true in the configuration", "none", "none"},
	{ConfigurationMismatch, Error, true, Restart, 0, "the configuration does not fit the wiring or the site profile",
		"no new traveller", "wrong file, changed wiring", "egatectl config check lists every mismatch; the part is the key", "correct the configuration, or have the profile corrected"},
	{InternalFault, Error, true, Restart, 0, "the controller met a state that it should not be able to reach",
		"no new traveller; who is inside can leave to the side of origin", "defect in the program", "journal", "restart; report the journal extract to the maker"},
	{Unlisted, Error, true, Restart, 0, "a fault that this catalogue does not list", "no new traveller", "versions of programs differ", "egatectl version", "install one release"},
}
