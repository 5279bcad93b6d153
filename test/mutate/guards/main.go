// Command guards changes the gate's machine, one place at a time, and tells which test notices: every operand of a
// condition is inverted, removed, and moved by one where it compares sizes; every statement is left out; every
// timer gets another limit. All of it is compiled in at once, each place behind a switch that one run turns;
// nothing of the repository is touched.
//
//	go run ./test/mutate/guards [-only order.go] [-part 1/4] [-walk 20000] [-v]
//
// The quickest tests are asked first: the machine's stories, the loop, then the explorer's first states. A mutant
// that survives must stand with its reason in survivors.txt, and what stands there must survive. Of every other
// survivor a step is printed that it changes, if the explorer meets one in the first -walk states of a world: what
// a missing test could look at. Exit status 0: all are killed or explained.
package main

import (
	"bufio"
	"bytes"
	_ "embed"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

//go:embed survivors.txt
var survivors string

func main() {
	only := flag.String("only", "", "one file of gate")
	part := flag.String("part", "1/1", "k/n: the k-th of n parts")
	walk := flag.Int("walk", 20_000, "how many states of each world are looked through for a step that a survivor changes; 0: none")
	verbose := flag.Bool("v", false, "tell of each mutant what noticed it")
	flag.Parse()
	if err := run(*only, *part, *walk, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "guards:", err)
		os.Exit(1)
	}
}

func run(only, part string, walk int, verbose bool) error {
	var k, n int
	if _, err := fmt.Sscanf(part, "%d/%d", &k, &n); err != nil || k < 1 || k > n {
		return fmt.Errorf("-part %q is not k/n with k from 1 to n", part)
	}
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("run it inside the repository: %w", err)
	}
	root := strings.TrimSpace(string(out))
	tmp, err := os.MkdirTemp("", "guards")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	mutants, err := instrument(root, tmp)
	if err != nil {
		return err
	}
	tests, err := build(root, tmp)
	if err != nil {
		return err
	}
	for _, t := range tests {
		if by := t.notices([]mutant{{id: -1}}); by[0] != "" {
			return fmt.Errorf("the tests fail without a mutant: %s", by[0])
		}
	}
	var mine []mutant
	for _, m := range mutants {
		if (only == "" || filepath.Base(m.at.Filename) == only) && m.id/perPlace%n == k-1 {
			mine = append(mine, m)
		}
	}
	known := reasons()
	left, wrong := mine, 0
	for _, t := range tests {
		by := t.notices(left)
		var survived []mutant
		for j, m := range left {
			switch _, expected := known[m.name]; {
			case by[j] == "":
				survived = append(survived, m)
			case expected:
				fmt.Printf("noticed, though survivors.txt says it is not: %s: %s\n", m, by[j])
				wrong++
			case verbose:
				fmt.Printf("killed   %s: %s\n", m, by[j])
			}
		}
		left = survived
	}
	killed := len(mine) - len(left)
	left = slices.DeleteFunc(left, func(m mutant) bool {
		why, expected := known[m.name]
		if expected {
			fmt.Printf("survived %s: %s\n", m, why)
		} else {
			fmt.Printf("SURVIVED %s\n", m)
			wrong++
		}
		return expected
	})
	if len(left) > 0 && walk > 0 {
		if err := differences(root, tmp, left, walk); err != nil {
			return err
		}
	}
	fmt.Printf("guards: %d of %d mutants killed (%.1f %%), %d not as survivors.txt says\n", killed, len(mine), 100*float64(killed)/float64(max(1, len(mine))), wrong)
	if wrong > 0 {
		return fmt.Errorf("a test is missing, or a reason in test/mutate/guards/survivors.txt")
	}
	return nil
}

// differences prints for each survivor a step that it changes.
func differences(root, tmp string, left []mutant, walk int) error {
	var ids []string
	for _, m := range left {
		ids = append(ids, strconv.Itoa(m.id))
	}
	cmd := exec.Command(filepath.Join(tmp, "gate.test"), "-test.run", "^TestMutantsDiffer$", "-test.timeout", "0")
	cmd.Dir = filepath.Join(root, "gate")
	cmd.Env = append(os.Environ(), "EGATE_MUTANTS="+strings.Join(ids, ","), "EGATE_BOUND="+strconv.Itoa(walk))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	steps, found := "", map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		what, rest, _ := strings.Cut(lines.Text(), " ")
		switch what {
		case "steps":
			steps = rest
		case "differs":
			id, how, _ := strings.Cut(rest, " ")
			found[id] = how
		}
	}
	for _, m := range left {
		how, differs := found[strconv.Itoa(m.id)]
		if !differs {
			how = "the same in " + steps + " steps of the explorer"
		}
		fmt.Printf("%s\n\t%s\n", m.name, how)
	}
	return nil
}

