package verdict

// Safeguarding are the reasons of a safeguarding stop (O-08): an officer takes somebody out of the flow for that person's
// own protection, whatever the checks said. A code names a concern and nobody.
func Safeguarding() []string {
	return []string{"child_alone", "companion_doubtful", "trafficking_suspected", "adult_at_risk", "unwell_or_distressed", "other_concern"}
}
