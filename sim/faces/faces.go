// Package faces holds the two portraits of the simulation: works of the United States government in
// the public domain (PROVENANCE.md). They are the photo of a simulated passport (DG2) and the texture
// of a simulated face. No accuracy of any matcher may be quoted from two pictures.
package faces

import (
	"embed"
	"fmt"
)

//go:embed *.jpg *.jp2
var files embed.FS

// Portrait is one person of the simulation.
type Portrait struct {
	Name      string
	Landmarks [68][2]float64
	Outline   [][2]float64
}

// Names lists the portraits.
func Names() []string {
	out := make([]string, len(portraits))
	for i := range portraits {
		out[i] = portraits[i].Name
	}
	return out
}

// Get returns a portrait by its name.
func Get(name string) (*Portrait, error) {
	for i := range portraits {
		if portraits[i].Name == name {
			p := portraits[i]
			return &p, nil
		}
	}
	return nil, fmt.Errorf("faces: no portrait %q; there are %v", name, Names())
}

// DG2Width and DG2Height are the size of the passport photos in pixels; about 97 pixels lie between
// the eyes.
const (
	DG2Width  = 413
	DG2Height = 531
)

// DG2JPEG is the passport photo as JPEG.
func (p *Portrait) DG2JPEG() []byte { return p.file("_dg2.jpg") }

// DG2JP2 is the passport photo as JPEG 2000.
func (p *Portrait) DG2JP2() []byte { return p.file("_dg2.jp2") }

// LiveJPEG is the texture of the simulated face and body, with the photo's own background.
func (p *Portrait) LiveJPEG() []byte { return p.file("_live.jpg") }

func (p *Portrait) file(suffix string) []byte {
	b, err := files.ReadFile(p.Name + suffix)
	if err != nil {
		return nil
	}
	return b
}
