// Package web holds the files of the traveller screen: plain HTML, CSS and ES modules, embedded as
// they are written, so that the controller builds without Node.
package web

import "embed"

// Files of the page.
//
//go:embed index.html *.css *.js *.svg
var Files embed.FS
