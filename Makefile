# Every command of the project; `make help` lists them.

SHELL := /bin/sh
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin

.PHONY: help start install run-migrations undo-migration create-migration start-simulator start-benchmark \
	tests lint format lock bench picture clean

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

start: .venv/installed .env ## Run everything on this machine: servers, migrations, API, scheduler, worker
	@exec $(BIN)/python -m jobs.start

install: .venv/installed ## Make the virtual environment and install what is pinned

run-migrations: .venv/installed ## Bring the database to the newest schema
	@$(BIN)/flask db upgrade

undo-migration: .venv/installed ## Take the newest migration back
	@$(BIN)/flask db downgrade

create-migration: .venv/installed ## Draft a migration from the models: make create-migration MSG="what it does"
	@test -n "$(MSG)" || { echo 'create-migration: say what it does: make create-migration MSG="..."' >&2; exit 2; }
	@$(BIN)/flask db revision --autogenerate -m "$(MSG)"

start-simulator: .venv/installed ## Run the scheduler and a worker on your own servers
	@exec $(BIN)/python -m jobs.start --only scheduler worker

start-benchmark: .venv/installed ## Run the API on your own servers
	@exec $(BIN)/python -m webapp.serve

tests: .venv/installed ## Run the tests on embedded servers
	@$(BIN)/pytest

lint: .venv/installed ## Check style and types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: .venv/installed ## Mend the style
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

lock: .venv/installed ## Pin anew what pyproject.toml asks for
	@$(BIN)/uv pip compile -q --universal --upgrade --no-header pyproject.toml -o requirements.txt
	@$(BIN)/uv pip compile -q --universal --upgrade --no-header --extra dev pyproject.toml -o requirements-dev.txt

bench: .venv/installed ## Measure the system against its bounds; writes bench/results.json
	@$(BIN)/python -m bench

picture: .venv/installed ## Draw public/dashboard.png from the API that `make start` runs: make picture URL=http://...
	@$(BIN)/uv pip install -q --python $(BIN)/python "$$($(BIN)/python -c 'import tomllib; \
	print(tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["picture"][0])')"
	@$(BIN)/python -m tools.picture $(URL)

clean: ## Remove the virtual environment and the embedded servers' data (asks nothing)
	@test ! -x $(BIN)/python || $(BIN)/python -m jobs.embedded stop
	rm -rf .venv data .pytest_cache .mypy_cache .ruff_cache .hypothesis

.env: .env.example
	@test -e .env && touch .env || { umask 077 && $(BIN)/python -c 'import secrets; \
	print(open(".env.example").read().replace("API_KEY=", "API_KEY=" + secrets.token_urlsafe(32)), end="")' > .env.new \
	&& mv .env.new .env && echo 'wrote .env with a new API_KEY'; }

.venv/installed: requirements-dev.txt
	@test -n "$(PYTHON)" || { echo 'make: no Python 3.11 or newer found; install one, or name it: make PYTHON=/path/to/python3' >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo 'make: $(PYTHON) cannot make virtual environments; install its venv package (Debian, Ubuntu: apt install python3-venv)' >&2; exit 2; }
	@echo 'installing into .venv ...'
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
