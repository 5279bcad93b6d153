// Package pairing binds the devices of a gate to it at commissioning: port path, descriptors and serial number
// of each, and every other USB device that may be there. A technician makes and signs a pairing, an
// officer countersigns it; the gate compares what is plugged with it as long as it runs. A device that was
// changed is a tamper fault until the gate is paired again.
//
// The file holds a payload and signatures over its exact bytes (kind "pairing"): at least one of a
// technician's and one of an officer's key, which must be two keys.
package pairing

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"egate/hal"
	"egate/hal/identity"
	"egate/seal"
)

const (
	kind = "pairing"
	// typeName stands in the payload: a signature for another document of the site is none for this one.
	typeName = "egate.pairing.v1"
	// maxFile caps a file, bytes; a gate has about ten devices.
	maxFile = 64 << 10
)

// ErrNone says that there is no pairing: the gate was not commissioned.
var ErrNone = errors.New("pairing: no pairing: commission the devices with egatectl hardware pair")

// Pairing is what a gate's devices are bound to.
type Pairing struct {
	Type    string                       `json:"type"`
	Site    string                       `json:"site"`
	Gate    string                       `json:"gate"`
	Version int                          `json:"version"` // rises with each pairing of a gate
	At      time.Time                    `json:"at"`
	Parts   map[string]identity.Identity `json:"parts"` // by the name of the part
	USB     []USB                        `json:"usb"`   // the other USB devices: hubs, a touch screen, a modem
}

// USB is a USB device that may be there and is no part that is leased.
type USB struct {
	identity.Identity
	Classes []string `json:"classes"`
}

// File is a pairing with its signatures, as it is kept.
type File struct {
	Payload    []byte           `json:"payload"` // a Pairing as JSON
	Signatures []seal.Signature `json:"signatures"`
}

// Draft notes what is plugged now. nodes are the parts' device nodes; a part whose node is not there is an error:
// a gate is paired complete.
func Draft(sys identity.Sys, site, gate string, version int, at time.Time, nodes map[string]string) (Pairing, error) {
	p := Pairing{Type: typeName, Site: site, Gate: gate, Version: version, At: at.UTC(), Parts: map[string]identity.Identity{}, USB: []USB{}}
	for _, part := range slices.Sorted(maps.Keys(nodes)) {
		id, err := sys.Of(nodes[part])
		if err != nil {
			return p, fmt.Errorf("pairing: %s: %w", part, err)
		}
		p.Parts[part] = id
	}
	all, err := sys.USB()
	if err != nil {
		return p, err
	}
	for _, d := range all {
		if !slices.Contains(slices.Collect(maps.Values(p.Parts)), d.Identity) {
			p.USB = append(p.USB, USB{d.Identity, d.Classes})
		}
	}
	return p, nil
}

// Sign makes a file with the first signature.
func Sign(p Pairing, by *seal.Signer) (File, error) {
	b, err := json.Marshal(p)
	if err != nil {
		return File{}, fmt.Errorf("pairing: %w", err)
	}
	return File{b, []seal.Signature{by.Sign(kind, b)}}, nil
}

// Countersign adds a signature.
func (f *File) Countersign(by *seal.Signer) {
	f.Signatures = append(slices.DeleteFunc(f.Signatures, func(s seal.Signature) bool { return s.Kid == by.KeyID() }), by.Sign(kind, f.Payload))
}

// Look reads the payload without asking who signed it: to show it to who is about to sign.
func (f *File) Look() (Pairing, error) {
	var p Pairing
	d := json.NewDecoder(strings.NewReader(string(f.Payload)))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, fmt.Errorf("pairing: not a pairing: %w", err)
	}
	if p.Type != typeName {
		return p, fmt.Errorf("pairing: type %q, want %q", p.Type, typeName)
	}
	return p, nil
}

// Rule is who may pair which gate.
type Rule struct {
	Site, Gate           string
	Technicians, Officer seal.Keys
	MinVersion           int // the version in use: an older one is refused
}

