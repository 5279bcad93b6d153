// Package inspect is one traveller's inspection as a procedure: MRZ, chip, passive authentication,
// eligibility, the centre's look-up, live capture, comparison, verdict. It runs in a process of its own
// that exits with its traveller (design §2) and speaks to egated in frames of package protocol.
//
// An Inspector is one goroutine that owns everything; devices, chip, camera and decoder work in
// goroutines that hand their results over as closures. No result of a job that was overtaken counts.
package inspect
