package pki

import (
	"crypto/x509"
	"time"
)

// Stage is how near its end a certificate is.
type Stage int

// Stages. A life of 90 days makes them 30, 7 and 1 days before the end; a shorter one shortens them.
const (
	Fresh   Stage = iota
	Due           // two thirds of the life have passed, or 30 days are left: renew it
	Ending        // 7 days are left
	LastDay       // 1 day is left
	Expired       // over, or the clock lies before its beginning
)

const day = 24 * time.Hour

// StageOf tells the stage of a certificate.
func StageOf(c *x509.Certificate, now time.Time) Stage {
	life, left := c.NotAfter.Sub(c.NotBefore), c.NotAfter.Sub(now)
	switch {
	case left <= 0 || now.Before(c.NotBefore):
		return Expired
	case left <= min(day, life/12):
		return LastDay
	case left <= min(7*day, life/6):
		return Ending
	case left <= min(30*day, life/3):
		return Due
	}
	return Fresh
}

// Stage is that of the own certificate or of the authority's, whichever is nearer its end.
func (c *Credential) Stage() Stage {
	h, now, worst := c.refresh(), c.opt.Now(), Fresh
	if h.own != nil {
		worst = StageOf(h.own.Leaf, now)
	}
	if h.ca != nil {
		worst = max(worst, StageOf(h.ca, now))
	}
	return worst
}
