package mrzscan

import (
	"bytes"
	"hash/maphash"
	"time"

	"egate/hal"
)

const (
	// maxLine caps a line: the longest is a zone of three lines in one, 90 characters, and a prefix.
	maxLine = 110
	// maxPrefix caps what may stand before a line of a zone.
	maxPrefix = 5
	// zoneGap is how long the next line of a zone may take: at 1200 baud, 44 characters take 0.4 s.
	zoneGap = time.Second
	// repeatGap is how long a complaint is not repeated.
	repeatGap = time.Second
	// swipeGap is how long the same zone counts as read twice, from a scanner that tells no removal.
	swipeGap = 2 * time.Second
	// maxQueue caps the scans that wait; a scanner that floods loses the oldest.
	maxQueue = 32
	// worthReading is the share of a zone's characters, and the number, from which a bad line counts
	// as an unreadable zone; below it is line noise.
	worthReading = 20
)

// decoder turns bytes into scans. It is driven with the time of arrival, so that it can be tested
// without waiting.
type decoder struct {
	line    []byte // the line that is coming in
	skip    bool   // it was too long: ignored to its end
	zone    [][]byte
	need    int // lines of the zone; 0 outside one
	zoneAt  time.Duration
	queue   []hal.Scan
	present bool
	said    bool // the scanner tells presence itself
	seed    maphash.Seed
	last    uint64 // hash of the zone that was delivered last; the zone itself is not kept
	lastAt  time.Duration
	hasLast bool

	complaint   hal.ScanKind
	complaintAt time.Duration

	garbled int
}

func newDecoder() *decoder {
	return &decoder{seed: maphash.MakeSeed(), line: make([]byte, 0, maxLine)}
}

// feed takes bytes that came at time now, and wipes them.
func (d *decoder) feed(b []byte, now time.Duration) {
	d.expire(now)
	for i, c := range b {
		b[i] = 0
		switch {
		case c == '\r' || c == '\n' || c == 0x03:
			d.endLine(now)
		case c == 0x02:
			d.dropLine()
			d.dropZone()
		case c < 0x20 || c == 0x7f:
		case len(d.line) == maxLine:
			d.dropLine()
			d.skip = true
		case !d.skip:
			d.line = append(d.line, c)
		}
	}
}

// waiting tells until when a started zone must be complete.
func (d *decoder) waiting() (time.Duration, bool) { return d.zoneAt + zoneGap, d.need > 0 }

// expire gives up a zone whose next line did not come.
func (d *decoder) expire(now time.Duration) {
	if d.need > 0 && now > d.zoneAt+zoneGap {
		d.dropZone()
		d.complain(hal.ScanUnreadable, now)
	}
}

func (d *decoder) dropLine() {
	clear(d.line[:cap(d.line)])
	d.line = d.line[:0]
}

func (d *decoder) dropZone() {
	for _, l := range d.zone {
		clear(l)
	}
	d.zone, d.need = nil, 0
}

func (d *decoder) endLine(now time.Duration) {
	if d.skip {
		d.skip = false
		d.garbled++
		d.dropZone()
		d.complain(hal.ScanUnreadable, now)
		return
	}
	if len(d.line) == 0 {
		return
	}
	defer d.dropLine()
	if d.line[0] == '!' {
		d.dropZone()
		d.status(now)
		return
	}
	if l, n, ok := joined(d.line); ok && d.need == 0 {
		for i := 0; i < len(l); i += len(l) / n {
			d.zone = append(d.zone, bytes.Clone(l[i:i+len(l)/n]))
		}
		d.deliver(now)
		return
	}
	l, ok := zoneLine(d.line)
	lines := map[int]int{44: 2, 36: 2, 30: 3}[len(l)]
	switch {
	case !ok && !looksLikeZone(d.line):
		d.garbled++
		return
	case !ok, d.need > 0 && len(l) != len(d.zone[0]):
		d.garbled++
		d.dropZone()
		d.complain(hal.ScanUnreadable, now)
		return
	}
	d.zone = append(d.zone, bytes.Clone(l))
	d.need, d.zoneAt = lines, now
	if len(d.zone) == d.need {
		d.deliver(now)
	}
}

