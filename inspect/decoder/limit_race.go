//go:build race

package decoder

import "time"

// limitMemory does nothing: the race detector's shadow memory fits no limit.
func limitMemory() error { return nil }

// toolTime leaves room for the race detector: the whole of what a child has.
const toolTime = cpuSeconds * time.Second
