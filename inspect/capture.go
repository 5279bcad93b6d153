package inspect

import (
	"context"
	"errors"
	"slices"
	"time"

	"egate/facematch"
	"egate/hal"
	"egate/inspect/protocol"
	"egate/verdict"
)

// facePart is the live capture and what became of it.
type facePart struct {
	leased, wanted bool
	end            context.CancelFunc
	closed         chan struct{}
	light          chan lightShown

	decided          bool
	checks           []verdict.Check
	best             *facematch.Image // live picture for a dossier
	score, threshold float64
}

func (f *facePart) wipe() { f.best.Wipe() }

// lightShown is a step of the light challenge, or its end, as the screen was told it.
type lightShown struct {
	index int
	at    time.Duration // of the inspector's clock
}

// shown passes on that a step of the light challenge is shown. egated says so in nanoseconds of the clock that both
// share; what it says of the future, or of a moment long gone, counts as now.
func (i *Inspector) shown(m protocol.Shown) {
	ago := time.Duration(protocol.Monotonic() - m.T)
	if ago < 0 || ago > maxShownAge {
		ago = 0
	}
	select {
	case i.face.light <- lightShown{m.Index, i.clock() - ago}:
	default: // more than a challenge has: nobody looks at it
	}
}

const maxShownAge = time.Second

// frameLimit is how long a camera may take for a picture; its driver notices sooner.
const frameLimit = 2 * time.Second

// capture begins when egated says that exactly one person is secured (DP-06).
func (i *Inspector) capture() {
	f := &i.face
	if f.wanted || !i.document.done {
		i.fatal = ErrProtocol
		return
	}
	f.wanted = true
	if !f.leased {
		i.fatal = ErrProtocol
		return
	}
	if i.document.ref == nil {
		// Nothing to compare with: no picture is taken.
		i.verdict(facematch.Result{Checks: []verdict.Check{{ID: verdict.CheckMatch, Result: verdict.NotPossible, Reason: verdict.PortraitUnusable}}})
		return
	}
	i.enter("capture")
	ctx, cancel := context.WithCancel(i.ctx)
	f.end, f.closed = cancel, make(chan struct{})
	f.light = make(chan lightShown, protocol.MaxLightSteps+1)
	done := f.closed
	i.job(func() {
		defer close(done)
		i.watch(ctx, f.light)
	})
}

// watch owns the camera: it feeds the session until it has seen enough, and then goes on watching
// that the same one person stands there, until the lease ends (an allow is bound to an unbroken
// track). One frame buffer, wiped at the end.
func (i *Inspector) watch(ctx context.Context, light <-chan lightShown) {
	cam, err := i.cfg.Devices.Camera(ctx)
	if err != nil {
		i.post(ctx, func() { i.fault("camera_lost", protocol.Camera) })
		return
	}
	defer cam.Close()
	var frame hal.Frame
	defer func() { clear(frame.Pix[:cap(frame.Pix)]) }()
	params := facematch.DefaultParams(i.cfg.Policy.Match)
	// A policy that does not name the light challenge shows none.
	_, params.Light = i.cfg.Policy.Checks[verdict.CheckPADLight]
	_, params.Morph = i.cfg.Policy.Checks[verdict.CheckMorph]
	for _, id := range facematch.Slots {
		if _, named := i.cfg.Policy.Checks[id]; named {
			params.Named = append(params.Named, id)
		}
	}
	session := facematch.NewSession(i.cfg.Engine, i.document.ref, params)
	defer session.Close()
	deadline := i.clock() + time.Duration(i.begin.CaptureMS)*time.Millisecond
	var said protocol.Guidance
	heads := -1
	decided := false
	taken, firstSeq := 0, uint32(0)
	for {
		asked := time.Now()
		next, stop := context.WithTimeout(ctx, frameLimit)
		err := cam.Next(next, &frame)
		stop()
		late := time.Since(asked) > frameLimit+frameLimit/4
		switch {
		case ctx.Err() != nil:
			return
		case late && errors.Is(err, context.DeadlineExceeded):
			continue // this process slept, which says nothing of the camera
		case errors.Is(err, hal.ErrBlack), errors.Is(err, hal.ErrOverexposed):
			code := "camera_black"
			if errors.Is(err, hal.ErrOverexposed) {
				code = "camera_overexposed"
			}
			i.post(ctx, func() { i.fault(code, protocol.Camera) })
			return
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, hal.ErrTimeout):
			i.post(ctx, func() { i.fault("camera_frozen", protocol.Camera) })
			return
		case err != nil:
			i.post(ctx, func() { i.fault("camera_lost", protocol.Camera) })
			return
		}
		now := i.clock()
		for told := true; told; {
			select {
			case s := <-light:
				session.Shown(s.index, s.at)
			default:
				told = false
			}
		}
		taken++
		if taken == 1 {
			firstSeq = frame.Seq
		}
		obs, err := session.Frame(facematch.View{Format: pixelFormat(frame.Format), W: frame.Width, H: frame.Height,
			Stride: frame.Stride, Pix: frame.Pix, Turn: i.cfg.CameraTurn}, now)
		if err != nil {
			obs.Fault = facematch.CameraFrozen
		}
		if obs.Fault != "" {
			i.post(ctx, func() { i.fault(string(obs.Fault), protocol.Camera) })
			return
		}
		if len(obs.Challenge) > 0 && !decided {
			c := challengeOf(obs.Challenge)
			i.post(ctx, func() { i.send(protocol.FromInspector{Challenge: &c}) })
		}
		if obs.Count >= 0 && obs.Count != heads {
			heads = obs.Count
			h := protocol.Heads{Count: obs.Count, Confidence: obs.Confidence}
			i.post(ctx, func() { i.send(protocol.FromInspector{Heads: &h}) })
		}
		if obs.TrackLost {
			i.post(ctx, func() { i.send(protocol.FromInspector{TrackLost: &protocol.TrackLost{}}) })
		}
		if !decided && obs.Guidance != "" {
			g := protocol.Guidance{Instruction: protocol.Instruction(obs.Guidance), DotX: obs.DotX}
			if g.Instruction != said.Instruction || abs(g.DotX-said.DotX) >= 0.05 {
				said = g
				i.post(ctx, func() { i.send(protocol.FromInspector{Guidance: &g}) })
			}
		}
		if !decided && (obs.Done || now > deadline) {
			decided = true
			result := session.Decide()
			seen, ok := session.Optics()
			all, looked := int(frame.Seq-firstSeq)+1, taken
			i.post(ctx, func() {
				if ok {
					i.optics = &protocol.Optics{Light: seen.Light, Sharpness: seen.Sharpness, Uniformity: seen.Uniformity, Frames: all, Dropped: max(all-looked, 0)}
				}
				i.verdict(result)
			})
		}
	}
}

