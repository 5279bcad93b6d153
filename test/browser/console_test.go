package browser

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"egate/api"
	"egate/console"
	"egate/console/dossier"
	"egate/console/server"
	"egate/console/web"
	"egate/officers"
	"egate/officers/enrol"
	sealing "egate/seal"
	"egate/sim/passkey"
	"egate/verdict"
)

// TestMain lets this test program be its own dossier child, as the console is.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "open-dossier" {
		os.Exit(dossier.ChildMain())
	}
	os.Exit(m.Run())
}

// Markers of a person: in the dossier, in the child and on the page while it is open, nowhere else.
const nameMarker, pixelMarker = "SPECIMEN, ANNA MARIA", "PIXEL-MARKER-3f9c1d"

// line is a centre's end in memory: it answers orders as gates would, and nothing else.
type line struct {
	mu      sync.Mutex
	view    console.Line
	watch   []func(console.Line)
	keys    map[string]hpke.PrivateKey // by session
	who     map[string]string          // signed in, by session
	orders  []string
	seq     uint64
	dossier map[string]api.Dossier // by passage
	roster  *officers.Roster       // as gates have it
	nonce   int
	refused []string   // orders that the roster's rules refused
	first   *api.Proof // of the order that waits for a second signature
	keeps   string     // gate that was handed over before
}

// Challenge is one of its own each time.
func (l *line) Challenge() (console.Challenge, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nonce++
	return console.Challenge{Nonce: fmt.Appendf(nil, "nonce %d", l.nonce), Site: "north", RPID: "localhost", Gates: []string{"gate-1", "gate-2", "gate-3", "gate-4", "gate-5", "gate-6"}, At: time.Now().UTC()}, nil
}

// list puts officers on the roster: the demo officer, and others with their passkeys.
func (l *line) list(origin string, who ...api.RosterOfficer) error {
	key, err := sealing.NewSigner(bytes.Repeat([]byte{3}, 32))
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	for i := range who {
		who[i].NotBefore, who[i].NotAfter = now.Add(-time.Hour), now.Add(time.Hour)
		who[i].Gates = []string{"gate-1", "gate-2", "gate-3", "gate-4", "gate-5", "gate-6"}
	}
	raw, err := officers.Sign(api.Roster{Site: "north", Version: 1, IssuedAt: now, ExpiresAt: now.Add(time.Hour), RPID: "localhost", Origins: []string{origin}, Simulated: true, Officers: who, TwoPersons: []string{api.CmdManual}}, key)
	if err != nil {
		return err
	}
	r, err := officers.Open(raw, sealing.Trust(key.Public()), "north")
	l.mu.Lock()
	l.roster = r
	l.mu.Unlock()
	return err
}

func (l *line) Watch(ctx context.Context, f func(console.Line)) error {
	l.mu.Lock()
	l.watch = append(l.watch, f)
	f(l.copy())
	l.mu.Unlock()
	<-ctx.Done()
	return ctx.Err()
}

// copy is a deep enough copy; l.mu is held.
func (l *line) copy() console.Line {
	v := l.view
	v.Gates = slices.Clone(v.Gates)
	for i := range v.Gates {
		if r := v.Gates[i].Referral; r != nil {
			c := *r
			v.Gates[i].Referral = &c
		}
		v.Gates[i].Alerts = slices.Clone(v.Gates[i].Alerts)
	}
	v.Recent = slices.Clone(v.Recent)
	return v
}

func (l *line) change(f func(v *console.Line)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(&l.view)
	l.seq++
	l.view.Seq, l.view.At = l.seq, time.Now()
	for _, w := range l.watch {
		w(l.copy())
	}
}

func (l *line) SignIn(_ context.Context, in console.SignIn) (console.Officer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	who, key, err := l.roster.Certified(in.OrderKey, in.Assertion, time.Now())
	if err != nil || string(key.Nonce) != fmt.Sprintf("nonce %d", l.nonce) {
		return console.Officer{}, errors.Join(errors.New("centre: sign-in refused"), err)
	}
	k, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		return console.Officer{}, err
	}
	id := rand.Text()
	l.keys[id] = k
	l.who[id] = who.Officer
	return console.Officer{Session: id, Pseudonym: who.Officer, Demo: who.Demo, Since: time.Now(), Roles: who.Roles, Credential: in.Assertion.Credential}, nil
}

