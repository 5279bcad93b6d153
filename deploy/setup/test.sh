#!/bin/sh
# Runs every test with the race detector and prints a closing summary. Called by `make test`.
set -u
cd "$(dirname "$0")/../.."
log=.cache/test.log
mkdir -p artefacts
make --no-print-directory check || exit 1
echo "test: go test -race ./... (log: $log)"
start=$(date +%s)
EGATE_MODELS="$PWD/.cache/models" EGATE_BIN="$PWD/bin" \
	go test -race -timeout 18m -p 2 ./... >"$log" 2>&1
status=$?
# A person wants the failures, the skips and the verdict; the rest is in the log.
grep -E '^(---|    ---|FAIL|panic:|SKIP)|SKIP:|_test.go' "$log" | grep -v '^ok' | head -200
grep -E '^ok' "$log" | awk '{ n++ } END { printf "test: %d packages passed\n", n }'
end=$(date +%s)
if [ $status -eq 0 ]; then
	echo "test: PASS in $((end - start)) s"
else
	grep -E '^(FAIL|---)' "$log" | head -60
	tail -n 60 "$log"
	echo "test: FAIL in $((end - start)) s: the whole log is $log"
fi
exit $status
