// Package evidence holds the campaigns on what a gate commits: the real egated killed at random points of
// real passages, and its journal, audit log and link over a disk and a network that fail in every way they
// can. `make test` plays a short form, `make evidence-campaign` the long one; SEED repeats a run's choices.
package evidence
