#!/bin/sh
# Brings a clean Debian 12 with Go and Node to the point where egate builds and its tests run.
# Says what it does, does only what is missing, and needs no network when nothing is.
#
#	setup.sh          what building and running need
#	setup.sh tests    also what only the tests need
#	setup.sh arm64    also what building and running for an emulated arm64 needs (make arm64)
set -eu
cd "$(dirname "$0")/../.."
cache=.cache
mkdir -p "$cache"

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# Packages of Debian 12: cgo (inference runtime, OpenJPEG), reference broker, a real browser with the
# letters of six languages, the smart card daemon with a virtual reader (tests run it in a network of its
# own: on this machine's it is not started), downloads.
packages="gcc libc6-dev pkg-config libopenjp2-7-dev mosquitto mosquitto-clients swtpm chromium fonts-dejavu-core fonts-noto-core pcscd vsmartcard-vpcd iproute2 util-linux ca-certificates"
[ "${1:-}" != arm64 ] || packages="$packages gcc-aarch64-linux-gnu libc6-dev-arm64-cross libstdc++6-arm64-cross qemu-user-static"

command -v go >/dev/null || fail "Go is missing. Cure: install Go 1.26 or later from https://go.dev/dl and put its bin folder on PATH"
go_minor=$(go env GOVERSION | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
[ "${go_minor:-0}" -ge 26 ] || fail "Go 1.26 or later is needed, $(go env GOVERSION) is here. Cure: install it from https://go.dev/dl"
command -v node >/dev/null || fail "Node.js is missing. Cure: apt-get install nodejs npm (20 or later), or install it from https://nodejs.org"
command -v npm >/dev/null || fail "npm is missing. Cure: apt-get install npm, or install Node.js from https://nodejs.org"

missing=""
if command -v dpkg-query >/dev/null; then
	for p in $packages; do
		[ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$p" 2>/dev/null | cut -c1-2)" = ii ] || missing="$missing $p"
	done
else
	say "this is no Debian: packages are not checked; needed are those of deploy/setup/setup.sh"
fi
if [ -n "$missing" ]; then
	as_root=""
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null || fail "Debian packages are missing:$missing. Cure: as root, apt-get install$missing"
		as_root=sudo
	fi
	say "installing Debian packages:$missing"
	$as_root apt-get update -qq || say "apt-get update failed, going on with the lists that are here"
	DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >"$cache/apt.log" 2>&1 ||
		fail "apt-get failed, see $cache/apt.log. Cure: apt-get install$missing"
fi

# once FILE COMMAND…: runs the command when FILE has changed since it last succeeded.
once() {
	stamp="$cache/$(printf '%s' "$1" | tr / _).done"
	sum=$(sha256sum "$1" | cut -d' ' -f1)
	[ "$(cat "$stamp" 2>/dev/null)" = "$sum" ] && [ -e "$2" ] && return 0
	changed="$1"
	shift 2
	say "$changed: $*"
	"$@" || fail "failed: $*"
	printf '%s' "$sum" >"$stamp"
}
npm_ci() { (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error); }

once go.sum go.mod go mod download
once console/web/package-lock.json console/web/node_modules npm_ci console/web
if [ "${1:-}" = tests ]; then
	once test/browser/package-lock.json test/browser/node_modules npm_ci test/browser
	# The official AsyncAPI parser serves one test, which says SKIP: without it.
	(once test/asyncapi/package-lock.json test/asyncapi/node_modules npm_ci test/asyncapi) || say "going on without the AsyncAPI parser"
fi
once facematch/models.lock "$cache/models/manifest.json" go run ./internal/modelfetch/fetch -lock facematch/models.lock -dir "$cache/models"
say "everything is here"
