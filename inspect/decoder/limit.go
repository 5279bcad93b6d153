//go:build !race

package decoder

import (
	"time"

	"golang.org/x/sys/unix"
)

// dataLimit is the memory that a child may write to. Measured: the largest legal pictures, 4 million
// pixels, take 75 MB resident; the rest is stacks of threads, which count in full.
const dataLimit = 256 << 20

func limitMemory() error {
	return unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: dataLimit, Max: dataLimit})
}

// toolTime is the processor time of one picture of a tool, so that what is asked of it ends within a second.
const toolTime = 700 * time.Millisecond
