package memscan

import "bytes"

// AddPortrait adds an image file in blocks, as bytes and as base64. Headers and tables, which any two
// files of one kind have in common, are left out: the entropy-coded data of a JPEG starts behind its
// start-of-scan marker (ITU-T T.81 §B.1), that of a JPEG 2000 codestream behind its first start of data
// (ITU-T T.800 §A.4).
func (m *Markers) AddPortrait(kind string, file []byte) int {
	body := file
	switch {
	case bytes.HasPrefix(file, []byte{0xFF, 0xD8}):
		if i := bytes.LastIndex(file, []byte{0xFF, 0xDA}); i > 0 {
			body = file[i+16:]
		}
	default:
		if i := bytes.Index(file, []byte{0xFF, 0x93}); i > 0 {
			body = file[i+2:]
		}
	}
	return m.AddBlocks(kind, body) + m.AddBase64(kind, body)
}
