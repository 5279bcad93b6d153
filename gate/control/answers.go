package control

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"egate/api"
)

// Limits of what is remembered of orders.
const (
	answerKeep  = 2 * time.Minute // an order lives ten seconds, a console that asks again waits no longer
	maxAnswers  = 256
	answerRow   = "order/"
	documentRow = "part/"
)

// answers remembers what became of orders, in the journal too: the same order has the same answer, after a
// restart as before (O-03).
type answers struct {
	by    map[string]api.Response
	order []string
	rows  map[string]string // changed since the last record
}

// newAnswers reads them from the rows of the journal.
func newAnswers(rows map[string]string, now time.Time) *answers {
	a := &answers{by: map[string]api.Response{}, rows: map[string]string{}}
	for k, v := range rows {
		id, ours := strings.CutPrefix(k, answerRow)
		if !ours {
			continue
		}
		var r api.Response
		if json.Unmarshal([]byte(v), &r) != nil || r.ID != id || now.Sub(r.At) > answerKeep || len(a.by) >= maxAnswers {
			a.rows[k] = ""
			continue
		}
		a.by[id] = r
		a.order = append(a.order, id)
	}
	slices.SortFunc(a.order, func(x, y string) int { return a.by[x].At.Compare(a.by[y].At) }) // the oldest is forgotten first
	return a
}

// put remembers an answer and forgets those that nobody asks for any more.
func (a *answers) put(r api.Response, now time.Time) {
	if _, known := a.by[r.ID]; !known {
		a.order = append(a.order, r.ID)
	}
	a.by[r.ID] = r
	if b, err := json.Marshal(r); err == nil {
		a.rows[answerRow+r.ID] = string(b)
	}
	for len(a.order) > 0 && (len(a.order) > maxAnswers || now.Sub(a.by[a.order[0]].At) > answerKeep) {
		delete(a.by, a.order[0])
		a.rows[answerRow+a.order[0]] = ""
		a.order = a.order[1:]
	}
}

// changed returns the rows for the next record.
func (a *answers) changed() map[string]string {
	if len(a.rows) == 0 {
		return nil
	}
	r := a.rows
	a.rows = map[string]string{}
	return r
}

// inForce notes a signed document that came into force.
func (l *Loop) inForce(d Document) {
	old := l.docs[d.What]
	if old == "" {
		old = "none"
	}
	l.docs[d.What] = d.Is
	l.emit(api.EventChange, api.Change{What: d.What, Old: old, New: d.Is})
	l.answers.rows[documentRow+d.What] = d.Is
	for k, v := range d.Rows {
		l.answers.rows[k] = v
	}
	l.record()
}

// documents are those that the journal knows.
func documents(rows map[string]string) map[string]string {
	d := map[string]string{}
	for k, v := range rows {
		if what, ours := strings.CutPrefix(k, documentRow); ours {
			d[what] = v
		}
	}
	return d
}
