package service

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"

	"egate/seal"
)

// Client is a technician's end. It is used by one goroutine.
type Client struct {
	Hello
	c   net.Conn
	in  *bufio.Reader
	key *seal.Signer
	n   int
}

// ErrNotRunning says that no gate listens at the socket.
var ErrNotRunning = errors.New("service: egated does not listen there: it is not running, or hardware.socket is not set")

// Dial connects to the socket of a gate; key is nil for who only looks. The connection ends with ctx.
func Dial(ctx context.Context, path string, key *seal.Signer) (*Client, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrNotRunning, err)
	}
	context.AfterFunc(ctx, func() { c.Close() })
	k := &Client{c: c, in: bufio.NewReader(c), key: key}
	if err := k.read(&k.Hello); err != nil {
		c.Close()
		return nil, fmt.Errorf("service: the gate let go at once: this user is no member of its group (%w)", err)
	}
	if k.Contract != Contract {
		c.Close()
		return nil, fmt.Errorf("service: the gate speaks contract %d, this program %d", k.Contract, Contract)
	}
	return k, nil
}

// Do asks and waits for the reply. A refusal is an ErrRefused with its reason.
func (k *Client) Do(r Request) (Reply, error) {
	if err := k.send(r); err != nil {
		return Reply{}, err
	}
	return k.Next()
}

func (k *Client) send(r Request) error {
	k.n++
	p, err := json.Marshal(Payload{k.Gate, k.Challenge, k.n, r})
	if err != nil {
		return fmt.Errorf("service: %w", err)
	}
	a := Asked{Payload: p}
	if k.key != nil {
		s := k.key.Sign(kind, p)
		a.Signature = &s
	}
	b, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("service: %w", err)
	}
	if len(b) >= MaxFrame {
		return fmt.Errorf("service: a request of %d bytes", len(b))
	}
	if _, err := k.c.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("service: %w", err)
	}
	return nil
}

// Watch asks for the lines; Next delivers them.
func (k *Client) Watch() error { return k.send(Request{Name: AskWatch}) }

// Next waits for the next reply.
func (k *Client) Next() (Reply, error) {
	var r Reply
	if err := k.read(&r); err != nil {
		return r, fmt.Errorf("service: the gate ended the connection: %w", err)
	}
	if r.Error != "" {
		return r, fmt.Errorf("%w: %s", ErrRefused, r.Error)
	}
	return r, nil
}

// Close ends the connection and with it every lease.
func (k *Client) Close() error { return k.c.Close() }

func (k *Client) read(v any) error {
	b, err := line(k.in)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}
