// Package pcsc is a hal.CardReader on PC/SC: a client of the socket of pcscd (PC/SC Lite) in pure Go,
// so that egated's rule of no cgo holds for programs that read chips as well.
//
// The protocol is that of winscard_msg.h, version 4 (tested with pcscd 1.9.9): a header of two 32-bit numbers
// (size, command) and a structure of fixed size, both in the byte order of the machine; the daemon answers
// with the same structure and its return value in it. Readers are asked for their state every pollEvery
// while a card is awaited, which every version of the protocol allows.
//
// Whatever the daemon sends is bounded before it is used. An exchange that was given up leaves the stream
// undefined, so the connection is closed with it and opened again by the next Connect.
package pcsc
