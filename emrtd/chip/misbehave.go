package chip

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Kind names a misbehaviour.
type Kind string

// Misbehaviours by name. Some take a number after "@", SW and Truncate one before it too.
const (
	// Clone copies the files and lacks the keys: it answers chip and active authentication with keys
	// of its own.
	Clone Kind = "clone"
	// CloneRefuse lacks the keys and refuses both; in PACE with chip authentication mapping it withholds its
	// proof.
	CloneRefuse Kind = "clone-refuse"
	// BitflipDG2 changes one bit near the end of DG2.
	BitflipDG2 Kind = "bitflip-dg2"
	// BitflipDG1 changes one character of the name in DG1.
	BitflipDG1 Kind = "bitflip-dg1"
	// HidePACE has no EF.CardAccess while the signed DG14 announces PACE.
	HidePACE Kind = "hide-pace"
	// StripDG14 and StripDG15 deny the group and drop it from EF.COM; the SOD still lists it.
	StripDG14 Kind = "strip-dg14"
	StripDG15 Kind = "strip-dg15"
	// HugeDG2 announces a DG2 of 2 GB and gives zeros for ever.
	HugeDG2 Kind = "huge-dg2"
	// TagLoss leaves the field once when byte n of DG2 has been given.
	TagLoss Kind = "tag-loss"
	// StatusWord answers command n (counted from 1 since the chip was made) with a status word:
	// "sw=6F00@12".
	StatusWord Kind = "sw"
	// Status answers every READ BINARY of more than n bytes with a status word: "read-sw=6700@231".
	ReadStatus Kind = "read-sw"
	// Empty answers READ BINARY of more than n bytes with 9000 and no data.
	Empty Kind = "empty"
	// NoAnswer answers command n with nothing at all.
	NoAnswer Kind = "no-answer"
	// Mute asks for more time for ever from command n on.
	Mute Kind = "wtx"
	// Truncate ends file DGn before its announced length: "truncate=2@500" keeps 500 bytes.
	Truncate Kind = "truncate"
	// WrongSSC moves its counter once too often at protected command n.
	WrongSSC Kind = "wrong-ssc"
	// Replay answers protected READ BINARY n with its previous answer.
	Replay Kind = "replay"
	// BareError answers SELECT of an absent file outside secure messaging, inside a session.
	BareError Kind = "bare-error"
	// PACEFail refuses every PACE with 6300 in step 4.
	PACEFail Kind = "pace-fail"
	// PACEFailOnce refuses the first PACE with 6300 in step 4.
	PACEFailOnce Kind = "pace-fail-once"
	// No84 refuses MSE:SET AT with a parameter reference.
	No84 Kind = "no-84"
	// Dead answers everything with 6FFF.
	Dead Kind = "dead"
	// PlainRead lets files be read without access control.
	PlainRead Kind = "plain-read"
	// CardAccessStatus answers the selection of EF.CardAccess with a status word: "cardaccess-sw=6982".
	CardAccessStatus Kind = "cardaccess-sw"
	// MFStatus answers the selection of the master file with a status word: "mf-sw=6A86".
	MFStatus Kind = "mf-sw"
	// NoShortEF knows no short EF identifiers.
	NoShortEF Kind = "no-sfi"
	// NoLeOnSelect refuses SELECT and MSE with an expected length.
	NoLeOnSelect Kind = "no-le"
)

var kinds = []Kind{Clone, CloneRefuse, BitflipDG2, BitflipDG1, HidePACE, StripDG14, StripDG15, HugeDG2, TagLoss, StatusWord,
	ReadStatus, Empty, NoAnswer, Mute, Truncate, WrongSSC, Replay, BareError, PACEFail, PACEFailOnce, No84, Dead, PlainRead,
	CardAccessStatus, MFStatus, NoShortEF, NoLeOnSelect}

// Misbehaviour is one fault of a chip. The text form is name[=value][@n].
type Misbehaviour struct {
	Kind  Kind
	Value uint16 // status word in hex, or data group
	At    int
}

// ParseMisbehaviour reads the text form.
func ParseMisbehaviour(s string) (Misbehaviour, error) {
	var m Misbehaviour
	name, at, hasAt := strings.Cut(s, "@")
	name, val, hasVal := strings.Cut(name, "=")
	m.Kind = Kind(name)
	if !slices.Contains(kinds, m.Kind) {
		return m, fmt.Errorf("chip: misbehaviour %q is not known; known are %v", name, kinds)
	}
	if hasAt {
		n, err := strconv.Atoi(at)
		if err != nil || n < 0 {
			return m, fmt.Errorf("chip: misbehaviour %q: the number after @ is not one", name)
		}
		m.At = n
	}
	if hasVal {
		v, err := strconv.ParseUint(val, 16, 16)
		if err != nil {
			return m, fmt.Errorf("chip: misbehaviour %q: the value after = is no hexadecimal number of four digits", name)
		}
		m.Value = uint16(v)
	}
	return m, nil
}

// String writes the text form.
func (m Misbehaviour) String() string {
	s := string(m.Kind)
	if m.Value != 0 {
		s += fmt.Sprintf("=%04X", m.Value)
	}
	if m.At != 0 {
		s += fmt.Sprintf("@%d", m.At)
	}
	return s
}

// Kinds lists the names of all misbehaviours.
func Kinds() []Kind { return slices.Clone(kinds) }
