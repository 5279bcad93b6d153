package chip

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Timing models link and chip. Per command APDU of Nc bytes and answer of Nr bytes a read takes
//
//	host + chip + perByte·max(Nc,Nr) + 9·(Nc+Nr+3B+3(B−2))/bitrate + 0.1 ms·B + crypto
//
// where B is the number of ISO/IEC 14443-4 blocks, with 9 bit times per byte, 3 bytes of block
// overhead and 0.1 ms of frame delay.
type Timing struct {
	Name    string
	Bitrate float64 // kbit/s
	Frame   int     // bytes, FSC
	Host    time.Duration
	Chip    time.Duration
	PerByte time.Duration
	ECDH    time.Duration // one multiplication on a 256-bit curve
	RSA2048 time.Duration // one private operation
	RSA1024 time.Duration
	BAC     time.Duration // symmetric mutual authentication
}

// The profiles. Link figures follow from ISO/IEC 14443; per-byte costs from published card figures; the
// times of public-key steps are assumptions until calibrated with a real chip's log.
var timings = map[string]Timing{
	"fast": {Name: "fast", Bitrate: 848, Frame: 256, Host: 1500 * time.Microsecond, Chip: 4 * time.Millisecond,
		PerByte: 8 * time.Microsecond, ECDH: 40 * time.Millisecond, RSA2048: 250 * time.Millisecond,
		RSA1024: 80 * time.Millisecond, BAC: 10 * time.Millisecond},
	"typical": {Name: "typical", Bitrate: 424, Frame: 256, Host: 3 * time.Millisecond, Chip: 10 * time.Millisecond,
		PerByte: 20 * time.Microsecond, ECDH: 90 * time.Millisecond, RSA2048: 500 * time.Millisecond,
		RSA1024: 150 * time.Millisecond, BAC: 20 * time.Millisecond},
	"slow": {Name: "slow", Bitrate: 106, Frame: 64, Host: 5 * time.Millisecond, Chip: 20 * time.Millisecond,
		PerByte: 40 * time.Microsecond, ECDH: 200 * time.Millisecond, RSA2048: time.Second,
		RSA1024: 300 * time.Millisecond, BAC: 30 * time.Millisecond},
}

// Profile returns a timing by name: fast (chips since 2023), typical, slow (2006 to 2010).
func Profile(name string) (Timing, error) {
	t, ok := timings[name]
	if !ok {
		return Timing{}, fmt.Errorf("chip: timing profile %q: fast, typical and slow exist", name)
	}
	return t, nil
}

// frameDelay is the pause between two blocks.
const frameDelay = 100 * time.Microsecond

// Exchange is the modelled time of one APDU exchange without cryptography.
func (t Timing) Exchange(nc, nr int) time.Duration {
	if t.Bitrate == 0 {
		return 0
	}
	pay := t.Frame - 3
	blocks := (nc+pay-1)/pay + (nr+pay-1)/pay
	bytes := nc + nr + 3*blocks + 3*max(blocks-2, 0)
	air := time.Duration(9 * float64(bytes) / t.Bitrate * float64(time.Millisecond))
	return t.Host + t.Chip + t.PerByte*time.Duration(max(nc, nr)) + air + frameDelay*time.Duration(blocks)
}

// jitterSigma is the spread of the log-normal jitter.
const jitterSigma = 0.15

func jitter(d time.Duration, r *rand.Rand) time.Duration {
	if r == nil {
		return d
	}
	return time.Duration(float64(d) * math.Exp(jitterSigma*r.NormFloat64()))
}
