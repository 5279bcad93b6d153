package facematch

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"sync"
)

//go:embed demopack/manifest.json
var demoManifest []byte

var demo = sync.OnceValue(func() (m Manifest) {
	_ = json.Unmarshal(demoManifest, &m) // a test loads it
	return m
})

// checkDemo refuses the demonstration pack with another manifest than this program's. Nobody signs it, and its models
// are known by their hashes in it: without this rule a changed byte of how a crop is made would go unseen. A pack with
// a model of its own, or that is not called a demonstration, is another pack.
func (m *Manifest) checkDemo(raw []byte) error {
	if !m.Demo || bytes.Equal(raw, demoManifest) {
		return nil
	}
	have := map[string]bool{}
	for _, x := range m.Models {
		have[x.SHA256] = true
	}
	for _, x := range demo().Models {
		if !have[x.SHA256] {
			return nil
		}
	}
	return refuse("manifest: it is of the demonstration pack's models and not the one that belongs to them: fetch it again (make models); a pack of your own says demonstration: false")
}
