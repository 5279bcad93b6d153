package dossier

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"egate/api"
	"egate/verdict"
)

// facts is what the officer's page is told, apart from the photos.
type facts struct {
	Hash        []byte          `json:"dossier_hash"`
	Gate        string          `json:"gate"`
	Passage     string          `json:"passage"`
	Reason      verdict.Reason  `json:"reason"`
	Checks      []verdict.Check `json:"checks"`
	Verified    bool            `json:"verified"`
	Portrait    bool            `json:"portrait"`
	Live        bool            `json:"live"`
	Name        string          `json:"name"`
	Document    string          `json:"document"`
	Nationality string          `json:"nationality"`
	Sex         string          `json:"sex"`
	Age         int             `json:"age"`
	MatchScore  float64         `json:"match_score"`
	Threshold   float64         `json:"threshold"`
}

// ChildMain is the whole life of a child: confine itself, read, open, answer connections until the
// parent closes the socket pair. It returns the exit status. Nothing that went wrong is printed: a
// fault code goes to the parent and no text that could carry a value.
func ChildMain() int {
	defer func() { _ = recover() }() // a panic text could carry a value
	level := Confine()
	time.AfterFunc(maxAge, func() { os.Exit(3) })

	raw, err := io.ReadAll(io.LimitReader(os.Stdin, maxInput+1))
	_ = os.Stdin.Close()
	out := Opened{Sandbox: level}
	parts, fault := map[string][]byte(nil), FaultInput
	if err == nil && len(raw) <= maxInput {
		parts, out.Hash, fault = open(raw, time.Now())
	}
	clear(raw)
	out.Fault = fault
	_ = json.NewEncoder(os.Stdout).Encode(out)
	_ = os.Stdout.Close()
	if fault != "" {
		return 2
	}
	serve(parts)
	return 0
}

// open does the work without any process around it: the parts to show, the hash, or a fault code.
func open(raw []byte, now time.Time) (parts map[string][]byte, hash []byte, fault string) {
	var in input
	if err := strict(raw, &in); err != nil {
		return nil, nil, FaultInput
	}
	env := in.Envelope
	defer clear(in.Key)
	if env.Gate != in.Gate || env.Passage != in.Passage {
		return nil, nil, FaultContents
	}
	if !now.Before(env.ExpiresAt) {
		return nil, nil, FaultExpired
	}
	if sum := sha256.Sum256(env.Sealed); subtle.ConstantTimeCompare(sum[:], env.Hash) != 1 {
		return nil, nil, FaultSealed
	}
	plain, err := unseal(in.Key, env)
	if err != nil {
		return nil, nil, FaultSealed
	}
	defer clear(plain)
	sum := sha256.Sum256(plain)
	if len(env.PlainHash) > 0 && subtle.ConstantTimeCompare(sum[:], env.PlainHash) != 1 {
		return nil, nil, FaultContents
	}
	var d api.Dossier
	if err := strict(plain, &d); err != nil || check(d, in.Passage) != nil {
		return nil, nil, FaultContents
	}
	body, err := json.Marshal(facts{
		Hash: sum[:], Gate: in.Gate, Passage: d.Passage, Reason: d.Reason, Checks: d.Checks, Verified: d.Verified,
		Portrait: len(d.Portrait) > 0, Live: len(d.Live) > 0,
		Name: d.Name, Document: d.Document, Nationality: d.Nationality, Sex: d.Sex, Age: d.Age,
		MatchScore: d.MatchScore, Threshold: d.Threshold,
	})
	if err != nil {
		return nil, nil, FaultContents
	}
	return map[string][]byte{PartFacts: body, PartPortrait: d.Portrait, PartLive: d.Live}, sum[:], ""
}

func strict(raw []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("dossier: more than one document")
	}
	return nil
}

// check refuses a dossier of another passage and everything that is longer than it may be. Photos
// are the files that the decoder child re-encoded; here they are only passed on.
func check(d api.Dossier, passage string) error {
	if d.Passage != passage {
		return errors.New("dossier: of another passage")
	}
	if len(d.Checks) > maxChecks {
		return errors.New("dossier: too many checks")
	}
	for _, s := range []string{d.Name, d.Document, d.Nationality, d.Sex} {
		if len(s) > maxText || !utf8.ValidString(s) {
			return errors.New("dossier: text too long or not UTF-8")
		}
	}
	for _, p := range [][]byte{d.Portrait, d.Live} {
		if len(p) == 0 {
			continue
		}
		if len(p) > maxPhoto || !bytes.HasPrefix(p, []byte{0xff, 0xd8, 0xff}) {
			return errors.New("dossier: photo is not a JPEG file of a lawful size")
		}
	}
	return nil
}

// serve answers handed-over connections one after the other until the parent closes its end.
func serve(parts map[string][]byte) {
	name, oob := make([]byte, markerSize), make([]byte, unix.CmsgSpace(4))
	for {
		n, oobn, _, _, err := unix.Recvmsg(controlFD, name, oob, unix.MSG_CMSG_CLOEXEC)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			return
		}
		msgs, err := unix.ParseSocketControlMessage(oob[:oobn])
		if err != nil || len(msgs) != 1 {
			return
		}
		fds, err := unix.ParseUnixRights(&msgs[0])
		if err != nil || len(fds) != 1 {
			return
		}
		answer(fds[0], string(name[:n]), parts)
	}
}

// answer writes one whole HTTP response and closes the connection. The request was read by the parent.
func answer(fd int, part string, parts map[string][]byte) {
	f := os.NewFile(uintptr(fd), "")
	conn, err := net.FileConn(f)
	_ = f.Close()
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(sendLimit))
	body := parts[part]
	status, kind := "200 OK", "image/jpeg"
	if part == PartFacts {
		kind = "application/json"
	}
	if len(body) == 0 {
		status, kind, body = "404 Not Found", "text/plain; charset=utf-8", []byte("dossier: no such part\n")
	}
	head := fmt.Sprintf("HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n"+
		"Cache-Control: no-store, no-transform\r\nPragma: no-cache\r\nX-Content-Type-Options: nosniff\r\n"+
		"Content-Security-Policy: default-src 'none'; sandbox\r\nCross-Origin-Resource-Policy: same-origin\r\n"+
		"Referrer-Policy: no-referrer\r\n\r\n", status, kind, len(body))
	bufs := net.Buffers{[]byte(head), body}
	_, _ = bufs.WriteTo(conn)
}
