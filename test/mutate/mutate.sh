#!/bin/sh
# Tells whether the tests notice a change that breaks a law: `make mutate PATCH=FILE` for one, without PATCH for
# all of test/mutate/*.patch. A patch is applied to a copy of the last commit; nothing here is touched.
# Exit status 0: every one was noticed. Patches are made by `git diff`.
set -u
cd "$(dirname "$0")/../.."
tree=$(mktemp -d)
trap 'git worktree remove --force "$tree" >/dev/null 2>&1; rm -rf "$tree"' EXIT
trap 'exit 2' INT TERM HUP
git worktree add --quiet --detach "$tree" HEAD || exit 2
packages="./gate/... ./sensors/... ./verdict/... ./health/... ./hal/interlock/... ./hal/doors/... ./journal/... ./link/... ./inspect/supervisor/... ./test/passage/..."
survived=0
for p in ${PATCH:-test/mutate/*.patch}; do
	name=$(basename "$p" .patch)
	p=$(realpath "$p") || exit 2
	if ! git -C "$tree" apply --whitespace=nowarn "$p"; then
		echo "mutate: $name: does not apply to the last commit"
		exit 2
	fi
	log=$tree.log
	touched=$(sed -n 's|^+++ b/\(.*\)/[^/]*\.go$|./\1|p' "$p" | sort -u)
	# First what is near and what is quick, then the explorer whole.
	if (cd "$tree" && { [ -z "$touched" ] || go test -count=1 $touched; } && go test -count=1 -short ./gate && go test -count=1 -short $packages && go test -count=1 -timeout 10m -run '^TestExplorer$' ./gate) >"$log" 2>&1; then
		echo "mutate: SURVIVED $name"
		survived=$((survived + 1))
	else
		echo "mutate: killed   $name: $(grep -hE -- '_test\.go:[0-9]+: |^--- FAIL|build failed' "$log" | sed 's/^ *//' | grep -vE '^--- FAIL: TestExplorer$| (states, [0-9]+ transitions| times: )' | head -1 | cut -c1-160)"
	fi
	rm -f "$log"
	git -C "$tree" checkout --quiet . && git -C "$tree" clean -fdq
done
[ "$survived" = 0 ]
