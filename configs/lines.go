package configs

import "slices"

// lineMeans tells what High means on each line: the wiring table of docs/hardware.md and egatectl hardware wire.
var lineMeans = map[string]string{
	"entry_closed": "end contact: the entry door is shut", "entry_open": "end contact: the entry door is open",
	"exit_closed": "end contact: the exit door is shut", "exit_open": "end contact: the exit door is open",
	"entry_beam": "beam in the entry door's plane broken", "exit_beam": "beam in the exit door's plane broken",
	"fire_ok": "fire loop healthy; Low or unknown is an alarm", "tamper_ok": "enclosure shut", "exit_request": "button towards the side of origin pressed",
	"power_ok": "mains there; Low: the gate runs on its battery", "overhead_ok": "overhead sensor supervises itself well", "overhead_occupied": "overhead sensor: somebody inside",
	"overhead_many": "overhead sensor: more than one inside", "mat_ok": "weight mat supervises itself well", "mat_occupied": "weight mat: somebody on it", "mat_many": "weight mat: more than one on it",
	"entry_open_pulse": "open the entry door (pulse)", "entry_close_pulse": "close the entry door (pulse)",
	"exit_open_pulse": "open the exit door (pulse)", "exit_close_pulse": "close the exit door (pulse)",
	"entry_lock": "energised: entry locked", "exit_lock": "energised: exit locked", "release": "normal; Low: doors released, as without power",
	"entry_unlock": "energised: entry's bolt drawn; Low: bolted, as without power", "entry_release": "energised: entry released, as by the fire loop",
	"exit_unlock": "energised: exit's bolt drawn; Low: bolted, as without power", "exit_release": "energised: exit released, as by the fire loop",
	"lamp_entry_green": "entry: go", "lamp_exit_green": "exit: go", "lamp_red": "wait", "beacon": "call of the gate",
	LineSounder: "sounds (optional)",
	"beam_test": "transmitters of the mantrap beams dark: their self-test (optional)",
	"light_r":   "face light, red", "light_g": "face light, green", "light_b": "face light, blue",
}

// LineMeans tells what High means on a line of this name; empty for a name that no gate has.
func LineMeans(name string) string {
	if beamName.MatchString(name) {
		return "mantrap beam broken"
	}
	return lineMeans[name]
}

// LineNames are the names of m in the order of the wiring table: fixed names as above, beams last.
func LineNames(m map[string]Line) []string {
	order := append(slices.Clone(mantrapInputs), mantrapOutputs...)
	order = append(order, "entry_unlock", "entry_release", "exit_unlock", "exit_release")
	rank := func(n string) int {
		if i := slices.Index(order, n); i >= 0 {
			return i
		}
		return len(order)
	}
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		if a < b {
			return -1
		}
		return 1
	})
	return names
}
