# The main commands are `make run` and `make test`. `make help` lists all.
SHELL := /bin/bash
export SPEECH
export PATH := $(CURDIR)/target/tools/bin:$(PATH)

AUDIO ?= tests/fixtures/sample.flac
BIND ?= 127.0.0.1:8080
WORKERS ?= 1

.DEFAULT_GOAL := help
.PHONY: help tools build run check test bench bench-full bench-cluster speakers-bench dialogues words faults test-shared build-tests emulated sanitized test-vulkan fuzz deb deb-test fixtures fmt

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

tools: ## install missing build tools
	@scripts/ensure-tools.sh

build: tools ## build the programs
	cargo build --release --locked

run: build ## build, fetch weights, serve, transcribe AUDIO=file (a sample), keep serving at BIND
	target/release/steno weights pull base
	@STENO_BIND=$(BIND) STENO_WORKERS=$(WORKERS) scripts/run.sh "$(AUDIO)"

check: tools ## format, lints and unit tests: the fast loop
	@scripts/check.sh

test: tools ## everything CI runs
	@scripts/test.sh

bench: build ## measure speed and memory in some minutes, as ratios to whisper-rs alone
	target/release/steno weights pull base
	@cargo run --quiet --release --locked -p steno-e2e --example bench

bench-full: build ## measure everything, also against faster-whisper; SPEECH=folder with manifest.tsv adds word error rates
	target/release/steno weights pull base
	@cargo run --quiet --release --locked -p steno-e2e --example bench -- full

bench-cluster: build ## measure PostgreSQL and S3 on this machine, and what one job costs them (MEASURES="uploads status")
	@scripts/ensure-servers.sh
	target/release/steno weights pull base
	cargo build --quiet --release --locked -p steno-e2e --example scripted-worker
	@cargo run --quiet --release --locked -p steno-e2e --example bench-cluster -- $(MEASURES)

speakers-bench: ## measure diarization over folders of recordings with .rttm: SPEAKERS="FOLDER FILE.wav"
	cargo run --quiet --release --locked -p steno-speakers --example speakers-bench -- $(SPEAKERS)

dialogues: ## compose conversations of Debian's voices with known speakers, for speakers-bench: OUT=FOLDER
	tests/dialogues/voices.sh $(OUT)/voices
	tests/dialogues/compose.py $(OUT)/voices $(OUT)

words: tools ## measure word errors and missed speech, against whisper-rs alone and faster-whisper (OPTIONS=--help)
	tests/words/run.sh $(OPTIONS)

faults: build-tests ## kill, freeze and starve Steno for an hour or more and check that nothing is lost (SEED=n)
	STENO_FAULTS=full STENO_FAULTS_SEED=$(or $(SEED),1) cargo test --locked -p steno-e2e --test faults --test cluster -- --nocapture --test-threads=2

test-shared: build-tests ## run end-to-end tests and fault campaigns on PostgreSQL and S3, but for those of data folders (40 minutes)
	scripts/ensure-clients.sh
	target/debug/steno weights pull tiny.en
	target/debug/steno weights pull speakers
	TEST_QUEUE=shared cargo test --workspace --locked --no-fail-fast --test e2e --test faults

build-tests: tools
	@scripts/ensure-servers.sh
	cargo build --workspace --bins --examples --locked
	target/debug/steno weights pull base

emulated: tools ## test the kernels of the native engine as on other processors, with qemu
	@scripts/test-emulated.sh

sanitized: tools ## test the unsafe kernels of the native engine under AddressSanitizer
	@scripts/test-sanitized.sh

test-vulkan: tools ## build the worker for Vulkan and test it on Mesa's software device (Debian packages, ten minutes)
	@scripts/test-vulkan.sh

fuzz: tools ## fuzz each reader of untrusted input for SECONDS (900)
	@scripts/fuzz.sh $(or $(SECONDS),900) $(TARGETS)

deb: tools ## build a Debian package that runs on any x86-64 processor of the last ten years
	@scripts/build-deb.sh

deb-test: deb ## install, upgrade, remove and purge the package in a Debian container (needs root and debootstrap)
	@scripts/test-deb.sh

fixtures: ## regenerate the audio of the tests (needs flite, sox, ffmpeg)
	tests/fixtures/make-fixtures.sh

fmt: ## format the code
	cargo fmt --all
