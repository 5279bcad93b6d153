package gate

// Unsound names the law of a state that m breaks, "" when it breaks none. No sequence of events leads to such a state
// (the explorer holds these laws with all others); a flipped bit of memory may, and then the loop stops feeding the
// watchdog.
func (m *Model) Unsound() string {
	switch {
	case m.Topology != OneStep && m.Mode != ModeEmergency && m.Mode != ModeRecovering && !m.Locked[Entry] && !m.Locked[Exit]:
		return "P-03: both doors are unlocked"
	case m.Cmd[Entry] == CmdOpen && m.Cmd[Exit] == CmdOpen:
		return "P-03: both doors are told to open"
	case m.RSlot != NoSlot && m.RSlot == m.PSlot:
		return "P-05: one inspector has both travellers"
	case m.Held && (m.Allowed || m.Grant == GrantExit || m.Grant == GrantOrder):
		return "P-09: a grant for the exit for who is to be held"
	case m.Specimen && (m.Allowed || m.Grant != GrantNone || m.Passage == PasRelease):
		return "P-14: a grant for a specimen"
	case m.Passage == PasRelease && m.Grant == GrantExit && (!m.Allowed || !m.secured(Entry) || m.Occ != CountOne):
		return "S-01: an allow outlived its occupancy"
	}
	return ""
}