func (l *line) Active(session string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.keys[session] != nil
}

func (l *line) SignOut(session string) {
	l.mu.Lock()
	delete(l.keys, session)
	delete(l.who, session)
	l.mu.Unlock()
}

func (l *line) Touch(string) {}

func (l *line) Order(_ context.Context, _ string, c api.Command, o console.Order) (api.Response, error) {
	gate, name, passage := c.Gate, c.Name, c.Passage
	rsp := api.Response{ID: c.ID, Result: "done", At: time.Now()}
	l.mu.Lock()
	err := l.roster.Verify(gate, o.Payload, c, &o.Proof, time.Now())
	if o.Second { // over the very bytes of the first
		_, err = l.roster.VerifySecond(gate, o.Payload, c, l.first, &o.Proof, time.Now())
	}
	var why officers.Refusal
	if errors.As(err, &why) {
		l.refused = append(l.refused, name+" "+string(why))
		rsp.Result, rsp.Reason = "rejected", string(why)
		l.mu.Unlock()
		return rsp, nil
	}
	touched := ""
	if o.Proof.Fresh != nil {
		touched = " touched"
	}
	l.orders = append(l.orders, fmt.Sprintf("%s %s %s hash=%d %s%s", gate, name, passage, len(c.Dossier), c.Reason, touched))
	l.mu.Unlock()
	l.change(func(v *console.Line) {
		i := slices.IndexFunc(v.Gates, func(g console.GateView) bool { return g.Gate == gate })
		if i < 0 {
			rsp.Result = "rejected"
			return
		}
		g := &v.Gates[i]
		switch name {
		case api.CmdTake:
			g.Referral.State, g.Referral.Owner = "taken", c.Officer
		case api.CmdReturn:
			g.Referral.State, g.Referral.Owner = "open", ""
		case api.CmdAccept, api.CmdSendBack:
			g.Referral = nil
			g.State.Passage, g.State.Occupancy, g.State.Current = "releasing", "1", passage
			if name == api.CmdSendBack {
				g.State.Passage = "returning"
			}
		case api.CmdOpenGate:
			g.State.Mode = "open"
		case api.CmdCloseGate:
			g.State.Mode = "closed"
		case api.CmdReset:
			g.Alerts = nil
		case api.CmdManual: // two persons
			if !o.Second {
				l.first = &o.Proof
				g.Second = &console.SecondView{ID: c.ID, Payload: o.Payload, Name: name, Officer: c.Officer, Until: time.Now().Add(time.Minute)}
				rsp.Result, rsp.Reason = "rejected", "second_officer"
				return
			}
			g.Second, g.State.Mode = nil, "manual"
		case api.CmdOpenExit, api.CmdSafeguard:
		case api.CmdHandOver:
			if rsp.Result = "accepted"; !slices.Contains(v.OnDuty, c.To) {
				rsp.Result, rsp.Reason = "rejected", "receiver_absent"
			} else if gate == l.keeps {
				rsp.Result, rsp.Reason, rsp.Owner = "rejected", "handed_over", "officer-12"
			}
		default:
			rsp.Result = "rejected"
		}
	})
	return rsp, nil
}

func (l *line) History(gate string, epoch, after uint64, limit int) ([]api.Event, error) {
	if epoch > 0 {
		return nil, nil
	}
	data, _ := json.Marshal(api.Passage{Passage: "0011", Outcome: verdict.Allow, Reason: verdict.OK, Completed: true, TotalMS: 14300})
	order, _ := json.Marshal(api.OrderEvent{ID: "a", Principal: "console", Name: api.CmdOpenGate, Result: "done"})
	return []api.Event{
		{ID: "1-1", Type: "egate.order.v1", Time: time.Now().Add(-3 * time.Minute), Epoch: 1, Seq: 1, Data: order},
		{ID: "1-2", Type: "egate.passage.v1", Time: time.Now().Add(-2 * time.Minute), Epoch: 1, Seq: 2, Data: data},
	}, nil
}

func (l *line) Dossier(session, gate, passage string) (console.SealedDossier, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.keys[session]
	d, ok := l.dossier[passage]
	if k == nil || !ok {
		return console.SealedDossier{}, errors.New("centre: no dossier")
	}
	return seal(k, gate, d)
}

