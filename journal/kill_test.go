package journal

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// killDir, in the environment, makes this test binary the daemon that is killed.
const killDir = "EGATE_TEST_JOURNAL_KILL"

func TestMain(m *testing.M) {
	if dir := os.Getenv(killDir); dir != "" {
		victim(dir)
		return
	}
	os.Exit(m.Run())
}

// victim commits steps for ever and prints each one after its result: "step seq epoch".
func victim(dir string) {
	j, r, err := Open(dir, Options{Segment: 8 << 10, Prealloc: 4 << 10})
	if err != nil || r.OldEpoch != 0 {
		fmt.Println("error", err, r.Why)
		return
	}
	step := r.LastStep
	seq := j.seq
	for {
		n := 1 + int(step%5)
		for range n {
			step++
			j.Submit(Record{Step: step, Model: fmt.Appendf(nil, "model %d", step), Events: [][]byte{fmt.Appendf(nil, "event %d", step)}, Leaves: [][]byte{fmt.Appendf(nil, "leaf %d", step)}})
		}
		for range n {
			res := <-j.Results()
			if res.Err != nil {
				fmt.Println("error", res.Err)
				return
			}
			seq++
			fmt.Println(res.Step, seq, r.Epoch)
			if res.Step%16 == 0 && seq > 40 {
				_ = j.Ack(r.Epoch, seq-40)
			}
		}
	}
}

// E-03, law 8: SIGKILL at random points of a real process on a real file system, again and again on the
// same journal: every step that was reported as committed is there under its number, no number is
// given twice, and nothing is taken for damage.
func TestE03Killed(t *testing.T) {
	kills := 40
	if testing.Short() {
		kills = 8
	}
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 1))
	dir := t.TempDir()
	committed := map[uint64]uint64{} // step → seq
	epoch := ""
	torn := 0
	for k := range kills {
		ctx, cancel := context.WithCancel(t.Context())
		cmd := exec.CommandContext(ctx, os.Args[0]) // killed when ctx ends
		cmd.Env = append(os.Environ(), killDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewScanner(out)
		lines := rng.IntN(120)
		for i := 0; in.Scan(); i++ {
			f := strings.Fields(in.Text())
			if len(f) != 3 || f[0] == "error" {
				t.Fatalf("seed %d, run %d: %s", seed, k, in.Text())
			}
			step, _ := strconv.ParseUint(f[0], 10, 64)
			seq, _ := strconv.ParseUint(f[1], 10, 64)
			if _, twice := committed[step]; twice || epoch != "" && f[2] != epoch {
				t.Fatalf("seed %d, run %d: step %d again, or epoch %s", seed, k, step, f[2])
			}
			committed[step], epoch = seq, f[2]
			if i == lines {
				cancel() // what it still printed is read on
			}
		}
		_ = cmd.Wait()
		cancel()
		seqs := map[uint64]uint64{}
		last := uint64(0)
		r, err := Read(Dir(dir), func(e Entry) error {
			if e.FirstSeq != last+1 && last != 0 {
				return fmt.Errorf("event %d after %d", e.FirstSeq, last)
			}
			last = e.FirstSeq
			seqs[e.Step] = e.FirstSeq
			if want := fmt.Sprintf("event %d", e.Step); len(e.Events) != 1 || string(e.Events[0]) != want {
				return fmt.Errorf("%q, want %q", e.Events, want)
			}
			return nil
		})
		if err != nil || len(r.Holes) != 0 || r.Clean {
			t.Fatalf("seed %d, run %d: %v %+v", seed, k, err, r)
		}
		if r.TornTail {
			torn++
		}
		for step, seq := range committed {
			if seqs[step] != seq {
				t.Fatalf("seed %d, run %d: step %d was committed as event %d, found as %d", seed, k, step, seq, seqs[step])
			}
		}
	}
	t.Logf("seed %d: %d kills, %d steps committed, %d torn tails, 0 lost", seed, kills, len(committed), torn)
}