func (d *decoder) status(now time.Duration) {
	if len(d.line) != 2 {
		return
	}
	switch d.line[1] {
	case 'P':
		d.said = true
		if !d.present {
			d.present, d.hasLast, d.complaint = true, false, hal.ScanNone
			d.push(hal.Scan{Kind: hal.ScanPresent})
		}
	case 'R':
		d.said = true
		if d.present {
			d.present, d.hasLast, d.complaint = false, false, hal.ScanNone
			d.push(hal.Scan{Kind: hal.ScanRemoved})
		}
	case 'U':
		d.complain(hal.ScanUnreadable, now)
	case 'W':
		d.complain(hal.ScanWrongPage, now)
	case 'F':
		d.complain(hal.ScanUpsideDown, now)
	case 'C':
		d.complain(hal.ScanCoverOn, now)
	}
}

// lay makes sure that a document counts as laid down.
func (d *decoder) lay() {
	if !d.present {
		d.present = true
		d.push(hal.Scan{Kind: hal.ScanPresent})
	}
}

func (d *decoder) complain(k hal.ScanKind, now time.Duration) {
	if d.complaint == k && now-d.complaintAt < repeatGap {
		return
	}
	d.lay()
	d.complaint, d.complaintAt = k, now
	d.push(hal.Scan{Kind: k})
}

func (d *decoder) deliver(now time.Duration) {
	var h maphash.Hash
	h.SetSeed(d.seed)
	for _, l := range d.zone {
		h.Write(l)
	}
	sum := h.Sum64()
	h.Reset()
	again := d.hasLast && sum == d.last && (d.said || now-d.lastAt < swipeGap)
	d.last, d.lastAt, d.hasLast, d.complaint = sum, now, true, hal.ScanNone
	if again {
		d.dropZone()
		return
	}
	d.lay()
	d.push(hal.Scan{Kind: hal.ScanMRZ, Lines: d.zone})
	d.zone, d.need = nil, 0
}

func (d *decoder) push(s hal.Scan) {
	if len(d.queue) == maxQueue {
		wipe(d.queue[0])
		d.queue = append(d.queue[:0], d.queue[1:]...)
	}
	d.queue = append(d.queue, s)
}

func (d *decoder) pop() (hal.Scan, bool) {
	if len(d.queue) == 0 {
		return hal.Scan{}, false
	}
	s := d.queue[0]
	n := copy(d.queue, d.queue[1:])
	d.queue[n] = hal.Scan{}
	d.queue = d.queue[:n]
	return s, true
}

func (d *decoder) wipe() {
	d.dropLine()
	d.dropZone()
	for _, s := range d.queue {
		wipe(s)
	}
	d.queue = nil
}

func wipe(s hal.Scan) {
	for _, l := range s.Lines {
		clear(l)
	}
}

// joined returns a whole zone that was sent as one line, as some readers are delivered: 88, 72 or 90 characters, and
// of how many lines it is.
func joined(b []byte) (zone []byte, lines int, ok bool) {
	l := tail(b)
	lines, ok = map[int]int{88: 2, 72: 2, 90: 3}[len(l)]
	if !ok || !prefixed(b, l) {
		return nil, 0, false
	}
	return l, lines, true
}

// tail is what a line ends with of characters of a zone.
func tail(b []byte) []byte {
	b = bytes.TrimRight(b, " ")
	i := len(b)
	for i > 0 && zoneChar(b[i-1]) {
		i--
	}
	return b[i:]
}

// prefixed tells whether what stands before the characters of a zone is nothing, or a prefix of a scanner.
func prefixed(b, l []byte) bool {
	b = bytes.TrimRight(b, " ")
	i := len(b) - len(l)
	return i == 0 || i <= maxPrefix && bytes.ContainsRune([]byte(":=>| "), rune(b[i-1]))
}

func zoneChar(c byte) bool { return c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '<' }

// zoneLine returns the part of b that is a line of a zone. A character that the scanner could not read
// ('?', '*') is no end of a prefix: 7 characters, '?' and 36 more are a bad line, not one of TD2.
func zoneLine(b []byte) ([]byte, bool) {
	l := tail(b)
	if n := len(l); n != 44 && n != 36 && n != 30 {
		return nil, false
	}
	return l, prefixed(b, l)
}

func looksLikeZone(b []byte) bool {
	n := 0
	for _, c := range b {
		if zoneChar(c) {
			n++
		}
	}
	return n >= worthReading && 4*n >= 3*len(b)
}