func seal(k hpke.PrivateKey, gate string, d api.Dossier) (console.SealedDossier, error) {
	plain, err := json.Marshal(d)
	if err != nil {
		return console.SealedDossier{}, err
	}
	sealed, err := hpke.Seal(k.PublicKey(), hpke.HKDFSHA256(), hpke.AES256GCM(), []byte("egate/v1/referral\x00"+gate+"\x00"+d.Passage), plain)
	if err != nil {
		return console.SealedDossier{}, err
	}
	priv, err := k.Bytes()
	if err != nil {
		return console.SealedDossier{}, err
	}
	hash, ph := sha256.Sum256(sealed), sha256.Sum256(plain)
	return console.SealedDossier{PrivateKey: priv, Envelope: api.Envelope{
		Gate: gate, Passage: d.Passage, Epoch: 1, Type: "referral", ExpiresAt: time.Now().Add(time.Minute), Sealed: sealed, Hash: hash[:], PlainHash: ph[:],
	}}, nil
}

// portrait draws nobody: a head of two colours, turned a little by shift.
func portrait(t *testing.T, shift float64) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 300, 400))
	for y := range 400 {
		for x := range 300 {
			c := color.RGBA{uint8(150 + y/8), uint8(160 + y/9), uint8(172 + y/10), 255}
			fx, fy := float64(x)-150-shift, float64(y)
			if math.Hypot(fx/150, (fy-430)/130) < 1 {
				c = color.RGBA{52, 60, 78, 255}
			}
			if math.Hypot(fx/72, (fy-190)/98) < 1 {
				c = color.RGBA{201, 162, 134, 255}
			}
			if math.Hypot(fx/76, (fy-120)/62) < 1 && fy < 140 {
				c = color.RGBA{60, 44, 34, 255}
			}
			if math.Hypot((fx-28)/9, (fy-180)/6) < 1 || math.Hypot((fx+28)/9, (fy-180)/6) < 1 || math.Hypot(fx/24, (fy-240)/4) < 1 {
				c = color.RGBA{54, 38, 34, 255}
			}
			img.SetRGBA(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 85}); err != nil {
		t.Fatal(err)
	}
	// A comment segment right after the start of the image carries a marker that can be searched for.
	out := append([]byte{0xff, 0xd8, 0xff, 0xfe, 0, byte(2 + len(pixelMarker))}, pixelMarker...)
	return append(out, b.Bytes()[2:]...)
}

func gate(name, mode, reception, passage, occ string) console.GateView {
	now := time.Now()
	g := console.GateView{
		Site: "north", Gate: name, AckedUpto: 812,
		Status: api.Status{State: "ready", At: now},
		State: api.State{
			Mode: mode, Reception: reception, Passage: passage, Entry: "closed", Exit: "closed", Occupancy: occ,
			Lease: mode == "open", At: now, StageMS: 2300, Simulated: true,
		},
		Health: api.Health{At: now, Overall: "ok", DemoModel: true, Parts: []api.Part{
			{Name: "scanner", State: "ok", Since: now}, {Name: "nfc", State: "ok", Since: now}, {Name: "camera", State: "ok", Since: now},
			{Name: "entry_door", State: "ok", Since: now}, {Name: "exit_door", State: "ok", Since: now}, {Name: "display", State: "ok", Since: now},
		}},
	}
	if passage != "idle" {
		g.State.Current = "ab12"
		g.State.Stages = []api.StageTime{{Stage: "reading", MS: 3400}, {Stage: "admitting", MS: 2600}, {Stage: "securing", MS: 1100}}
	}
	return g
}

