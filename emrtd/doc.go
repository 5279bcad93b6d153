// Package emrtd is the inspection system for electronic travel documents (ICAO Doc 9303): it opens a
// chip, reads what a border control may read, and says what it could prove.
//
// Read is the procedure. It never reads without secure messaging, never selects DG3 or DG4 (C-09), and
// answers in single checks (C-02): what could not be judged is "not possible" and never "passed".
// Everything that a chip sends is hostile until passive authentication has passed.
package emrtd
