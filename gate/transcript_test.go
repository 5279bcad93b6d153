package gate

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"egate/verdict"
)

var actionNames = [...]string{"none", "open", "close", "lock", "release", "restore", "start", "stop", "spawn", "begin", "take_back", "capture", "camera", "halt", "end", "kill",
	"commit", "emit", "answer", "admit"}

var limitNames = [...]string{"none", "document", "chip", "lift", "no_show", "secure", "capture", "release", "clear", "leave", "referral", "prompt", "note", "commit", "travel", "retry", "guard",
	"recover", "warm", "exit", "test"}

var whatNames = [...]string{"none", "choice", "referral", "passage", "alarm", "mode", "door", "test"}

// brief is an action in a few words: its kind and what of it is not zero.
func (a Action) brief() string {
	var b strings.Builder
	b.WriteString(actionNames[a.Kind])
	switch a.Kind {
	case ActOpen, ActClose, ActLock:
		b.WriteString(" " + a.Door.String())
	case ActStop:
		b.WriteString(" " + timerNames[a.Timer])
	case ActStart:
		fmt.Fprintf(&b, " %s %d*%s", timerNames[a.Timer], a.N, limitNames[a.Limit])
		return b.String()
	case ActEmit:
		fmt.Fprintf(&b, " %s %s", whatNames[a.What], a.Lane.text())
	}
	x := reflect.ValueOf(a)
	for k := range x.NumField() {
		switch name := x.Type().Field(k).Name; {
		case slices.Contains([]string{"Kind", "Timer", "What", "Lane"}, name) || name == "Door" && a.Kind != ActEmit || x.Field(k).IsZero():
		default:
			fmt.Fprintf(&b, " %s=%v", strings.ToLower(name), x.Field(k).Interface())
		}
	}
	return b.String()
}

// changes are the fields of the model that a step changed.
func changes(before, after *Model) (out []string) {
	x, y := reflect.ValueOf(*before), reflect.ValueOf(*after)
	for k := range x.NumField() {
		if a, b := x.Field(k).Interface(), y.Field(k).Interface(); a != b {
			out = append(out, fmt.Sprintf("%s=%v", x.Type().Field(k).Name, b))
		}
	}
	return out
}

// whatever is a fingerprint of what every event would do here, on the way of the story or not.
func whatever(m Model, alphabet []Event, buf []Action) uint32 {
	h := fnv.New32a()
	for _, e := range alphabet {
		if e.Kind == EvCommitted || e.Kind == EvCommitFailed {
			e.N = m.GrantID
		}
		after, acts := StepInto(buf[:0], m, e)
		h.Write((*[unsafe.Sizeof(Model{})]byte)(unsafe.Pointer(&after))[:])
		for i := range acts {
			h.Write((*[unsafe.Sizeof(Action{})]byte)(unsafe.Pointer(&acts[i]))[:])
		}
	}
	return h.Sum32()
}

// TestP01Transcript compares what the gate does at each line of each story with what it did when somebody last looked
// at testdata/transcript.txt: what changes, which actions are taken, what is shown. The number behind each line
// stands for what every other event would have done there. A change of the rules shows in a diff of that file: read it
// before it is committed.
func TestP01Transcript(t *testing.T) {
	var b bytes.Buffer
	alphabet, buf := events(), make([]Action, 0, 64)
	for _, sl := range []Slot{Slot1, Slot2} { // what the explorer takes for another reading of the same
		alphabet = append(alphabet, Event{Kind: EvHeads, Slot: sl, N: 1}, Event{Kind: EvChecked, Slot: sl, Outcome: verdict.RefuseAndHold, Reason: verdict.CloneSuspected},
			Event{Kind: EvChecked, Slot: sl, Outcome: verdict.Refer, Reason: verdict.CentreHit}, Event{Kind: EvVerdict, Slot: sl, Outcome: verdict.RefuseAndHold, Reason: verdict.PADFailed})
	}
	known := map[node]bool{}
	ways := slices.Concat(stories, oneStepStories)
	for i, text := range strayed {
		ways = append(ways, story{name: fmt.Sprintf("a way that no story goes: %d", i+1), trace: text})
	}
	for _, st := range ways {
		fmt.Fprintf(&b, "\n# %s\n", st.name)
		n := node{M: New(st.topology, true)}
		if strings.Contains(st.trace, strings.TrimSpace(upOneStep)) {
			n.M.Topology = OneStep
		}
		for _, line := range strings.Split(st.trace, "\n") {
			e, err := parseEvent(strings.TrimSpace(line))
			if err != nil {
				continue // expectations and empty lines
			}
			after, acts := apply(n, e, nil)
			if known[after] {
				n = after
				continue // told in an earlier story
			}
			known[after] = true
			fmt.Fprintf(&b, "%s\n\t%s\n", e.text(), strings.Join(changes(&n.M, &after.M), " "))
			for _, a := range acts {
				fmt.Fprintf(&b, "\t%s\n", a.brief())
			}
			if v, l := View(after.M), Lights(after.M); v != View(n.M) || l != Lights(n.M) {
				fmt.Fprintf(&b, "\tshown %+v %+v\n", v, l)
			}
			fmt.Fprintf(&b, "\t%08x\n", whatever(after.M, alphabet, buf))
			n = after
		}
	}
	golden(t, "testdata/transcript.txt", b.Bytes())
}
