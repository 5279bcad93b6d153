// Package decoder opens pictures in one-shot children: a child is started before anything of a
// traveller is known, confines itself, takes one picture over a pipe, hands back bounded pixels (or a
// JPEG file made of pixels) and exits. JPEG is decoded by the standard library, JPEG 2000 (ISO/IEC
// 15444-1, in DG2 by ICAO Doc 9303-9 §3.9) by OpenJPEG.
//
// One kind of child has another one job: the pictures of a camera that compresses them (MJPEG), for one capture
// (Stream).
//
// Whoever starts it must have authenticated the picture first, or show it to nobody but an officer.
package decoder
