//go:build race

package decoder

// limitMemory does nothing: the race detector's shadow memory fits no limit.
func limitMemory() error { return nil }
