//go:build lab

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"egate/emrtd"
	"egate/emrtd/lds"
)

const canSave = true

// saveFiles writes the files of a specimen as "document verify" reads them. A folder that is there already
// is not touched.
func saveFiles(dir string, rep *emrtd.Report) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	files := map[string]uint16{"EF_COM.bin": lds.FIDCOM, "EF_SOD.bin": lds.FIDSOD, "EF_CardAccess.bin": lds.FIDCardAccess, "EF_CardSecurity.bin": lds.FIDCardSecurity}
	for n := 1; n <= lds.MaxGroups; n++ {
		files[fmt.Sprintf("DG%d.bin", n)] = lds.FID(n)
	}
	for name, fid := range files {
		if b := rep.File(fid); b != nil {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}