func newLine(t *testing.T) *line {
	now := time.Now()
	const passage = "5f0c2f9d8a7b4c3e9d1f0a2b3c4d5e6f"
	g1 := gate("gate-1", "open", "reading", "capturing", "1")
	g1.State.Next = "cd34"
	g2 := gate("gate-2", "open", "idle", "referred", "1")
	g2.Referral = &console.ReferralView{Gate: "gate-2", Passage: passage, Reason: verdict.FaceMismatch.String(), Since: now.Add(-34 * time.Second), State: "open", Dossier: true}
	g3 := gate("gate-3", "open", "idle", "releasing", "1")
	g3.State.Exit = "open"
	g4 := gate("gate-4", "closed", "closed", "idle", "0")
	g4.Health.Overall = "degraded"
	g4.Health.Parts[1] = api.Part{Name: "nfc", State: "failed", Since: now}
	g4.Health.Faults = []api.Fault{{Code: "nfc_lost", Part: "nfc", Severity: "warning", Since: now.Add(-9 * time.Minute)}}
	g4.Alerts = []console.AlertView{
		{ID: "f1", Gate: "gate-4", Reason: verdict.DeviceFault.String(), Severity: "warning", Since: now.Add(-9 * time.Minute), Count: 2, Active: true},
	}
	g5 := gate("gate-5", "open", "idle", "securing", "many")
	g5.Alerts = []console.AlertView{{ID: "a1", Gate: "gate-5", Passage: "77", Reason: verdict.TwoPersons.String(), Severity: "danger", Since: now.Add(-12 * time.Second), Count: 1, Active: true}}
	g6 := gate("gate-6", "open", "idle", "idle", "0")
	recent := []console.RecentView{}
	for i, r := range []api.Passage{
		{Passage: "1", Outcome: verdict.Allow, Reason: verdict.OK, Completed: true, TotalMS: 13850},
		{Passage: "2", Outcome: verdict.Allow, Reason: verdict.OK, Completed: true, TotalMS: 15210},
		{Passage: "3", Outcome: verdict.Refer, Reason: verdict.AgeNotEligible, TotalMS: 6120},
		{Passage: "4", Outcome: verdict.OutcomeNone, Reason: verdict.Declined, TotalMS: 3020},
		{Passage: "5", Outcome: verdict.RefuseAndHold, Reason: verdict.CloneSuspected, TotalMS: 7480},
	} {
		recent = append(recent, console.RecentView{Gate: fmt.Sprintf("gate-%d", 1+i), Passage: r, At: now.Add(-time.Duration(20+31*i) * time.Second)})
	}
	checks := []verdict.Check{}
	for _, id := range verdict.CheckIDs() {
		c := verdict.Check{ID: id, Result: verdict.Pass, Reason: verdict.OK}
		switch id {
		case verdict.CheckMatch:
			c.Result, c.Reason = verdict.Fail, verdict.FaceMismatch
		case verdict.CheckPADNIR, verdict.CheckPADDepth, verdict.CheckPADSecondCamera, verdict.CheckMorph:
			continue // what no policy of this site names
		case verdict.CheckPADLight, verdict.CheckPADTemporal, verdict.CheckPADEdges, verdict.CheckPADHands, verdict.CheckPADSpecular, verdict.CheckPADMoire, verdict.CheckPADGrain:
			c.Result, c.Reason = verdict.NotEvaluated, verdict.ReasonNone
		case verdict.CheckDSRevocation:
			c.Result, c.Reason = verdict.NotPossible, verdict.CRLStale
		}
		checks = append(checks, c)
	}
	return &line{
		keys: map[string]hpke.PrivateKey{}, who: map[string]string{},
		view: console.Line{Seq: 1, Gates: []console.GateView{g1, g2, g3, g4, g5, g6}, Recent: recent, Simulated: true, At: now},
		dossier: map[string]api.Dossier{passage: {
			Passage: passage, Reason: verdict.FaceMismatch, Checks: checks, Verified: true, Portrait: portrait(t, 0), Live: portrait(t, 14),
			Name: nameMarker, Document: "X0000042", Nationality: "UTO", Sex: "F", Age: 34, MatchScore: 0.214, Threshold: 0.363,
		}},
	}
}

