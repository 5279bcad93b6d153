package emrtd

import (
	"errors"

	"egate/emrtd/mrz"
	"egate/verdict"
)

// MRZReason maps an error of package mrz to its reason code (C-13): another page, false check digits, or
// nothing that can be read. A document upside down or covered is the scanner's to tell.
func MRZReason(err error) verdict.Reason {
	var c *mrz.CheckError
	switch {
	case err == nil:
		return verdict.OK
	case errors.Is(err, mrz.ErrVisa):
		return verdict.MRZWrongPage
	case errors.As(err, &c):
		return verdict.MRZCheckDigits
	}
	return verdict.MRZUnreadable
}
