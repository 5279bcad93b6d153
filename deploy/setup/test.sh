#!/bin/sh
# Runs all tests and prints their closing lines. Called by `make test`, which has built everything before.
set -u
cd "$(dirname "$0")/../.."
mkdir -p artefacts .cache
# The race detector lets every program sleep a second before it ends.
export GORACE=atexit_sleep_ms=0
export EGATE_MODELS="$PWD/.cache/models" EGATE_BIN="$PWD/bin"
begin=$(date +%s)
failed=""

# step NAME FILTER COMMAND…: the whole output goes to a log; a person sees what FILTER keeps.
step() {
	name=$1 keep=$2
	shift 2
	log=".cache/test-$name.log"
	t=$(date +%s)
	echo "test: $name: $*"
	if "$@" >"$log" 2>&1; then
		grep -E "$keep" "$log"
		grep -hE 'SKIP:' "$log" | sort -u
		echo "test: $name: PASS in $(($(date +%s) - t)) s ($(grep -c '^ok' "$log") packages)"
	else
		grep -E '^(---|    ---|FAIL|panic:)|_test.go:' "$log" | head -80
		echo "test: $name: last lines of $log:"
		tail -n 60 "$log"
		echo "test: $name: FAIL in $(($(date +%s) - t)) s"
		failed="$failed $name"
	fi
}

make --no-print-directory vet || exit 1

# The race detector slows drawing and matching of pictures by twenty: it runs the short form of every test,
# and everything runs again in full without it. Packages whose tests start real programs and measure what
# people and devices do in real time run alone. Three packages at a time: some mostly wait.
real='egate/test/(browser|brokers|e2e|pcsc|evidence)'
unit=$(go list ./... | grep -vE "^$real\$")
step race '^(FAIL)' go test -race -short -timeout 12m -p 3 $unit
step full '^(FAIL)' go test -timeout 12m -p 3 -skip '^TestExplorer$' $unit
# What needs no devices runs beside what mostly waits for them, on what that leaves of the processors.
nice -n 19 make --no-print-directory boards >.cache/boards.txt 2>&1 &
boards=$!
step real '^(---|    ---)' go test -count=1 -timeout 12m -p 1 -v $(go list ./... | grep -E "^$real\$")
nice -n 19 go test -count=1 -timeout 15m -run '^TestExplorer$' -v ./gate >.cache/explorer.txt 2>&1 &
explorer=$!
step scenarios '^(PASS|FAIL|ok |[0-9]+ passed)' timeout 1200 bin/egate-sim run --once
wait $boards
step boards 'check:' sh -c "cat .cache/boards.txt; exit $?"
wait $explorer
step explorer 'states|times:' sh -c "cat .cache/explorer.txt; exit $?"

# A real kernel, where an emulator is installed and `make hil` has filled its cache: nothing is fetched here.
if command -v qemu-system-x86_64 >/dev/null && [ -s .cache/hil/current-amd64 ]; then
	step hil '^(board|amd64|hil: [0-9])' go run ./test/hil -quick
else
	echo "test: hil: SKIP: no emulator or no kernel in the cache: the kernel's own GPIO is NOT tested (make hil)"
fi

echo "test: $(($(date +%s) - begin)) s in all; logs in .cache, pictures in artefacts"
if [ -n "$failed" ]; then
	echo "test: FAIL:$failed"
	exit 1
fi
echo "test: PASS"
