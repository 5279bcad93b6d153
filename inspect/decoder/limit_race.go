//go:build race

package decoder

// limitMemory does nothing: the race detector's shadow memory fits no limit.
func limitMemory() error { return nil }

// toolCPUSeconds leaves room for the race detector: the whole of what a child has.
const toolCPUSeconds = cpuSeconds
