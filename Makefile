# Every command of the project; `make help` lists them.

SHELL := /bin/sh
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
# They mostly wait. Each process has servers of its own; where TEST_*_HOST names given ones, there must be 0.
PROCESSES ?= 4

.PHONY: help start install run-migrations undo-migration create-migration start-simulator start-benchmark \
	tests tests-e2e vendor lint format lock bench picture check-deploy clean

help: ## List the commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

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

tests: .venv/installed .venv/deploy-installed ## Run the tests on embedded servers
	@$(BIN)/pytest -n $(PROCESSES)

lint: .venv/installed ## Check style and types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: .venv/installed ## Mend the style
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

lock: .venv/installed ## Pin anew what pyproject.toml asks for
	@$(BIN)/uv pip compile -q --universal --upgrade --no-header pyproject.toml -o requirements.txt
	@$(BIN)/uv pip compile -q --universal --upgrade --no-header --extra dev pyproject.toml -o requirements-dev.txt
	@$(BIN)/uv pip compile -q --universal --upgrade --no-header --extra deploy -c requirements-dev.txt pyproject.toml -o requirements-deploy.txt

tests-e2e: .venv/installed ## Run the tests of the page in a headless Chromium, against the whole system
	@chromium=$${CHROMIUM:-$$(command -v chromium || command -v chromium-browser || command -v google-chrome)}; \
	test -n "$$chromium" || { echo 'make tests-e2e: needs Chromium; install it (Debian: apt install chromium) or name it: make tests-e2e CHROMIUM=/path/to/chromium' >&2; exit 2; }; \
	CHROMIUM="$$chromium" $(BIN)/pytest tests/e2e

vendor: ## Take the page's parts from npm anew, as package-lock.json pins them, into webapp/static/vendor
	@npm ci --silent --no-audit --no-fund
	@cp node_modules/uplot/dist/uPlot.iife.min.js node_modules/uplot/dist/uPlot.min.css webapp/static/vendor/
	@cp node_modules/uplot/LICENSE webapp/static/vendor/uPlot.LICENSE
	@cp node_modules/@fontsource-variable/inter/files/inter-latin-wght-normal.woff2 webapp/static/vendor/
	@cp node_modules/@fontsource-variable/inter/LICENSE webapp/static/vendor/inter.LICENSE

bench: .venv/installed ## Measure the system against its bounds; writes bench/results.json
	@$(BIN)/python -m bench

check-deploy: .venv/installed .venv/deploy-installed ## Check Dockerfile, Compose file, chart, scripts and workflows
	@PATH="$(CURDIR)/$(BIN):$$PATH" tests/deploy/lint.sh

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
	@grep -q '^SECRET_KEY=.' .env || $(BIN)/python -c 'import re, secrets; \
	line, text = f"SECRET_KEY={secrets.token_urlsafe(32)}", open(".env").read(); \
	text, found = re.subn("(?m)^SECRET_KEY=.*", line, text); \
	open(".env", "w").write(text if found else f"{text}\n{line}\n")'

.venv/installed: requirements-dev.txt
	@test -n "$(PYTHON)" || { echo 'make: no Python 3.11 or newer found; install one, or name it: make PYTHON=/path/to/python3' >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo 'make: $(PYTHON) cannot make virtual environments; install its venv package (Debian, Ubuntu: apt install python3-venv)' >&2; exit 2; }
	@echo 'installing into .venv ...'
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

.venv/deploy-installed: requirements-deploy.txt .venv/installed
	@echo 'installing what checks the deployment ...'
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-deploy.txt
	@touch $@
