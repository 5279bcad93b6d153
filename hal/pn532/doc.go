// Package pn532 drives an NXP PN532 at a serial port (HSU) as a contactless reader for ISO/IEC 14443-4
// cards of type A and B. It implements hal.CardReader over hal.SerialPort. Facts are those of NXP
// UM0701-02, cited by section.
//
// The chip does ISO/IEC 14443-4 itself: block chaining, retransmission and waiting time extensions. What
// it cannot do is carry more than 262 bytes in one exchange, so Card.Limits says 262 and the reader of a
// document uses short length fields.
//
// A card that left is told from a reader that left: the first is a status byte of the PN532
// (hal.ErrCardLost), the second a serial port that is gone (hal.ErrLost). A PN532 without power behind a
// living serial converter acknowledges nothing: hal.ErrTimeout.
package pn532

import (
	"errors"
	"time"
)

// Commands (UM0701-02 §7).
const (
	cmdGetFirmwareVersion = 0x02
	cmdSetSerialBaudRate  = 0x10
	cmdSetParameters      = 0x12
	cmdSAMConfiguration   = 0x14
	cmdRFConfiguration    = 0x32
	cmdInDataExchange     = 0x40
	cmdInListPassive      = 0x4A
	cmdInRelease          = 0x52
)

const (
	// MaxAPDU is what one InDataExchange carries in either direction (§7.3.8).
	MaxAPDU = 262
	// maxChained caps an answer that comes in several pieces ("more information"); a card has no
	// right to more than its 262 bytes here, a few do.
	maxChained = 4 * MaxAPDU
	// maxPieces caps the pieces: each may be empty.
	maxPieces = 8
	// defaultBaud is the speed of the PN532 after power-on (§6.2.3).
	defaultBaud = 115200
)

// Limits of time.
const (
	// ackLimit: the PN532 acknowledges within 15 ms (§6.2.1.1); USB converters add up to 16 ms twice.
	ackLimit = 100 * time.Millisecond
	// exchangeAck is the same for what goes to the card: sent again although the PN532 had it, a command would reach
	// the card twice, and its secure messaging counts (ICAO 9303-11 §9.8.2).
	exchangeAck = 500 * time.Millisecond
	// localLimit bounds commands that concern the PN532 alone.
	localLimit = 500 * time.Millisecond
	// listLimit bounds one search for a card with finite retries: activation and RATS take up to
	// 100 ms, a card that does not answer ends it sooner.
	listLimit = 2 * time.Second
	// exchangeLimit ends an exchange whose context has no deadline. A card may extend its waiting
	// time as often as it likes.
	exchangeLimit = 30 * time.Second
	// searchPause lies between two rounds of search, so that another card can enter.
	searchPause = 30 * time.Millisecond
	// fieldOff is how long the field stays off in a reset: ISO/IEC 14443-3 asks for 5 ms; chips with
	// large capacitors need more.
	fieldOff = 30 * time.Millisecond
	// fieldOn is the guard time after it: 5 ms in ISO/IEC 14443-3 §5.
	fieldOn = 10 * time.Millisecond
	// wakeTime is how long the PN532 takes to wake up (§7.2.11: 2 ms).
	wakeTime = 3 * time.Millisecond
	// closeLimit bounds what Close says to a reader that still answers.
	closeLimit = 150 * time.Millisecond
	// tries is how often a frame is sent or asked for.
	tries = 3
)

// errSilent says that the PN532 did not answer in the time that its own work may take.
var errSilent = errors.New("no answer")

// errSyntax is the PN532's error frame.
var errSyntax = errors.New("command refused")
