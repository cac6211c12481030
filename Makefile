# `make verify` in a fresh clone is all it takes; `make help` lists the rest.
# PYTHON=python3.13 chooses the interpreter, 3.10 or newer. What is built goes to .venv and beside the engine's sources, and
# is renewed where a source is newer.

export PYTHON
export PATH := $(PATH):/usr/sbin:/sbin
export MAKE_TARGET := $(firstword $(MAKECMDGOALS) verify)
SETUP := .make/setup
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help verify build test lint format types check fuzz asan bench corpus causes clean
.NOTPARALLEL:

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

verify: build ## set up what is missing, then prove keep-alive live on loopback
	@$(BIN)/verify

build: ## .venv with the package and its compiled engine
	@$(SETUP) package

test: build ## all tests, with the engine compiled; then those of the pure core again, uncompiled
	@$(SETUP) packages test
	@$(SETUP) group test
	@$(BIN)/pytest
	@$(BIN)/pytest --uncompiled -m core

lint: build ## ruff: rules and format
	@$(SETUP) group lint
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

format: build ## put the sources into ruff's format
	@$(SETUP) group lint
	@$(BIN)/ruff check --select I --fix
	@$(BIN)/ruff format

types: build ## mypy, strict
	@$(SETUP) group lint
	@$(BIN)/mypy

check: lint types test ## lint, types and test

fuzz: build ## a minute of captures made to break it (FUZZ="--seconds 3600" for an hour); exit status 1 where one did
	@$(SETUP) group fuzz
	@$(BIN)/python tests/fuzz/fuzz.py $(FUZZ)

asan: build ## the engine under AddressSanitizer, over captures (CORPUS=DIR for more), mutants and the fuzzer's inputs
	@$(SETUP) group fuzz
	@tests/fuzz/asan $(BIN)/python $(CORPUS)

bench: build ## speed, memory and answers beside others, live capture too (BENCH="--only big": one part); up to 8 GB of disk
	@$(SETUP) packages bench
	@$(SETUP) group bench
	@$(BIN)/python tests/bench/run.py $(BENCH)

corpus: build ## CORPUS=DIR: verify, and tshark beside it, over every capture of a folder tree
	@$(if $(CORPUS),:,echo 'make: name a folder: make corpus CORPUS=DIR' >&2; exit 1)
	@$(SETUP) packages corpus
	@$(SETUP) group test
	@$(BIN)/python tests/corpus.py '$(CORPUS)'

causes: build ## the table of causes in README.md, written anew from the catalogue
	@$(BIN)/python tests/readme.py

clean: ## remove what was built
	@$(SETUP) clean
