package centre

import (
	"bytes"
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
}

// answered is what it says on stdout: ciphertext for the inspector, and nothing else.
type answered struct {
	Sealed    []byte `json:"sealed"`
	Recipient string `json:"recipient"`
}

// ask starts a child for one question.
func ask(ctx context.Context, argv []string, q question) (answered, error) {
	in, err := json.Marshal(q)
	if err != nil {
		return answered{}, err
	}
	defer clear(in)
	if len(in) > maxQuestion {
		return answered{}, errors.New("centre: question and watch list are too long for a child")
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin, cmd.Env, cmd.Dir = bytes.NewReader(in), []string{"GOTRACEBACK=none"}, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.Output()
	if err != nil {
		return answered{}, fmt.Errorf("centre: child: %w", err)
	}
	var a answered
	if err := json.Unmarshal(out, &a); err != nil || len(a.Sealed) == 0 {
		return answered{}, errors.New("centre: child gave no answer")
	}
	return a, nil
}

// AnswerMain is the child: it opens one question, looks it up, seals the answer and exits. The kernel
// takes the memory back.
func AnswerMain(in io.Reader, out io.Writer) int {
	b, err := io.ReadAll(io.LimitReader(in, maxQuestion))
	if err != nil {
		return 1
	}
	dossier.Confine()
	var q question
	if json.Unmarshal(b, &q) != nil {
		return 1
	}
	a, err := answer(q)
	if err != nil {
		return 1
	}
	if json.NewEncoder(out).Encode(a) != nil {
		return 1
	}
	return 0
}

func answer(in question) (answered, error) {
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
