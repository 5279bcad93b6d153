package run

import (
	"errors"
	"fmt"
	"time"

	"egate/sim/memscan"
)

// erasure is how long after its end a passage may still be in memory (DP-01).
const erasure = time.Second

// search looks for the traveller in everything that is not the simulator.
func (s *stage) search(r *Result) ([]memscan.Hit, memscan.Stats, error) {
	if s.pass == nil {
		return nil, memscan.Stats{}, errors.New("memory scan: nobody was there to look for")
	}
	m, err := s.markers()
	if err != nil {
		return nil, memscan.Stats{}, err
	}
	r.Marks, r.Markers = m, m.Len()
	time.Sleep(erasure) // the requirement's own second, not a synchronisation
	return s.h.scan(m)
}

// markers are what would betray the traveller.
func (s *stage) markers() (*memscan.Markers, error) {
	m := memscan.New()
	list := []*Passport{s.pass}
	if s.second != nil {
		list = append(list, s.second)
	}
	for i, p := range list {
		if err := p.mark(m, i == 0 && s.sc.Document.Surname != ""); err != nil {
			return nil, err
		}
	}
	for _, row := range s.l.Ends.Camera.Samples() {
		m.AddBlocks("live frame", row)
	}
	return m, nil
}

// mark adds a document. listed says that its number and name stand on the centre's list by right: the
// centre may hold those.
func (p *Passport) mark(m *memscan.Markers, listed bool) error {
	for i, l := range p.Lines {
		if err := m.AddText(fmt.Sprintf("mrz line %d", i+1), l); err != nil {
			return err
		}
	}
	if !listed {
		if err := m.AddText("document number", p.Number); err != nil {
			return err
		}
		if err := m.AddText("name", p.Name); err != nil {
			return err
		}
	}
	if m.AddPortrait("portrait file", p.Portrait) == 0 {
		return errors.New("memory scan: the portrait gives no markers")
	}
	for _, row := range p.Pixels {
		m.AddBlocks("portrait pixels", row)
	}
	return nil
}

// scan searches processes, files and traffic.
func (h *House) scan(m *memscan.Markers) ([]memscan.Hit, memscan.Stats, error) {
	var st memscan.Stats
	var hits []memscan.Hit
	for pid, name := range h.Processes() {
		x, err := m.Process(pid, name, &st)
		hits = append(hits, x...)
		if err != nil {
			return hits, st, err
		}
	}
	if st.Processes == 0 {
		return hits, st, errors.New("memory scan: no process was searched")
	}
	x, err := m.Tree(h.Site.Dir, &st)
	hits = append(hits, x...)
	if err != nil {
		return hits, st, err
	}
	for _, l := range h.Lanes {
		b, err := l.Proxy.Captured()
		if err != nil {
			return hits, st, err
		}
		st.Bytes += int64(len(b))
		hits = append(hits, m.Bytes("traffic of "+l.Gate.Name, b, 0)...)
	}
	return hits, st, nil
}
