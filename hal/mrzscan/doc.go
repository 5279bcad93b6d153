// Package mrzscan reads machine readable zones from an OCR document scanner at a serial line (UART or
// USB-CDC). It implements hal.DocumentScanner over hal.SerialPort.
//
// # What scanners say
//
// Text, each line ended by CR, LF or both. STX (0x02) starts a reading and ETX (0x03) ends a line too;
// other control characters are dropped. A line is one of
//
//	!P   a document lies on the glass         !W   no machine readable zone on this page
//	!R   it was removed                       !F   it lies upside down
//	!U   there is a zone, but unreadable      !C   a cover is on the document
//	!…   anything else: ignored (identity, counters)
//
// or one line of a zone (ICAO Doc 9303-3 §4: A-Z, 0-9 and '<'): two of 44 characters (TD3), two of 36
// (TD2) or three of 30 (TD1), or all of them as one line, with or without a prefix of at most 5 characters that ends in ':', '=',
// '>', '|' or a blank ("1:", "L2=", "MRZ1 "). The lines of one zone follow each other within a second.
// Check digits are not looked at here.
//
// # What the host says
//
// "?S" CR asks for the present state: the scanner answers !P or !R, and repeats its last reading when
// a document lies there. It is sent once at opening, because a document may have been laid down before.
// Scanners that know no commands (swipe readers, most OCR scanners as delivered) ignore it.
//
// # What becomes of it
//
// A zone or a complaint from a scanner that never says !P counts as a document laid down, so that the
// consumer always sees ScanPresent first. The same zone twice while one document lies there is
// delivered once; so is a repeated swipe within two seconds. Complaints are not repeated within a second.
package mrzscan