// Verify returns the pairing if a technician and an officer have signed it for this gate.
func (f *File) Verify(r Rule) (Pairing, error) {
	one, err := r.Technicians.Verify(kind, f.Payload, f.Signatures)
	if err != nil {
		return Pairing{}, fmt.Errorf("pairing: signature of a technician: %w", err)
	}
	// Somebody may have a key in both sets: that is still one person.
	officers := maps.Clone(r.Officer)
	delete(officers, one)
	if _, err := officers.Verify(kind, f.Payload, f.Signatures); err != nil {
		return Pairing{}, fmt.Errorf("pairing: countersignature of an officer: %w", err)
	}
	p, err := f.Look()
	switch {
	case err != nil:
		return p, err
	case p.Site != r.Site || p.Gate != r.Gate:
		return p, fmt.Errorf("pairing: it is of gate %s at site %s", p.Gate, p.Site)
	case p.Version < r.MinVersion:
		return p, fmt.Errorf("pairing: version %d is older than %d, which is in use", p.Version, r.MinVersion)
	}
	return p, nil
}

// Parse reads the bytes of a file.
func Parse(b []byte) (*File, error) {
	if len(b) > maxFile {
		return nil, fmt.Errorf("pairing: more than %d bytes", maxFile)
	}
	var f File
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("pairing: not a file of egatectl hardware pair: %w", err)
	}
	return &f, nil
}

// Read reads a file; one that is not there is ErrNone.
func Read(path string) (*File, error) {
	in, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrNone
	} else if err != nil {
		return nil, fmt.Errorf("pairing: %w", err)
	}
	defer in.Close()
	b, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("pairing: %w", err)
	}
	return Parse(b)
}

// Write keeps a file.
func (f *File) Write(path string) error {
	b, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return fmt.Errorf("pairing: %w", err)
	}
	return replace(path, append(b, '\n'))
}

// replace puts a whole file in the place of another: after a power cut one of the two is there.
func replace(path string, b []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".pairing-*")
	if err != nil {
		return fmt.Errorf("pairing: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("pairing: %w", err)
	}
	return nil
}

// What is wrong with a device.
const (
	Lost      = "lost"      // it is not there
	Changed   = "changed"   // another one, or at another port
	Unbound   = "unbound"   // the pairing does not have it
	Unlisted  = "unlisted"  // a USB device that nobody paired
	Simulated = "simulated" // a program, not a device
)

// Finding is one difference between the pairing and what is plugged.
type Finding struct {
	Part string // empty for Unlisted
	What string
	Text string // for a log: ports and ids, nothing a device calls itself
}

// PartOK tells whether no finding concerns a part.
func PartOK(all []Finding, part string) bool {
	return !slices.ContainsFunc(all, func(f Finding) bool { return f.Part == part })
}

// Check compares what is plugged with a pairing. With nil nothing is bound yet, and only what is lost or
// simulated is told.
func Check(sys identity.Sys, p *Pairing, nodes map[string]string) (all []Finding) {
	now := map[string]identity.Identity{}
	for _, part := range slices.Sorted(maps.Keys(nodes)) {
		id, err := sys.Of(nodes[part])
		if err != nil {
			what := Changed
			if errors.Is(err, hal.ErrLost) {
				what = Lost
			}
			all = append(all, Finding{part, what, err.Error()})
			continue
		}
		now[part] = id
		if id.Simulated() {
			all = append(all, Finding{part, Simulated, fmt.Sprintf("%s is no hardware (%s)", nodes[part], id.Port)})
			continue
		}
		if p == nil {
			continue
		}
		was, bound := p.Parts[part]
		if !bound {
			all = append(all, Finding{part, Unbound, "the pairing has no such part"})
		} else if d := was.Differs(id); len(d) > 0 {
			all = append(all, Finding{part, Changed, fmt.Sprintf("another %s: %s %s:%s, paired was %s %s:%s", strings.Join(d, ", "), id.Port, id.Vendor, id.Product, was.Port, was.Vendor, was.Product)})
		}
	}
	if p == nil {
		return all
	}
	plugged, err := sys.USB()
	if err != nil {
		return append(all, Finding{"", Unlisted, err.Error()})
	}
	for _, d := range plugged {
		same := func(i identity.Identity) bool { return len(i.Differs(d.Identity)) == 0 }
		known := slices.ContainsFunc(p.USB, func(u USB) bool { return same(u.Identity) })
		for part, id := range now { // a part that was changed has its finding already
			known = known || same(id) || same(p.Parts[part])
		}
		if !known {
			all = append(all, Finding{"", Unlisted, fmt.Sprintf("USB device %s:%s of class %s at %s", d.Vendor, d.Product, strings.Join(d.Classes, "+"), d.Port)})
		}
	}
	return all
}
