package display

import (
	"net/http"

	"egate/display/web"
)

// files serves the page itself. Nothing outside the embedded folder can be named.
func files() http.Handler { return http.FileServerFS(web.Files) }