// TestConsoleReferral decides a referral on the console: O-03, O-04, O-06, O-07, A-05. The centre is
// played; server, dossier child, connections handed over and browser are real.
func TestConsoleReferral(t *testing.T) {
	if _, err := web.Files().Open("index.html"); err != nil {
		t.Skip("SKIP: console/web is not built: the officers' pages are NOT tested (npm ci --ignore-scripts && npm run build)")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	l := newLine(t)
	var children []*dossier.Child
	var mu sync.Mutex
	idle := 8 * time.Second // a shorter value of the same limit
	auth, err := passkey.New(officers.EdDSA, "localhost", "http://localhost")
	if err != nil {
		t.Fatal(err)
	}
	demo, err := auth.Public()
	if err != nil {
		t.Fatal(err)
	}
	other, err := passkey.New(officers.EdDSA, "localhost", "http://localhost")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := other.Public()
	if err != nil {
		t.Fatal(err)
	}
	colleague := api.RosterOfficer{Officer: "officer-12", Passkeys: []api.Passkey{theirs}, Roles: []string{officers.RoleOfficer}}
	demoOfficer := api.RosterOfficer{Officer: "officer-demo", Passkeys: []api.Passkey{demo}, Roles: officers.Roles(), Demo: true}
	srv := server.New(l, server.Options{
		Site: "north", Simulated: true, Demo: &server.Demo{Name: "demo", Credential: auth.Credential, Seed: auth.Seed(), Public: ed25519.NewKeyFromSeed(auth.Seed()).Public().(ed25519.PublicKey)}, IdleClose: idle, Files: web.Files(),
		Open: func(ctx context.Context, gate, passage string, sealed console.SealedDossier) (server.Opened, error) {
			ch, err := dossier.Command{Path: self, Args: []string{"open-dossier"}}.Start(ctx, gate, passage, sealed)
			if err != nil {
				return nil, err
			}
			mu.Lock()
			children = append(children, ch)
			mu.Unlock()
			t.Logf("dossier child: %s", ch.Sandbox())
			return ch, nil
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- srv.Run(ctx) }()
	page := httptest.NewServer(srv)
	url := strings.Replace(page.URL, "127.0.0.1", "localhost", 1) // a passkey belongs to a host name
	if err := l.list(url, demoOfficer); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("run: %v", err)
		}
		page.CloseClientConnections()
		page.Close()
	})

	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders", func(w http.ResponseWriter, _ *http.Request) {
		l.mu.Lock()
		defer l.mu.Unlock()
		_ = json.NewEncoder(w).Encode(l.orders)
		l.orders = nil
	})
	mux.HandleFunc("POST /children", func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		alive := 0
		for _, c := range children {
			select {
			case <-c.Done():
			default:
				alive++
			}
		}
		_ = json.NewEncoder(w).Encode(map[string]int{"alive": alive, "all": len(children)})
	})
	mux.HandleFunc("POST /refer", func(http.ResponseWriter, *http.Request) {
		l.change(func(v *console.Line) {
			v.Gates[1].Referral = &console.ReferralView{Gate: "gate-2", Passage: "5f0c2f9d8a7b4c3e9d1f0a2b3c4d5e6f", Reason: verdict.FaceMismatch.String(), Since: time.Now(), State: "open", Dossier: true}
			v.Gates[1].State.Passage = "referred"
		})
	})
	// What the enrolment page shows goes to who signs the roster; the key is taken out of it as egatectl does.
	mux.HandleFunc("POST /enrol", func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 16<<10))
		if err != nil {
			t.Error(err)
			return
		}
		p, err := enrol.Passkey(raw, "localhost", url)
		if err == nil {
			err = l.list(url, demoOfficer, api.RosterOfficer{Officer: "officer-07", Passkeys: []api.Passkey{p}, Roles: []string{officers.RoleSupervisor}}, colleague)
		}
		if err != nil {
			t.Error(err)
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
	mux.HandleFunc("POST /refused", func(w http.ResponseWriter, _ *http.Request) {
		l.mu.Lock()
		defer l.mu.Unlock()
		_ = json.NewEncoder(w).Encode(l.refused)
	})
	// A colleague comes and the gates are connected: the line can be handed over, but for one gate at first.
	mux.HandleFunc("POST /colleague", func(http.ResponseWriter, *http.Request) {
		l.change(func(v *console.Line) {
			v.OnDuty = []string{"officer-07", "officer-12"}
			l.keeps = "gate-3"
			for i := range v.Gates {
				v.Gates[i].Status.Session = "00ff"
			}
		})
	})
	mux.HandleFunc("POST /let", func(http.ResponseWriter, *http.Request) { l.change(func(*console.Line) { l.keeps = "" }) })
	mux.HandleFunc("POST /cut", func(http.ResponseWriter, *http.Request) { page.CloseClientConnections() })
	control := httptest.NewServer(mux)
	t.Cleanup(control.Close)
	script(t, "console.mjs", map[string]any{"url": url, "control": control.URL, "chromium": chromium, "artefacts": artefacts(t), "idle": idle.Milliseconds(), "markers": []string{nameMarker, pixelMarker, "X0000042"}})
}
