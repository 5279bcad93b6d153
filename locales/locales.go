// Package locales holds every text that a traveller or an officer reads: one JSON catalogue per
// language. English is authoritative; a test holds the other languages to its keys.
//
// A catalogue has sections: screen (traveller), console (officer), reason (what happened, why, what
// to do, for every verdict reason code), check, and small vocabularies. Texts are data: no code
// branches on them, and a page shows them as text, never as markup.
package locales

import (
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
)

//go:embed *.json
var files embed.FS

// Default is the authoritative language.
const Default = "en"

// tags in the order in which a picker shows them.
var tags = []string{"en", "fr", "es", "de", "ar", "uk"}

// Language is one catalogue as a picker needs it.
type Language struct {
	Tag  string `json:"tag"`  // BCP 47
	Name string `json:"name"` // in that language
	Dir  string `json:"dir"`  // ltr or rtl
}

// Reason is an officer's text for one reason code: two lines at most (O-04).
type Reason struct {
	What string `json:"what"` // what happened
	Why  string `json:"why"`  // why that is, or may be
	Do   string `json:"do"`   // what to do now
}

// Catalogue is one language.
type Catalogue struct {
	Language
	Screen  map[string]string            `json:"screen"`
	Console map[string]string            `json:"console"`
	Reasons map[string]Reason            `json:"reason"`
	Checks  map[string]string            `json:"check"`
	Words   map[string]map[string]string `json:"words"` // states, modes, stages …: group → name → text
}

var load = sync.OnceValues(func() (map[string]*Catalogue, error) {
	all := make(map[string]*Catalogue, len(tags))
	for _, tag := range tags {
		raw, err := files.ReadFile(tag + ".json")
		if err != nil {
			return nil, fmt.Errorf("locales: %s: %w", tag, err)
		}
		c := new(Catalogue)
		if err := json.Unmarshal(raw, c); err != nil {
			return nil, fmt.Errorf("locales: %s: %w", tag, err)
		}
		all[tag] = c
	}
	return all, nil
})

// Get returns the catalogue of a language tag.
func Get(tag string) (*Catalogue, error) {
	all, err := load()
	if err != nil {
		return nil, err
	}
	c, ok := all[tag]
	if !ok {
		return nil, fmt.Errorf("locales: no catalogue for %q", tag)
	}
	return c, nil
}

// Tags lists the languages there are.
func Tags() []string { return slices.Clone(tags) }

// Offer returns the languages of want that exist, in that order; all of them for an empty list.
func Offer(want []string) []Language {
	if len(want) == 0 {
		want = tags
	}
	var out []Language
	for _, tag := range want {
		if c, err := Get(tag); err == nil {
			out = append(out, c.Language)
		}
	}
	if len(out) == 0 {
		return Offer([]string{Default})
	}
	return out
}

// Screen returns the traveller's part of a language as JSON: language fields and a flat map of texts.
func Screen(tag string) ([]byte, error) {
	c, err := Get(tag)
	if err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		Language
		Text map[string]string `json:"text"`
	}{c.Language, c.Screen})
}

// File returns a whole catalogue as JSON, for the officers' page.
func File(tag string) ([]byte, error) {
	if _, err := Get(tag); err != nil {
		return nil, err
	}
	return files.ReadFile(tag + ".json")
}
