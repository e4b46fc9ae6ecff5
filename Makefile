# All commands of the project; `make help` lists them.

SHELL := /bin/sh
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
# Tests wait more than they compute, so more processes than cores pay off. Each starts its servers; where TEST_*_HOST
# names servers to use instead, both must be 0.
PROCESSES ?= 5
# Those of `make tests-e2e`, which start a browser and a whole system each.
E2E_PROCESSES ?= 2
# .env holds secrets, and may be a copy that others can read.
PROTECT_ENV := test ! -O .env || chmod go= .env

.PHONY: help start install env run-migrations undo-migration create-migration start-simulator start-benchmark \
	tests tests-e2e vendor schema lint format lock bench chaos picture check-deploy check-engine clean

help: ## List the commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

start: .venv/installed-start ## Run everything on this machine: servers, migrations, API, scheduler, worker
	@$(BIN)/python tools/env.py API_KEY SECRET_KEY
	@exec $(BIN)/python -m jobs.start

install: .venv/installed-start ## Create .venv and install what running needs

env: ## Write .env with random secrets where they are empty or missing
	@$(or $(PYTHON),python3) tools/env.py

run-migrations: .venv/installed-start ## Upgrade the database to the newest migration
	@$(PROTECT_ENV) && $(BIN)/flask db upgrade

undo-migration: .venv/installed-start ## Revert the newest migration
	@$(BIN)/flask db downgrade

create-migration: .venv/installed-start ## Draft a migration from the models: make create-migration MSG="what it does"
	@test -n "$(MSG)" || { echo 'make create-migration: MSG is empty; expected MSG="what it does"' >&2; exit 2; }
	@$(BIN)/flask db revision --autogenerate -m "$(MSG)"

start-simulator: .venv/installed-start ## Run the scheduler and a worker on your servers
	@$(PROTECT_ENV) && exec $(BIN)/python -m jobs.start --only scheduler worker

start-benchmark: .venv/installed-start ## Run the API on your servers
	@$(PROTECT_ENV) && exec $(BIN)/python -m webapp.serve

# pytest exits with 5 where it finds no test.
tests: .venv/installed-tests ## Run the tests on embedded servers
	@$(BIN)/pytest -n $(PROCESSES) -m "not moments"
	@$(BIN)/pytest -m moments || test $$? -eq 5

tests-e2e: .venv/installed-e2e ## Run the tests of the page in a headless Chromium, against the whole system
	@chromium=$${CHROMIUM:-$$(command -v chromium || command -v chromium-browser || command -v google-chrome)}; \
	test -n "$$chromium" || { echo 'make tests-e2e: no Chromium found; install it (Debian: apt install chromium) or name it: make tests-e2e CHROMIUM=/path/to/chromium' >&2; exit 2; }; \
	CHROMIUM="$$chromium" $(BIN)/pytest -n $(E2E_PROCESSES) tests/e2e

lint: .venv/installed-lint ## Check style, types and import contracts
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports --no-logo

format: .venv/installed-lint ## Fix style
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

check-deploy: .venv/installed-deploy ## Check Dockerfile, Compose file, chart, scripts and workflows
	@PATH="$(CURDIR)/$(BIN):$$PATH" tests/deploy/lint.sh

check-engine: .venv/installed-engine ## Run the Compose file, an upgrade and the chart in podman (Linux, as root)
	@$(BIN)/python -m tests.deploy.engine

bench: .venv/installed-bench ## Measure the system against its bounds; writes bench/results.json
	@$(BIN)/python -m bench

chaos: .venv/installed-bench ## Inject faults into the running system, and check what it promises
	@$(BIN)/python -m bench.chaos

picture: .venv/installed-picture ## Draw public/dashboard.png from the API of a running `make start`: make picture URL=http://...
	@$(BIN)/python -m tools.picture $(URL)

schema: .venv/installed-lint ## Write public/benchmark.schema.json, by which editors check benchmark files
	@$(BIN)/python -m tools.benchmark_schema

vendor: ## Copy the page's front-end parts, as package-lock.json pins them, from npm to webapp/static/vendor
	@npm ci --silent --no-audit --no-fund
	@cp node_modules/uplot/dist/uPlot.iife.min.js node_modules/uplot/dist/uPlot.min.css webapp/static/vendor/
	@cp node_modules/uplot/LICENSE webapp/static/vendor/uPlot.LICENSE
	@cp node_modules/@fontsource-variable/inter/files/inter-latin-wght-normal.woff2 webapp/static/vendor/
	@cp node_modules/@fontsource-variable/inter/LICENSE webapp/static/vendor/inter.LICENSE

lock: .venv/installed-lock ## Pin the newest versions of everything that pyproject.toml names
	@$(BIN)/uv pip compile -q --universal --upgrade --no-header --extra server --extra bedrock --group dev pyproject.toml -o requirements-dev.txt
	@$(BIN)/uv pip compile -q --universal --upgrade --no-header --extra server --extra bedrock -c requirements-dev.txt pyproject.toml -o requirements.txt

clean: ## Remove .venv, caches and all data of the embedded servers, without asking
	@test ! -x $(BIN)/python || $(BIN)/python -m jobs.embedded stop
	rm -rf .venv data .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

.venv/installed-start: requirements-dev.txt
	@test -n "$(PYTHON)" || { echo 'make: no Python 3.11 or newer found; install one, or name it: make PYTHON=/path/to/python3' >&2; exit 2; }
	@$(PYTHON) tools/install.py start

.venv/installed-%: requirements-dev.txt | .venv/installed-start
	@$(BIN)/python tools/install.py $*