// challengeOf is a light challenge as it is asked for.
func challengeOf(steps []facematch.LightStep) (c protocol.Challenge) {
	for _, s := range steps {
		c.Schedule = append(c.Schedule, protocol.LightStep{Colour: s.Colour, MS: int(s.For.Milliseconds())})
	}
	return c
}

func abs(x float64) float64 { return max(x, -x) }

func pixelFormat(f hal.PixelFormat) facematch.Format {
	switch f {
	case hal.PixelRGB:
		return facematch.FormatRGB
	case hal.PixelYUYV:
		return facematch.FormatYUYV
	case hal.PixelNV12:
		return facematch.FormatNV12
	case hal.PixelGrey:
		return facematch.FormatGrey
	}
	return facematch.FormatNone
}

// verdict closes the comparison: document and face checks under one policy.
func (i *Inspector) verdict(r facematch.Result) {
	f := &i.face
	if f.decided {
		return
	}
	f.decided = true
	f.checks, f.best, f.score, f.threshold = r.Checks, r.Best, r.Score, r.Threshold
	all := slices.Concat(i.document.checks, r.Checks)
	i.times = nil
	i.enter("decided")
	v := verdict.Decide(i.cfg.Policy, i.judged(all))
	if i.begin.Service {
		v = verdict.OfSpecimen(v)
	}
	i.send(protocol.FromInspector{Verdict: &protocol.Verdict{
		Outcome: v.Outcome, Reason: v.Reason, Checks: all, MatchBand: r.MatchBand, PADBand: r.PADBand,
		Model: i.cfg.Ready.ModelPack, Policy: i.cfg.Ready.Policy, Stages: i.times,
	}})
	if v.Outcome != verdict.Allow {
		i.refer(v.Reason)
		i.endCapture() // a referral needs no more pictures
	}
}

// stop ends the capture because something else decided, e.g. a changed occupancy: the officer gets
// what there is.
func (i *Inspector) stop(reason verdict.Reason) {
	i.endCapture()
	if !i.face.decided {
		i.face.decided = true
		i.times = nil
	}
	i.refer(reason)
}

// endCapture closes the camera and gives it back when its buffers are gone.
func (i *Inspector) endCapture() {
	f := &i.face
	give := func() { i.send(protocol.FromInspector{Released: &protocol.Released{Device: protocol.Camera}}) }
	if f.end == nil {
		if f.leased {
			f.leased = false
			give()
		}
		return
	}
	f.leased = false
	f.end()
	f.end = nil
	closed := f.closed
	i.job(func() {
		select {
		case <-closed:
			i.post(i.ctx, give)
		case <-i.ctx.Done():
		}
	})
}
