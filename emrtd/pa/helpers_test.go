package pa_test

import (
	"bytes"
	"time"

	"egate/emrtd/ber"
	"egate/emrtd/lds"
)

// addGroup lists one more group in the SOD that a gate does not read.
func (w *world) addGroup(n int) {
	w.t.Helper()
	g := w.p.Groups()
	g[n] = []byte{lds.Tag(n), 0}
	sod, err := w.a.SignSOD(g, now.Add(-30*24*time.Hour))
	w.must(err)
	w.in.SOD = sod
	w.in.COM = nil
}

func (w *world) object() *lds.SecurityObject {
	w.t.Helper()
	o, err := lds.ParseSecurityObject(w.sd().Content)
	w.must(err)
	return o
}

// splice replaces the primitive value old by new and mends every length around it.
func splice(b, old, new []byte) []byte {
	e, _, err := ber.Parse(b)
	if err != nil {
		return b
	}
	if !e.Constructed {
		if bytes.Equal(e.Content, old) {
			return ber.Encode(uint16(e.Raw[0]), new)
		}
		return e.Raw
	}
	kids, err := e.Children()
	if err != nil {
		return e.Raw
	}
	var parts [][]byte
	for _, k := range kids {
		parts = append(parts, splice(k.Raw, old, new))
	}
	return ber.Encode(uint16(e.Raw[0]), parts...)
}
