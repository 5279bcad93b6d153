package protocol

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"egate/verdict"
)

func TestRoundTrip(t *testing.T) {
	var wire bytes.Buffer
	in := FromInspector{Checked: &Checked{Outcome: verdict.Allow, Reason: verdict.OK,
		Checks: []verdict.Check{{ID: verdict.CheckClone, Result: verdict.Pass, Reason: verdict.OK, Score: 0.7}}}}
	if err := NewInspector(&wire).Send(in); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(wire.Bytes(), []byte("0.7")) {
		t.Error("a score crossed the socket")
	}
	got, err := NewController(&wire).Receive()
	if err != nil || got.Checked == nil || got.Checked.Outcome != verdict.Allow || Name(got) != "Checked" {
		t.Fatalf("%+v %v", got, err)
	}
	if _, err := NewController(&wire).Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("end: %v", err)
	}
}

// whatever does not parse is one error, and nothing of it is quoted.
func TestBadFrames(t *testing.T) {
	frame := func(s string) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(s))), s...)
	}
	for name, raw := range map[string][]byte{
		"empty":         frame(""),
		"no message":    frame(`{}`),
		"two":           frame(`{"ready":{},"beat":{"stage":"x"}}`),
		"unknown field": frame(`{"beat":{"stage":"x","name":"SECRET"}}`),
		"unknown":       frame(`{"secret":{}}`),
		"trailing":      frame(`{"beat":{"stage":"x"}} {}`),
		"too long":      {0xff, 0xff, 0xff, 0xff},
		"bad enum":      frame(`{"checked":{"outcome":"SECRET"}}`),
	} {
		_, err := NewController(bytes.NewBuffer(raw)).Receive()
		if !errors.Is(err, ErrFrame) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: the error quotes the frame: %v", name, err)
		}
	}
	if err := NewInspector(&bytes.Buffer{}).Send(FromInspector{}); !errors.Is(err, ErrFrame) {
		t.Errorf("empty message sent: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, m := range []FromInspector{
		{Ready: &Ready{Sandbox: "none"}}, {Ended: &Ended{Chips: []ChipSize{{Hash: "00", Size: 256}}}},
		{Verdict: &Verdict{Outcome: verdict.Refer, Reason: verdict.FaceMismatch}},
	} {
		b, _ := json.Marshal(m)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m FromInspector
		if err := Decode(b, &m); err == nil && Name(m) == "none" {
			t.Fatal("accepted an empty message")
		}
	})
}
