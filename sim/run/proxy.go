package run

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"egate/api"
)

// Limits of the network between gate and broker.
const (
	maxPacket  = 1 << 20  // one MQTT packet
	maxCapture = 64 << 20 // bytes kept of one scenario for the memory scan
)

// Proxy is the network between a gate and the broker, as an attacker or a digger sees it: it keeps
// every byte that passes, can be cut, and can forge the centre's answers.
type Proxy struct {
	listen net.Listener
	target string

	mu      sync.Mutex
	cut     bool
	forge   bool
	conns   map[net.Conn]struct{}
	capture []byte
	forged  int
	watch   func(topic string, payload []byte)
	wg      sync.WaitGroup
	lost    atomic.Int64 // bytes not kept
}

// NewProxy listens on addr and forwards to target.
func NewProxy(addr, target string) (*Proxy, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("run: proxy: %w", err)
	}
	return &Proxy{listen: l, target: target, conns: map[net.Conn]struct{}{}}, nil
}

// Run forwards until ctx ends.
func (p *Proxy) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		p.listen.Close()
		p.drop()
	})
	defer stop()
	for {
		c, err := p.listen.Accept()
		if err != nil {
			p.drop()
			p.wg.Wait()
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return fmt.Errorf("run: proxy: %w", err)
		}
		p.mu.Lock()
		if p.cut {
			p.mu.Unlock()
			c.Close()
			continue
		}
		p.conns[c] = struct{}{}
		p.mu.Unlock()
		p.wg.Add(1)
		go func() {
			defer p.wg.Done()
			p.serve(c)
		}()
	}
}

func (p *Proxy) serve(c net.Conn) {
	defer func() {
		c.Close()
		p.mu.Lock()
		delete(p.conns, c)
		p.mu.Unlock()
	}()
	d := net.Dialer{Timeout: 5 * time.Second}
	up, err := d.Dial("tcp", p.target)
	if err != nil {
		return
	}
	p.mu.Lock()
	if p.cut {
		p.mu.Unlock()
		up.Close()
		return
	}
	p.conns[up] = struct{}{}
	p.mu.Unlock()
	defer func() {
		up.Close()
		p.mu.Lock()
		delete(p.conns, up)
		p.mu.Unlock()
	}()
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.pump(up, c, false)
		c.Close()
		up.Close()
	}()
	p.pump(c, up, true)
	c.Close()
	up.Close()
	<-done
}

// pump copies MQTT packets (MQTT 3.1.1 §2: fixed header, remaining length of at most four bytes).
func (p *Proxy) pump(to, from net.Conn, down bool) {
	r := bufio.NewReader(from)
	for {
		first, err := r.ReadByte()
		if err != nil {
			return
		}
		n, err := remaining(r)
		if err != nil || n > maxPacket {
			return
		}
		body := make([]byte, n)
		if _, err := io.ReadFull(r, body); err != nil {
			return
		}
		if down && first>>4 == 3 {
			body = p.tamper(first, body)
		}
		if first>>4 == 3 {
			p.publish(first, body)
		}
		pkt := append(encodeRemaining([]byte{first}, len(body)), body...)
		p.keep(pkt)
		if _, err := to.Write(pkt); err != nil {
			return
		}
	}
}

func remaining(r io.ByteReader) (int, error) {
	n, shift := 0, 0
	for range 4 {
		b, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		n |= int(b&0x7f) << shift
		if b < 0x80 {
			return n, nil
		}
		shift += 7
	}
	return 0, errors.New("run: proxy: length of an MQTT packet")
}

func encodeRemaining(to []byte, n int) []byte {
	for {
		b := byte(n & 0x7f)
		n >>= 7
		if n > 0 {
			to = append(to, b|0x80)
			continue
		}
		return append(to, b)
	}
}

// Watch registers the one receiver of PUBLISH packets, before Run.
func (p *Proxy) Watch(f func(topic string, payload []byte)) { p.watch = f }

func (p *Proxy) publish(first byte, body []byte) {
	if p.watch == nil || len(body) < 2 {
		return
	}
	tl := int(body[0])<<8 | int(body[1])
	head := 2 + tl
	if first&0x06 != 0 {
		head += 2
	}
	if len(body) >= head {
		p.watch(string(body[2:2+tl]), body[head:])
	}
}

// tamper forges the payload of a PUBLISH that carries an answer of the centre: another ciphertext,
// signed by a key of the forger's under the centre's key id.
func (p *Proxy) tamper(first byte, body []byte) []byte {
	p.mu.Lock()
	forge := p.forge
	p.mu.Unlock()
	if !forge || len(body) < 2 {
		return body
	}
	tl := int(body[0])<<8 | int(body[1])
	head := 2 + tl
	if first&0x06 != 0 {
		head += 2
	}
	if len(body) < head {
		return body
	}
	if !strings.Contains(string(body[2:2+tl]), "/"+api.TopicAnswer+"/") {
		return body
	}
	out, err := forgeAnswer(body[head:])
	if err != nil {
		return body
	}
	p.mu.Lock()
	p.forged++
	p.mu.Unlock()
	return append(append([]byte(nil), body[:head]...), out...)
}

func forgeAnswer(payload []byte) ([]byte, error) {
	var s api.Signed
	if err := json.Unmarshal(payload, &s); err != nil {
		return nil, err
	}
	var e api.Envelope
	if err := json.Unmarshal(s.Payload, &e); err != nil {
		return nil, err
	}
	if len(e.Sealed) > 0 {
		e.Sealed[len(e.Sealed)-1] ^= 1
	}
	var err error
	if s.Payload, err = json.Marshal(e); err != nil {
		return nil, err
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	for i := range s.Signatures {
		s.Signatures[i].Sig = ed25519.Sign(key, append([]byte("egate/v1/"+s.Kind+"\x00"), s.Payload...))
	}
	return json.Marshal(s)
}

func (p *Proxy) keep(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.capture)+len(b) > maxCapture {
		p.lost.Add(int64(len(b)))
		return
	}
	p.capture = append(p.capture, b...)
}

func (p *Proxy) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

// Cut severs the network (true) or mends it.
func (p *Proxy) Cut(on bool) {
	p.mu.Lock()
	p.cut = on
	p.mu.Unlock()
	if on {
		p.drop()
	}
}

// Forge makes the network forge answers of the centre from now on.
func (p *Proxy) Forge(on bool) {
	p.mu.Lock()
	p.forge = on
	p.mu.Unlock()
}

// Forged counts forged answers.
func (p *Proxy) Forged() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.forged
}

// Captured returns what passed since the last call, and an error when not everything was kept.
func (p *Proxy) Captured() ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.capture
	p.capture = nil
	if n := p.lost.Swap(0); n > 0 {
		return b, fmt.Errorf("run: proxy: %d bytes of traffic were not kept", n)
	}
	return b, nil
}
