# egate: everything a person does with the checkout. `make help` lists it.
SHELL := /bin/sh
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unknown)
# The time of the last commit, not of the build: the same source gives the same program.
BUILT := $(shell git log -1 --format=%ct 2>/dev/null)
LDFLAGS := -s -w -X egate/internal/buildinfo.Version=$(VERSION) -X egate/internal/buildinfo.Built=$(BUILT)
GOFLAGS_BUILD := -trimpath -ldflags '$(LDFLAGS)'
WEB := console/web/dist/app/index.html
FUZZTIME ?= 30s
STEPS ?= 1000000
KILLS ?= 2000
ROUNDS ?= 300
GATES ?= 200
EVENTS ?= 30

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Install what a clean Debian 12 lacks: packages, npm and Go modules, models
	@deploy/setup/setup.sh

.PHONY: setup-tests
setup-tests:
	@deploy/setup/setup.sh tests

$(WEB): $(shell find console/web/src console/web/public console/web/index.html console/web/package-lock.json console/web/vite.config.ts console/web/tsconfig.json -type f 2>/dev/null)
	@echo "build: officers' pages"
	@cd console/web && npm run --silent build
	@touch $@

.PHONY: web
web: setup $(WEB) ## Build the officers' pages

.PHONY: build
build: web ## Build the five programs into bin/
	@echo "build: egated (static, CGO_ENABLED=0)"
	@CGO_ENABLED=0 go build $(GOFLAGS_BUILD) -o bin/egated ./cmd/egated
	@echo "build: egate-inspect egate-console egatectl egate-sim"
	@go build $(GOFLAGS_BUILD) -o bin/ ./cmd/egate-inspect ./cmd/egate-console ./cmd/egatectl ./cmd/egate-sim

.PHONY: run
run: build ## Run a simulated gate with travellers; ONCE=1 plays all scenarios once and ends
	@exec bin/egate-sim run $(if $(ONCE),--once) $(ARGS)

.PHONY: test
test: setup-tests build ## All tests: race detector, explorer, real binaries, Mosquitto, chromium
	@deploy/setup/test.sh

.PHONY: check
check: vet boards ## Formatting, vet and a build for every board

.PHONY: vet
vet:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "gofmt is needed:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	@go vet ./... && go vet -tags lab ./cmd/egatectl

.PHONY: boards
boards:
	@for a in amd64 arm64 arm; do CGO_ENABLED=0 GOARCH=$$a go build -o /dev/null ./cmd/egated && echo "check: egated builds for $$a without cgo" || exit 1; done

.PHONY: bench
bench: build ## Benchmarks: figures and ratios of one run
	@EGATE_QUIET_DISK=1 go test -run "^$$" -bench . -benchmem ./bench/...
	@EGATE_BIN="$(CURDIR)/bin" go test -run "^$$" -bench . ./test/evidence
	@go test -run "^$$" -bench 'Frame|APDU' ./facematch ./inspect/decoder ./test/pcsc
	@cd test/passage && EGATE_SOAK=10h go test -count=1 -timeout 15m -run '^TestTenHours$$'

.PHONY: bench-idle
bench-idle: build ## Memory and processor of a controller at rest: goal 40 MB and 1 % of a core
	@go run ./bench/idle

.PHONY: passage-report
passage-report: ## Passage tracking on simulated walks: docs/passage.md with its pictures (4 minutes)
	@go run ./bench/passage -tune -n 200 && go run ./bench/passage -n 300

.PHONY: verify
verify: ## Random campaign of loop, plant and people in lock-step with the model; STEPS=1000000
	@cd test/passage && EGATE_VERIFY_STEPS=$(STEPS) go test -count=1 -timeout 15m -run '^TestVerify$$'

.PHONY: evidence-campaign
evidence-campaign: build ## Evidence under SIGKILL, bad disks and bad networks (20 minutes); SEED=, KILLS=2000, ROUNDS=300
	@EGATE_BIN="$(CURDIR)/bin" EGATE_KILLS=$(KILLS) EGATE_ROUNDS=$(ROUNDS) SEED=$(SEED) go test -count=1 -timeout 30m -v ./test/evidence | grep -vE '^=== '

.PHONY: hil
hil: ## Real drivers and programs in emulated machines with Debian's kernel (8 minutes, the first time some more); CASES=gpio,camera
	@go run ./test/hil -cases "$(CASES)"

.PHONY: hil-power
hil-power: ## 50 power cuts at random points of passages (15 minutes); SEED=
	@go run ./test/hil -cases power -streams 2 -cuts 25 -seed $(or $(SEED),0)

.PHONY: nats
nats: ## A line of gates over three NATS servers, each killed once; GATES=200, EVENTS=30, SEED=
	@cd test/nats && EGATE_GATES=$(GATES) EGATE_EVENTS=$(EVENTS) SEED=$(SEED) go test -count=1 -timeout 30m -v . | grep -vE '^=== '

.PHONY: mutate
mutate: ## Do the tests notice a broken law? PATCH=FILE for one change, else all of test/mutate
	@PATCH="$(PATCH)" test/mutate/mutate.sh

.PHONY: mutate-guards
mutate-guards: ## Every guard and statement of the gate's machine changed, one at a time; FILE=order.go, PART=1/4
	@go run ./test/mutate/guards -only "$(FILE)" -part "$(or $(PART),1/1)"

.PHONY: fuzz
fuzz: ## Every fuzz target for FUZZTIME (default 30s)
	@for p in $$(grep -rl --include='*_test.go' '^func Fuzz' . | grep -v node_modules | xargs -n1 dirname | sort -u); do \
	  for f in $$(grep -h '^func Fuzz' $$p/*_test.go | sed 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/'); do \
	    echo "fuzz: $$p $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$p || exit 1; done; done

.PHONY: arm64
arm64: ## The models, templates and a capture on arm64, emulated by qemu-user; about 10 min
	@deploy/setup/setup.sh arm64
	@test/arm64/run.sh

.PHONY: models
models: setup ## Fetch the demonstration models (verified by SHA-256)

.PHONY: clean
clean: ## Remove what was built; the cache of downloads stays
	@rm -rf bin artefacts console/web/dist/app
