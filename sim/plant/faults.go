package plant

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Fault is something that can be wrong with a plant, by name: the same in scenarios and on the command line.
type Fault struct {
	Name string // of the family; LINE and DOOR stand for a name
	Does string
}

// slowPart is the speed of a worn motor.
const slowPart = 0.3

// Faults are the families of faults. A line is one of Inputs, a door entry or exit.
var Faults = []Fault{
	{"fire", "the fire loop opens: doors are released by wire"},
	{"tamper", "the enclosure stands open"},
	{"exit_pressed", "the exit button is held down"},
	{"DOOR_forced", "the door is pushed open by hand, lock or not"},
	{"DOOR_slow", "the motor of the door is worn: 30 % of its speed"},
	{"DOOR_closed_welded", "the closed contact, once made, stays made"},
	{"DOOR_open_welded", "the open contact, once made, stays made"},
	{"LINE_high", "the input line sticks high: a beam that is always broken"},
	{"LINE_low", "the input line sticks low: a beam that is never broken, a contact that is never made"},
}

// FaultNames are the names of every fault of this plant, sorted.
func (p *Plant) FaultNames() []string {
	names := []string{"fire", "tamper", "exit_pressed"}
	for _, d := range p.doors {
		if p.contact[d.name+"_closed"] == nil {
			continue
		}
		for _, f := range []string{"_forced", "_slow", "_closed_welded", "_open_welded"} {
			names = append(names, d.name+f)
		}
	}
	for line := range p.Inputs() {
		names = append(names, line+"_high", line+"_low")
	}
	slices.Sort(names)
	return names
}

// Inject makes a fault happen, or ends it. An unknown name is an error that lists the families.
func (p *Plant) Inject(name string, on bool) error {
	if !slices.Contains(p.FaultNames(), name) {
		var known []string
		for _, f := range Faults {
			known = append(known, f.Name)
		}
		return fmt.Errorf("plant: no fault %q; there are: %s", name, strings.Join(known, ", "))
	}
	door, kind, _ := strings.Cut(name, "_")
	switch {
	case name == "fire":
		p.Fire(on)
	case name == "tamper":
		p.Input(LineTamper, !on)
	case name == "exit_pressed":
		p.Input(LineExit, on)
	case kind == "forced" && on:
		return p.Force(door, math.MaxInt64/2)
	case kind == "forced":
		return p.LetGo(door)
	case kind == "slow" && on:
		return p.Slow(door, slowPart)
	case kind == "slow":
		return p.Slow(door, 1)
	case strings.HasSuffix(name, "_welded"):
		line := strings.TrimSuffix(name, "_welded")
		if on {
			return p.Weld(line)
		}
		p.Unstick(line)
	default:
		line, level := name[:strings.LastIndexByte(name, '_')], name[strings.LastIndexByte(name, '_')+1:]
		if on {
			return p.Stick(line, level == "high")
		}
		p.Unstick(line)
	}
	return nil
}
