#!/bin/sh
# F-05, F-12 on arm64, emulated (make arm64): the facematch tests are built for arm64 and run by qemu-user with the arm64
# runtime library of the pack's lock. It shows that templates, self-tests and a whole capture are right there. Its times
# are those of an emulator, printed as ratios to this machine's: they say nothing about a board.
set -eu
cd "$(dirname "$0")/../.."
fail() { printf 'arm64: %s\n' "$*" >&2; exit 1; }
if [ "$(go env GOARCH)" = arm64 ]; then
	fail "this is arm64: go test ./facematch ./bench says it without an emulator"
fi
command -v aarch64-linux-gnu-gcc >/dev/null && command -v qemu-aarch64-static >/dev/null && [ -e /usr/aarch64-linux-gnu/lib/libstdc++.so.6 ] ||
	fail "the cross compiler or the emulator is missing. Cure: make arm64, or deploy/setup/setup.sh arm64"

to=.cache/arm64
mkdir -p "$to/models" "$to/root/proc"
for f in .cache/models/*.onnx; do
	[ -e "$to/models/${f##*/}" ] || cp "$f" "$to/models/"
done
go run ./internal/modelfetch/fetch -arch arm64 -dir "$to/models"

# What the emulated program sees of the system: libraries, and two cores of a Cortex-A72. The runtime asks for them
# when it is loaded and does not survive the /proc/cpuinfo of another architecture, which qemu-user passes on.
ln -sfn /usr/aarch64-linux-gnu/lib "$to/root/lib"
for core in 0 1; do
	printf 'processor\t: %s\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm crc32 cpuid\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd08\nCPU revision\t: 3\n\n' "$core"
done >"$to/root/proc/cpuinfo"

CGO_ENABLED=1 GOARCH=arm64 CC=aarch64-linux-gnu-gcc go test -c -o "$to/facematch.test" ./facematch
go test -c -o "$to/native.test" ./facematch
cd facematch
emulated() { EGATE_MODELS="../$to/models" qemu-aarch64-static -cpu cortex-a72 -L "../$to/root" "../$to/facematch.test" -test.v -test.timeout 30m -test.run "$1"; }
native() { EGATE_MODELS=../.cache/models "../$to/native.test" -test.v -test.run "$1"; }

# Stages here and there, side by side.
native '^TestF12Stages$' >"../$to/native.log"
emulated '^TestF12Stages$' >"../$to/emulated.log" || { cat "../$to/emulated.log"; fail "the models do not run"; }
awk '/stage / { for (i = 1; i < NF; i++) if ($i == "stage") { name = $(i+1); ms = $(i+2) } if (FNR == NR) here[name] = ms; else if (here[name] > 0) printf "arm64: %-10s %9.2f ms here, %9.2f emulated, ratio %5.1f\n", name, here[name], ms, ms / here[name] }' \
	"../$to/native.log" "../$to/emulated.log"
# Templates against the independent implementation, and one capture of a living person.
emulated '^TestF05IndependentImplementation$'
emulated '^TestF08LiveAndPrinted$/^astronaut_live$'
echo "arm64: right on an emulated arm64; the times are no board's"
