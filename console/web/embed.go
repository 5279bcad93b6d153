// Package web holds the officers' pages as Vite built them. Without a build the folder holds a
// placeholder only, and the server says how to build.
package web

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Files returns the built pages; it is empty before the first build.
func Files() fs.FS {
	app, err := fs.Sub(dist, "dist/app")
	if err != nil {
		panic("console/web: " + err.Error()) // a constant path
	}
	return app
}
