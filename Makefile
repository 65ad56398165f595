# The chores, the same by hand and in CI. Each target is one script in tools/, where its options are explained.
.DEFAULT_GOAL := help
.PHONY: help run build test test-rust test-clients lint fmt bench diff majors nightly clean

help: ## What can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Build Basalt and serve the example project (ARGS="--listen 127.0.0.1:54400" for another port)
	@tools/run.sh $(ARGS)

build: ## Build everything in the dev profile
	@tools/test.sh build

test: ## All tests; prepares what is missing
	@tools/test.sh

test-rust: ## Rust tests and case files only
	@tools/test.sh prepare rust

test-clients: ## supabase-js and supabase-py against the binary only
	@tools/test.sh prepare build clients

lint: ## Formatting, clippy, dependencies, scripts
	@tools/lint.sh

fmt: ## Format the Rust code
	@cargo fmt --all

bench: ## Requests per second as ratios to a bare server, one run
	@tools/bench.sh

diff: ## Made-up requests to both engines, compared (SEED=1 REQUESTS=100000)
	@tools/diff.sh

majors: ## The engine's tests, the REST cases and the drop-in's on PostgreSQL 14 to 18
	@tools/nightly.sh majors

nightly: ## The long runs: diff, durability, kills, faults, fuzz, schemathesis, corpus, bench
	@tools/nightly.sh

clean: ## Remove what was built; the cache outside stays
	@cargo clean
