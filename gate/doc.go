// Package gate is the pure state machine of a gate: Step(Model, Event) (Model, []Action).
//
// It is two small machines over one model: reception (the document) and passage (the person), under a
// mode. It has no time, no I/O and no goroutine: time arrives as TimerFired, actions start and stop
// timers. Model is comparable and bounded. The layers of Step, in order: life safety, facts from
// sensors with their plausibility, mode, the state of the two machines, and last settle, which takes
// every step that the facts now allow.
//
// Actions have two classes. Releases (life safety, stop closing, the way back to the side of origin,
// dropping a grant) act at once. Grants (the entry door for a checked document, the exit door for a
// live verdict or an officer's order) act only on the event Committed that carries the grant's number:
// nothing opens across the border before the evidence of it is on disk.
//
// Package control feeds Step and carries the actions out.
package gate
