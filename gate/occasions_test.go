package gate

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestOccasions: a law that the explorer does not ask on a step cannot be broken by it. Steps that no machine
// makes are put together from those of many ways: the model before of one, the model after of another or a
// mixture of two, actions of several. Each law must find something wrong among them, and on its occasions
// only; what a law of states finds must not depend on how the state was reached.
func TestOccasions(t *testing.T) {
	type move struct {
		before, after node
		e             Event
		acts          []Action
	}
	r := rand.New(rand.NewPCG(1, 2))
	alphabet := events()
	var moves []move
	met := map[node]bool{}
	for _, st := range slices.Concat(stories, oneStepStories) {
		n := node{M: New(st.topology, true)}
		for _, line := range strings.Split(st.trace, "\n") {
			e, err := parseEvent(strings.TrimSpace(line))
			if err != nil {
				continue // expectations and empty lines
			}
			if n, _ = apply(n, e, nil); met[n] {
				continue
			}
			met[n] = true
			for _, e := range alphabet {
				if possible(&n, e) {
					after, acts := apply(n, e, nil)
					moves = append(moves, move{n, after, e, acts})
				}
			}
		}
	}
	some := func() *move { return &moves[r.IntN(len(moves))] }
	mixed := func(a, b node) node {
		x, y := reflect.ValueOf(&a.M).Elem(), reflect.ValueOf(&b.M).Elem()
		for range 1 + r.IntN(3) {
			k := r.IntN(x.NumField())
			to, from := x.Field(k), y.Field(k)
			if to.Kind() == reflect.Array {
				to, from = to.Index(r.IntN(to.Len())), from.Index(r.IntN(to.Len()))
			}
			to.Set(from)
		}
		return a
	}
	wrongs := make([]int, len(invariants))
	brief := raceEnabled || testing.Short()
	samples, most := 200_000, 4_000_000 // more for a law that only few steps can break
	if brief {
		samples, most = 10_000, 10_000
	}
	for n := 0; n < samples || n < most && slices.Contains(wrongs, 0); n++ {
		x, y := some(), some()
		b, a, e := x.before, x.after, x.e
		acts := append([]Action(nil), x.acts...)
		switch r.IntN(4) {
		case 0:
			a = y.after
		case 1:
			a = mixed(a, y.after)
		case 2:
			b = mixed(b, y.before)
		}
		if r.IntN(2) == 0 {
			acts = append(acts, y.acts...)
		}
		for range r.IntN(3) {
			if len(acts) > 0 {
				k := r.IntN(len(acts))
				acts = append(acts[:k], acts[k+1:]...)
			}
		}
		if r.IntN(4) == 0 {
			e = y.e
		}
		what := happened(&b.M, e, &a.M, acts)
		for j, inv := range invariants {
			said, wrong := inv.check(&b, e, &a, acts)
			if wrong != "" {
				wrongs[j]++
			}
			if inv.when == state {
				if s, w := inv.check(&y.before, y.e, &a, y.acts); s != said || w != wrong {
					t.Fatalf("%s: a law of states that looks at more: %q, %q", inv.name, wrong, w)
				}
			} else if wrong != "" && inv.when&what == 0 {
				t.Fatalf("%s: %s, and it is not asked\nmodel before %+v\n%s\nmodel after %+v\n%s", inv.name, wrong, b.M, e.text(), a.M, actions(acts))
			}
		}
	}
	for j, inv := range invariants {
		if wrongs[j] == 0 && !brief {
			t.Errorf("%s: nothing broke it", inv.name)
		}
	}
}

// TestModelIsBytes: the explorer hashes the memory of a model, which must be its fields and no more.
func TestModelIsBytes(t *testing.T) {
	var size func(x reflect.Type) uintptr
	size = func(x reflect.Type) (sum uintptr) {
		switch x.Kind() {
		case reflect.Struct:
			for k := range x.NumField() {
				sum += size(x.Field(k).Type)
			}
		case reflect.Array:
			sum = uintptr(x.Len()) * size(x.Elem())
		case reflect.Bool, reflect.Uint8:
			sum = x.Size()
		default:
			t.Errorf("a %s in a model", x)
		}
		return sum
	}
	if x := reflect.TypeFor[Model](); size(x) != x.Size() {
		t.Errorf("%d bytes of fields in %d", size(x), x.Size())
	}
}
