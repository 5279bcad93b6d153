package facematch

// headPart is the part of the largest face below which a smaller one is no head in the booth.
const headPart = 0.35

// heads counts the faces of one picture that are heads in the booth, and gives the least score of those counted.
func heads(found []Detection) (n int, confidence float64) {
	if len(found) == 0 {
		return 0, 0
	}
	side := found[largest(found)].Side
	confidence = 1
	for _, f := range found {
		if f.Side >= headPart*side {
			n++
			confidence = min(confidence, f.Score)
		}
	}
	return n, confidence
}

// A count of heads holds for so many pictures before it is believed.
const (
	fewFor  = 2 // pictures in a row with the same count, none or one
	manyFor = 5 // pictures with two heads or more, less those with fewer
)

// headCount makes one count of the counts of single pictures (F-01). A false detection is no person: coloured light
// makes faces of shadows for a picture or two. Whoever has stepped in stays for longer, also if a picture now and then
// does not show it.
type headCount struct {
	known     bool
	count     int
	last, row int // of single pictures, and for how many in a row
	many      int // pictures with two and more, less those with fewer
}

// picture notes what one picture shows.
func (h *headCount) picture(n int) {
	if n == h.last {
		h.row++
	} else {
		h.last, h.row = n, 1
	}
	if n >= 2 {
		h.many = min(h.many+1, manyFor)
	} else {
		h.many = max(h.many-1, 0)
	}
	if n >= 2 && h.many >= manyFor || n < 2 && h.row >= fewFor {
		h.known, h.count = true, n
	}
}

// several says that there is more than one.
func (h *headCount) several() bool { return h.known && h.count >= 2 }
