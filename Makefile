# The commands of the house. `make test` is the whole judgement; `make help` lists the rest.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

CARGO ?= cargo
CARGO_DENY_VERSION := 0.20.2
CARGO_FUZZ_VERSION := 0.13.2
# Seconds for each fuzz target, and which of them; all unless given.
FUZZ_SECONDS ?= 600
FUZZ_TARGETS ?=
# Which row of the benchmarks, with its options; all unless given.
BENCH ?=
# Where the build goes; asked of cargo, which knows CARGO_TARGET_DIR and its own configuration.
TARGET = $(shell $(CARGO) metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')

# What is released, and so what is linted, built and tested. The everyday build is without the component runtime; the one crate that
# differs then is built and tested as it is there by `lint`.
FEATURES := --features wasm-adapters

# In the order in which mistakes are cheapest to find; what the tests have built is shipped.
STEPS := format bans lint tests shipped
APT_PACKAGES := openssl python3 python3-cryptography python3-venv libxml2-utils build-essential prometheus chromium fonts-noto-cjk

.PHONY: help test test-long fuzz demo bench peers tools deny-tool $(STEPS)

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|'

test: tools ## every test but the long ones: format, licences, lints, shipped mappings and example, tests
	@failed=(); \
	for step in $(STEPS); do \
		echo "==> $$step"; \
		begin=$$SECONDS; \
		if $(MAKE) $$step; then echo "==> $$step: good, $$((SECONDS - begin)) s"; \
		else failed+=("$$step"); echo "==> $$step: FAILED, $$((SECONDS - begin)) s"; fi; \
	done; \
	if (( $${#failed[@]} )); then echo "make test: FAILED: $${failed[*]} (one step again: make $${failed[0]})"; exit 1; fi; \
	echo "make test: all good: $(STEPS)"

test-long: tools ## the long tests, which say so in #[ignore]: 1 GB feeds and kill loops; they need some GB of disk (make fuzz is another long one)
	$(CARGO) test --locked --release --workspace --no-fail-fast -- --ignored --nocapture --test-threads 1

fuzz: tools ## fuzz every reader and the mapping compiler, FUZZ_SECONDS (600) for each of FUZZ_TARGETS (all)
	@command -v c++ >/dev/null || { echo "libFuzzer is C++: install a compiler for it, on Debian or Ubuntu: sudo apt-get install g++" >&2; exit 1; }
	@$(CARGO) fuzz --version 2>/dev/null | grep -qF "$(CARGO_FUZZ_VERSION)" || \
		$(CARGO) install --locked --quiet cargo-fuzz --version $(CARGO_FUZZ_VERSION)
	@FUZZ_SECONDS=$(FUZZ_SECONDS) CARGO=$(CARGO) fuzz/run $(FUZZ_TARGETS)

bench: peers ## the benchmarks, all or as BENCH has it (BENCH="search --exchanges 1000000"); tables go to bench-out; see docs/performance.md
	$(CARGO) run --locked --release -p portolan-bench -- $(BENCH)

demo: ## the demonstration, from the first certificate to the last delivery
	$(CARGO) run --release -- demo

format: ## rustfmt, judging alone
	$(CARGO) fmt --all --check

bans: deny-tool ## licences, sources and banned crates of everything that is linked in
	$(CARGO) deny --locked check bans licenses sources

# What is built for the tests is built by clippy's driver, so that linting costs no second build of some three hundred crates.
lint tests shipped: export RUSTC_WORKSPACE_WRAPPER := $(CURDIR)/tests/tools/clippy

lint: ## everything built as the tests need it, with clippy's lints, warnings denied; what only the everyday build has, too
	$(CARGO) test --locked --workspace $(FEATURES) --no-run
	$(CARGO) test --locked -p portolan-wasm --lib

shipped: ## the mappings with their cases and the example configuration, as an operator checks them
	$(CARGO) test --locked --workspace $(FEATURES) --no-run --quiet
	deploy/example/check "$(TARGET)/debug/portolan"

tests: ## the tests alone
	$(CARGO) test --locked --workspace $(FEATURES) --no-fail-fast

# The tools that the tests call; where we may, what is missing is installed, else it is named.
tools:
	@missing=(); \
	command -v $(CARGO) >/dev/null || { echo "there is no cargo here: install Rust from https://rustup.rs" >&2; exit 1; }; \
	$(CARGO) fmt --version >/dev/null 2>&1 || rustup component add rustfmt; \
	$(CARGO) clippy --version >/dev/null 2>&1 || rustup component add clippy; \
	for tool in cc openssl python3 xmllint prometheus promtool chromium; do command -v $$tool >/dev/null || missing+=("$$tool"); done; \
	python3 -c 'import cryptography' 2>/dev/null || missing+=("python3 cryptography"); \
	python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=("python3 venv"); \
	fc-list 2>/dev/null | grep -q CJK || missing+=("a CJK font"); \
	packages="$(APT_PACKAGES)"; \
	command -v npm >/dev/null || { missing+=(npm); packages+=" npm"; }; \
	if (( $${#missing[@]} )); then \
		echo "missing: $${missing[*]}"; \
		if command -v apt-get >/dev/null && (( EUID == 0 )); then \
			apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get install -qy $$packages; \
		else \
			echo "install them first; on Debian or Ubuntu: sudo apt-get install $$packages" >&2; exit 1; \
		fi; \
	fi
	@tests/tools/install "$(TARGET)/tools"

# What the benchmarks measure beside us; where we may, what is missing is installed, else it is named.
peers:
	@missing=(); \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing+=(postgresql); \
	command -v redis-server redis-benchmark >/dev/null || missing+=(redis-server); \
	if (( $${#missing[@]} )); then \
		if command -v apt-get >/dev/null && (( EUID == 0 )); then \
			apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get install -qy $${missing[*]}; \
		else \
			echo "install what is measured beside us first; on Debian or Ubuntu: sudo apt-get install $${missing[*]}" >&2; exit 1; \
		fi; \
	fi

# Its build takes a minute or two, once: without optimisation, which a list of some hundred crates does not need.
deny-tool:
	@$(CARGO) deny --version >/dev/null 2>&1 || { \
		echo "building cargo-deny $(CARGO_DENY_VERSION): a minute or two, once"; \
		CARGO_PROFILE_DEV_DEBUG=0 $(CARGO) install --debug --locked --quiet cargo-deny --version $(CARGO_DENY_VERSION); }
