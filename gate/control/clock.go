package control

import "time"

// Clock is the gate's wall time (E-07). Logic uses monotonic time and never this.
type Clock interface {
	Now() time.Time // UTC
	Trusted() bool  // whether certificates and documents may be judged by it
	Row() string    // what the journal keeps of it
}

// ClockRow is the journal's row of the time.
const ClockRow = "clock"

// system is the clock of the machine.
type system struct{}

func (system) Now() time.Time { return time.Now().UTC() }
func (system) Trusted() bool  { return true }
func (system) Row() string    { return "" }

// stamped adds the time to the rows of a record, so that the journal's end says when it was.
func (l *Loop) stamped(rows map[string]string) map[string]string {
	row := l.cfg.Clock.Row()
	if row == "" {
		return rows
	}
	if rows == nil {
		rows = map[string]string{}
	}
	rows[ClockRow] = row
	return rows
}

// now is the gate's wall time: leases, orders and evidence go by it, whatever the machine's clock says.
func (l *Loop) now() time.Time { return l.cfg.Clock.Now() }
