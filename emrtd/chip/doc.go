// Package chip is the card side of ICAO Doc 9303: a passport chip that answers command APDUs the way
// issued chips do. It offers BAC and PACE, secure messaging, chip and active authentication and the
// files of a personalised passport; it models how long a chip and its link take; and it misbehaves on
// request, by name, as broken and hostile chips do.
//
// It plays the other side in tests and simulation. No program that reads documents imports it.
package chip

import "errors"

// Errors of Transceive. Any other fault of a chip is a status word.
var (
	// ErrTagLost says that the card is not in the field (any more). Transceive returns it until PowerOn.
	ErrTagLost = errors.New("chip: tag lost")
	// ErrMute says that the chip asks for more time for ever and never answers.
	ErrMute = errors.New("chip: endless waiting time extension")
)
