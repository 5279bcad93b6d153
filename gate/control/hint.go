package control

import "egate/verdict"

// instead is another picture for the same trouble: asking the same thing twice has not helped (P-07). Reasons
// with the same picture stand under one of them.
var instead = map[verdict.Reason]verdict.Reason{
	verdict.MRZUnreadable: verdict.MRZCoverOn, verdict.MRZCoverOn: verdict.MRZUnreadable, verdict.MRZWrongPage: verdict.MRZUpsideDown,
	verdict.MRZUpsideDown: verdict.MRZWrongPage, verdict.NoChip: verdict.MRZCoverOn, verdict.ChipLost: verdict.NoChip,
}

// picture is the reason under which the picture of r stands.
func picture(r verdict.Reason) verdict.Reason {
	switch r {
	case verdict.MRZCheckDigits:
		return verdict.MRZUnreadable
	case verdict.ChipTooSlow:
		return verdict.ChipLost
	}
	return r
}

// hints is what a traveller at the reader was shown, so that each try has another picture.
type hints struct {
	try  uint8
	last verdict.Reason // shown in this try
}

// next is what to show in a try whose trouble is r: nobody laid a document down when it is none.
func (h *hints) next(try uint8, r verdict.Reason) verdict.Reason {
	if try == h.try {
		return h.last
	}
	if r == verdict.ReasonNone {
		r = verdict.MRZWrongPage // what to lay down
	}
	if picture(r) == picture(h.last) {
		r = instead[picture(r)]
	}
	h.try, h.last = try, r
	return r
}
