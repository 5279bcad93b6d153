package centre

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"egate/api"
	"egate/console/dossier"
	"egate/seal"
)

// answerSize is the size of every answer before it is sealed: a hit is as long as none (design: sealing).
const answerSize = 256

// maxQuestion caps what a child is given: a watch list of some ten thousand entries.
const maxQuestion = 4 << 20

// question is what a child is given on stdin.
type question struct {
	Key      []byte       `json:"key"`
	Gate     string       `json:"gate"`
	Envelope api.Envelope `json:"envelope"`
	List     rows         `json:"list"`
	At       time.Time    `json:"at"`
	// Keys of pseudonyms, newest first. With them the child says the document's pseudonyms first and is told
	// whether the document was used before (P-12); without them it is not asked.
	Keys [][]byte `json:"keys,omitempty"`
}

// used is what a child says first where it was given keys.
type used struct {
	Pseudonyms []docTag `json:"pseudonyms"`
}

// knownAgain is what it is told then.
type knownAgain struct {
	Again bool `json:"again"`
}

// maxWord caps what parent and child say to each other beside the question, bytes.
const maxWord = 64 << 10

// answered is what it says on stdout: ciphertext for the inspector, and nothing else.
type answered struct {
	Sealed    []byte `json:"sealed"`
	Recipient string `json:"recipient"`
}

// ask starts a child for one question. again is asked about the document's pseudonyms; it may be nil.
func ask(ctx context.Context, argv []string, q question, again func([]docTag) bool) (answered, error) {
	in, err := json.Marshal(q)
	if err != nil {
		return answered{}, err
	}
	defer clear(in)
	if len(in) > maxQuestion {
		return answered{}, errors.New("centre: question and watch list are too long for a child")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // a child that was not waited for dies
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.Dir = []string{"GOTRACEBACK=none"}, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	to, err := cmd.StdinPipe()
	if err != nil {
		return answered{}, fmt.Errorf("centre: child: %w", err)
	}
	from, err := cmd.StdoutPipe()
	if err != nil {
		return answered{}, fmt.Errorf("centre: child: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return answered{}, fmt.Errorf("centre: child: %w", err)
	}
	a, err := converse(to, from, in, len(q.Keys), again)
	if err != nil {
		cancel()
	}
	if werr := cmd.Wait(); err == nil && werr != nil {
		err = werr
	}
	if err != nil {
		return answered{}, fmt.Errorf("centre: child: %w", err)
	}
	return a, nil
}

// converse says the question and hears the answer.
func converse(to io.WriteCloser, from io.Reader, in []byte, keys int, again func([]docTag) bool) (answered, error) {
	defer to.Close()
	if _, err := to.Write(append(in, '\n')); err != nil {
		return answered{}, err
	}
	out := json.NewDecoder(io.LimitReader(from, maxWord))
	if keys > 0 && again != nil {
		var u used
		if err := out.Decode(&u); err != nil || len(u.Pseudonyms) != keys {
			return answered{}, errors.New("it says no pseudonym")
		}
		word, err := json.Marshal(knownAgain{again(u.Pseudonyms)})
		if err != nil {
			return answered{}, err
		}
		if _, err := to.Write(append(word, '\n')); err != nil {
			return answered{}, err
		}
	}
	if err := to.Close(); err != nil {
		return answered{}, err
	}
	var a answered
	if err := out.Decode(&a); err != nil || len(a.Sealed) == 0 {
		return answered{}, errors.New("it gives no answer")
	}
	return a, nil
}

// AnswerMain is the child: it opens one question, looks it up, seals the answer and exits. The kernel
// takes the memory back.
func AnswerMain(in io.Reader, out io.Writer) int {
	words := bufio.NewReaderSize(io.LimitReader(in, maxQuestion+maxWord), 1<<16)
	b, err := words.ReadBytes('\n')
	if err != nil {
		return 1
	}
	dossier.Confine()
	var q question
	if json.Unmarshal(b, &q) != nil {
		return 1
	}
	a, err := answer(q, func(u used) (bool, error) {
		if err := json.NewEncoder(out).Encode(u); err != nil {
			return false, err
		}
		b, err := words.ReadBytes('\n')
		var k knownAgain
		if err != nil || json.Unmarshal(b, &k) != nil {
			return false, errors.New("centre: the child is told nothing")
		}
		return k.Again, nil
	})
	if err != nil {
		return 1
	}
	if json.NewEncoder(out).Encode(a) != nil {
		return 1
	}
	return 0
}

func answer(in question, again func(used) (bool, error)) (answered, error) {
	plain, err := seal.Open(in.Key, seal.PurposeLookup, in.Gate, in.Envelope.Passage, in.Envelope.Sealed)
	if err != nil {
		return answered{}, err
	}
	var q api.LookupQuestion
	defer clear(plain)
	if err := strict(plain, &q); err != nil || q.Passage != in.Envelope.Passage {
		return answered{}, errors.New("centre: question")
	}
	a := api.LookupAnswer{Passage: q.Passage, Answer: in.List.answer(q), At: in.At.Truncate(time.Second)}
	if len(in.Keys) > 0 {
		var u used
		for _, k := range in.Keys {
			u.Pseudonyms = append(u.Pseudonyms, pseudonymOf(k, q))
			clear(k)
		}
		repeated, err := again(u)
		if err != nil {
			return answered{}, err
		}
		if repeated && a.Answer == "clear" {
			a.Answer = "refer"
		}
	}
	body, err := json.Marshal(a)
	if err != nil {
		return answered{}, err
	}
	if len(body) > answerSize {
		return answered{}, errors.New("centre: answer is longer than all are")
	}
	a.Pad = strings.Repeat(" ", answerSize-len(body))
	if body, err = json.Marshal(a); err != nil {
		return answered{}, err
	}
	sealed, err := seal.Seal(q.ReplyKey, seal.PurposeAnswer, in.Gate, in.Envelope.Passage, body)
	if err != nil {
		return answered{}, err
	}
	return answered{Sealed: sealed, Recipient: seal.KeyID(q.ReplyKey)}, nil
}
