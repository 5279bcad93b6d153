package centre

import (
	"encoding/json"
	"testing"
	"time"

	"egate/api"
	"egate/seal"
)

// TestP11AnswersHaveOneSize: a hit is as long as none on the wire, in clear and sealed; a question of
// another passage or another gate is not answered.
func TestP11AnswersHaveOneSize(t *testing.T) {
	pub, priv, err := seal.GenerateHPKE()
	if err != nil {
		t.Fatal(err)
	}
	mine, own, err := seal.GenerateHPKE() // of the inspector
	if err != nil {
		t.Fatal(err)
	}
	list := rows{Documents: map[string]string{"AB1": "hold", "AB2": "refer"}}
	const gate, passage = "gate-1", "p-1"
	sealed := func(passage, number string) []byte {
		b, err := json.Marshal(api.LookupQuestion{Passage: passage, Document: number, ReplyKey: mine})
		if err != nil {
			t.Fatal(err)
		}
		s, err := seal.Seal(pub, seal.PurposeLookup, gate, passage, b)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	at, sizes := time.Unix(1_700_000_000, 123_456_789), map[int]bool{}
	for number, want := range map[string]string{"AB1": "hold", "AB2": "refer", "AB3": "clear"} {
		a, err := answer(question{Key: priv, Gate: gate, Envelope: api.Envelope{Passage: passage, Sealed: sealed(passage, number)}, List: list, At: at}, nil)
		if err != nil {
			t.Fatal(err)
		}
		sizes[len(a.Sealed)] = true
		plain, err := seal.Open(own, seal.PurposeAnswer, gate, passage, a.Sealed)
		if err != nil {
			t.Fatal(err)
		}
		var got api.LookupAnswer
		if err := json.Unmarshal(plain, &got); err != nil || got.Answer != want || got.Passage != passage {
			t.Errorf("answer %q of passage %q, want %q; %v", got.Answer, got.Passage, want, err)
		}
	}
	if len(sizes) != 1 {
		t.Errorf("answers of sizes %v", sizes)
	}
	for _, q := range []question{
		{Key: priv, Gate: gate, Envelope: api.Envelope{Passage: "p-2", Sealed: sealed(passage, "AB1")}, List: list, At: at},
		{Key: priv, Gate: "gate-2", Envelope: api.Envelope{Passage: passage, Sealed: sealed(passage, "AB1")}, List: list, At: at},
		{Key: own, Gate: gate, Envelope: api.Envelope{Passage: passage, Sealed: sealed(passage, "AB1")}, List: list, At: at},
	} {
		if _, err := answer(q, nil); err == nil {
			t.Error("a question that was bound to something else is answered")
		}
	}
}