// reasons reads survivors.txt: a mutant's name and, after a tab, why no test can notice it.
func reasons() map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(survivors) {
		if name, why, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok && !strings.HasPrefix(name, "#") {
			out[name] = why
		}
	}
	return out
}

// test is a program of tests and how it is run.
type test struct {
	bin, dir string
	args     []string
	many     bool // it takes many mutants, one after the other
}

func build(root, tmp string) ([]test, error) {
	for _, pkg := range []string{"gate", "gate/control"} {
		cmd := exec.Command("go", "test", "-c", "-vet=off", "-overlay", filepath.Join(tmp, "overlay.json"), "-o", filepath.Join(tmp, filepath.Base(pkg)+".test"), "./"+pkg)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%w: %s", err, out)
		}
	}
	machine, control, gate := filepath.Join(tmp, "gate.test"), filepath.Join(tmp, "control.test"), filepath.Join(root, "gate")
	short := []string{"-test.short", "-test.failfast", "-test.timeout", "5m", "-rapid.nofailfile"}
	return []test{
		{bin: machine, dir: gate, args: []string{"-test.run", "^TestMutantsNoticed$", "-test.v", "-test.short", "-test.timeout", "0", "-rapid.nofailfile"}, many: true},
		{bin: control, dir: filepath.Join(gate, "control"), args: short},
		{bin: machine, dir: gate, args: append([]string{"-test.run", "^TestExplorer$"}, short...)},
	}, nil
}

// command is the test's program with some mutants in force.
func (t test) command(of []mutant) *exec.Cmd {
	cmd := exec.Command(t.bin, t.args...)
	cmd.Dir = t.dir
	var ids []string
	for _, m := range of {
		ids = append(ids, strconv.Itoa(m.id))
	}
	env := "EGATE_MUTANT="
	if t.many {
		env = "EGATE_MUTANTS="
	}
	cmd.Env = append(os.Environ(), env+strings.Join(ids, ","))
	return cmd
}

// notices is, for each mutant, the test that fails with it and its first words; empty: none does.
func (t test) notices(of []mutant) []string {
	by := make([]string, len(of))
	var next atomic.Int32
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			if t.many {
				n := runtime.GOMAXPROCS(0)
				k := int(next.Add(1)) - 1
				from, to := k*len(of)/n, (k+1)*len(of)/n
				t.one(of[from:to], by[from:to])
				return
			}
			for j := int(next.Add(1)) - 1; j < len(of); j = int(next.Add(1)) - 1 {
				if out, err := t.command(of[j : j+1]).CombinedOutput(); err != nil {
					by[j] = words(string(out))
				}
			}
		})
	}
	all.Wait()
	return by
}

// one asks a process about many mutants. One that ends it is noticed; another process goes on behind it.
func (t test) one(of []mutant, by []string) {
	for len(of) > 0 {
		out, _ := t.command(of).CombinedOutput()
		done := 0
		for text := string(out); ; {
			before, after, ok := strings.Cut(text, "\nmutant ")
			if !ok {
				break
			}
			line, rest, _ := strings.Cut(after, "\n")
			if strings.HasSuffix(line, " true") {
				by[done] = words(before)
			}
			done, text = done+1, rest
		}
		if done < len(of) {
			by[done] = "the test does not end, or panics"
			done++
		}
		of, by = of[done:], by[done:]
	}
}

var (
	line = regexp.MustCompile(`_test\.go:\d+: (.*)`)
	name = regexp.MustCompile(`--- FAIL: (?:TestMutantsNoticed/\d+/)?(Test\S+)`)
)

// words are the name of the test that failed and what it said first.
func words(out string) string {
	by := "it panics"
	if m := name.FindStringSubmatch(out); m != nil {
		by = m[1]
	}
	if m := line.FindStringSubmatch(out); m != nil {
		by += ": " + m[1]
	}
	return by[:min(len(by), 160)]
}
