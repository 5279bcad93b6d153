package inspect

import (
	"crypto/sha256"
	"encoding/json"
	"slices"

	"egate/api"
	"egate/facematch"
	"egate/inspect/protocol"
	"egate/seal"
	"egate/verdict"
)

// dossierPart is what an officer is shown of a referral. It exists here until the traveller has left,
// and sealed to one officer's session at a time on its way.
type dossierPart struct {
	officers []protocol.Officer
	reason   verdict.Reason // why the traveller is referred; ReasonNone: no referral

	encoding       bool
	encoded        bool
	portrait, live []byte // JPEG files made by the decoder child
}

func (d *dossierPart) wipe() {
	clear(d.portrait)
	clear(d.live)
}

// refer begins a referral: the dossier is sealed to every officer who is signed in.
func (i *Inspector) refer(reason verdict.Reason) {
	d := &i.dossier
	d.reason = reason
	i.enter("referral")
	if d.encoding || d.encoded {
		i.sealDossiers()
		return
	}
	d.encoding = true
	portrait, live := i.document.portrait, i.face.best
	i.job(func() {
		encode := func(m *facematch.Image) []byte {
			if m == nil {
				return nil
			}
			// A picture that cannot be encoded is missing in the dossier, which says so by its absence.
			file, err := i.cfg.Images.Encode(i.ctx, m)
			if err != nil {
				return nil
			}
			return file
		}
		p, l := encode(portrait), encode(live)
		i.post(i.ctx, func() {
			d.portrait, d.live, d.encoding, d.encoded = p, l, false, true
			i.sealDossiers()
		})
	})
}

// sealDossiers seals the dossier to each officer's session (O-06). The hash over the plain dossier is
// what an order must name.
func (i *Inspector) sealDossiers() {
	d := &i.dossier
	if d.reason == verdict.ReasonNone || !d.encoded {
		return
	}
	doc := i.document.mrz
	if r := i.document.report; r != nil && !r.DG1.Zero() {
		doc = r.DG1
	}
	age, _, _ := doc.AgeAt(i.begin.Date)
	checks := slices.Concat(i.document.checks, i.face.checks)
	if checks == nil {
		checks = []verdict.Check{}
	}
	plain, err := json.Marshal(api.Dossier{
		Passage: i.begin.Passage, Reason: d.reason, Checks: checks,
		Verified: i.document.report != nil && i.document.report.Authenticated,
		Portrait: d.portrait, Live: d.live,
		Name: doc.Surname + " " + doc.GivenNames, Document: doc.Number, Nationality: doc.Nationality, Sex: string(doc.Sex), Age: age,
		MatchScore: i.face.score, Threshold: i.face.threshold,
	})
	if err != nil {
		return
	}
	defer clear(plain)
	hash := sha256.Sum256(plain)
	for _, o := range d.officers {
		sealed, err := seal.Seal(o.Key, "referral", i.begin.Gate, i.begin.Passage, plain)
		if err != nil {
			continue // a key that is no key: the desk sees the referral without a dossier
		}
		i.send(protocol.FromInspector{Dossier: &protocol.Dossier{KeyID: o.KeyID, Sealed: sealed, Hash: hash[:]}})
	}
}
