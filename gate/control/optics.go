package control

import (
	"encoding/json"
	"time"

	"egate/health"
	"egate/inspect/protocol"
)

// opticsRow is the journal's row of the reference day of lens and lamps.
const opticsRow = "optics"

// lens follows the daily medians of what captures tell of camera and light (F-15).
type lens struct {
	trend health.Trend
	of    string // the devices that the reference is of
	kept  bool   // the reference stands in the journal
}

// lensRow is the row: light, sharpness and evenness.
type lensRow struct {
	Of    string    `json:"of"`
	First []float64 `json:"first"`
}

// devicesOf names the devices of a gate: their pairing, or its configuration where none are paired. Others make a
// new reference.
func devicesOf(docs map[string]string) string {
	if p := docs["pairing"]; p != "" {
		return p
	}
	return docs["config"]
}

// newLens goes on with the reference that the journal has of these devices.
func newLens(row, devices string) (l lens) {
	l.of = devices
	var r lensRow
	if json.Unmarshal([]byte(row), &r) == nil && r.Of == devices && len(r.First) == 3 {
		l.trend.Resume(r.First)
		l.kept = true
	}
	return l
}

// add notes a capture and gives the row that is to be journalled, "" for none.
func (l *lens) add(at time.Time, o *protocol.Optics) (row string) {
	l.trend.Add(at, o.Light, o.Sharpness, o.Uniformity)
	first := l.trend.First()
	if l.kept || first == nil {
		return ""
	}
	b, err := json.Marshal(lensRow{l.of, first})
	if err != nil {
		return ""
	}
	l.kept = true
	return string(b)
}

// lensAndLamps takes what an inspection tells of camera and light.
func (l *Loop) lensAndLamps(o *protocol.Optics) {
	if o == nil {
		return
	}
	if l.cfg.Used != nil && o.Frames > 0 && o.Dropped >= 0 && o.Dropped <= o.Frames {
		l.cfg.Used("camera", 100*float64(o.Dropped)/float64(o.Frames))
	}
	if of := devicesOf(l.docs); of != l.optics.of {
		l.optics = lens{of: of}
	}
	if row := l.optics.add(time.Now(), o); row != "" {
		l.answers.rows[opticsRow] = row // with the next record
	}
	drift, parts := l.optics.trend.Shifted()
	if drift {
		l.log.Warn("control: optics", "light", parts[0], "sharpness", parts[1], "uniformity", parts[2])
	}
	l.fault(health.CameraDrift, health.PartCamera, drift)
}
