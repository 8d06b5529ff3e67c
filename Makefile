# The commands that developers and CI run. `make` lists them.
PYTHON ?= python3
CONFIG ?= config/tiny.yaml
PORT ?= 7860
BIN := .venv/bin

# uv is used if it is installed: it is faster, and selects a torch build for the machine. Otherwise pip.
UV := $(shell command -v uv 2>/dev/null)
export UV_TORCH_BACKEND ?= auto
INSTALL := $(if $(UV),uv pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip install --quiet --disable-pip-version-check)

.DEFAULT_GOAL := help
UPSTREAM ?= upstream# where `make upgrade` gets the template: a URL, or the name of a remote

.PHONY: help setup run space test test-scale check check-code check-files bench soak suites format upgrade release oldest newest next lock locked packages audit card model models screenshots

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/dev.done ## Create .venv and install everything (the other commands do this when needed)

run: .venv/run.done ## Run the app; CONFIG=config/cpu.yaml selects another model, PORT=7870 another port
	SPACE_CONFIG=$(CONFIG) GRADIO_SERVER_PORT=$(PORT) $(BIN)/python app.py

space: .venv/run.done ## Build a Space in .space/ as the Hub does, start it and send a message; set CONFIG=, PYTHON=
	SPACE_CONFIG=$(CONFIG) $(BIN)/python scripts/space.py $(PYTHON)

test: .venv/dev.done ## Run all tests: no network, no GPU, no account
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(ARGS)

test-scale: .venv-scale/done ## Test replicas on Ray Serve, on this machine (minutes); scale/ and docs/scaling.md say more
	.venv-scale/bin/python -m pytest $(ARGS) scale

check: .venv/dev.done ## Check style, types, configs, generated files, workflows and requirements (needs the network)
	@$(MAKE) --no-print-directory --jobs 2 check-code check-files

check-code:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check-files:
	$(BIN)/python -m streamspace check
	$(BIN)/python scripts/resolve.py
	$(BIN)/zizmor --offline --persona auditor --quiet .github
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/fault.yml .github/ISSUE_TEMPLATE/model.yml

bench: .venv/dev.done ## Compare the app with the baseline; ARGS=--full adds the other systems and what each speedup is worth (half an hour)
	$(BIN)/python -m benchmarks $(ARGS)

soak: .venv/dev.done ## Hold the app under mixed visitors for SECONDS=120, and judge what is lost, left open or kept; SEED=0
	$(BIN)/python -m scripts.soak --seconds $(or $(SECONDS),120) --seed $(or $(SEED),0)

suites: .venv/dev.done ## Run suites that others wrote for OpenAI's API: trustedrouter-provider-check, schemathesis, compatcanary; and @gradio/client
	$(BIN)/python -m scripts.suites $(ARGS)

format: .venv/dev.done ## Format the code, and regenerate the schema and the tables in docs/
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format .
	$(BIN)/python -m streamspace generate
	$(BIN)/python scripts/modules.py

upgrade: .venv/dev.done ## Merge the template's newest version into a fork; UPSTREAM=URL, ARGS="--ours FILE"
	$(BIN)/python scripts/upgrade.py $(UPSTREAM) $(ARGS)
	@$(MAKE) --no-print-directory setup
	$(BIN)/python -m streamspace check

release: .venv/dev.done ## Commit and tag a version, VERSION=0.2.0; what is Unreleased in CHANGELOG.md becomes its section
	$(BIN)/python scripts/release.py "$(VERSION)"

oldest: .venv/dev.done ## Install the oldest versions that the requirements allow
	env -u UV_TORCH_BACKEND $(BIN)/uv pip compile --quiet --no-deps --resolution lowest-direct --output-file .venv/oldest.txt requirements-dev.txt
	$(INSTALL) -r .venv/oldest.txt

newest: .venv/dev.done ## Install the newest versions that the requirements allow
	$(INSTALL) --upgrade -r requirements-dev.txt

next: .venv/dev.done ## Install the newest versions of the main packages, whatever is pinned
	$(INSTALL) --upgrade gradio transformers spaces huggingface_hub

# torch and what only torch needs are not in requirements.lock: its wheels differ by machine, and so do their hashes.
TORCH = $(shell sed -n 's/^\(torch==[^ ]*\).*/\1/p' requirements.txt)

lock: .venv/dev.done ## Write requirements.lock: the newest versions that the requirements allow, with their hashes
	echo torch > .venv/excluded.txt
	env -u UV_TORCH_BACKEND $(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.11 --no-annotate --excludes .venv/excluded.txt --custom-compile-command "make lock" --output-file requirements.lock requirements-dev.txt

locked: | .venv/bin/python ## Install torch and the versions of requirements.lock, which have to match its hashes, into .venv
	$(INSTALL) $(TORCH)
	$(INSTALL) --no-deps --require-hashes -r requirements.lock
	touch .venv/run.done .venv/dev.done

packages: | .venv/bin/python ## Install the versions of requirements.lock into packages/, which is all that a deploy needs
	$(INSTALL) --target packages --no-deps --require-hashes -r requirements.lock

audit: .venv/dev.done ## Ask which versions of requirements.lock have known vulnerabilities
	$(BIN)/uv tool run pip-audit==2.10.1 --strict --disable-pip --require-hashes -r requirements.lock

card: .venv/run.done ## Write the Space card of config/default.yaml into README.md
	$(BIN)/python -m streamspace card default --write

model: .venv/dev.done ## Retrain the embedded model from its corpus (minutes)
	$(BIN)/python scripts/tiny/train.py

models: .venv/dev.done ## Try models of every kind, and compare with docs/models.md (an hour); ARGS=--write updates it
	$(BIN)/python -m scripts.models $(ARGS)

screenshots: .venv/dev.done ## Retake the screenshots in docs/ (minutes)
	$(BIN)/python scripts/screenshots.py $(ARGS)

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is required, but $(PYTHON) is `$(PYTHON) --version 2>&1`. Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Creating .venv with `$(PYTHON) --version`"
	@$(PYTHON) -m venv .venv

.venv/run.done: requirements.txt | .venv/bin/python
	@echo "Installing the app's requirements (a few minutes the first time)"
	@$(INSTALL) -r requirements.txt
	@touch $@

.venv/dev.done: requirements-dev.txt .venv/run.done
	@echo "Installing the requirements of tests and checks"
	@$(INSTALL) -r requirements-dev.txt
	@touch $@

# Ray comes on top of what is in .venv, whose versions stay: pip refuses what would need another one of any of them.
.venv-scale/done: scale/requirements.txt .venv/dev.done
	@echo "Installing Ray beside .venv"
	@$(BIN)/python -m venv --clear .venv-scale
	@cd .venv-scale/lib/python*/site-packages && realpath $(CURDIR)/.venv/lib/python*/site-packages > project.pth
	@$(BIN)/python -m pip list --format freeze > .venv-scale/project.txt
	@.venv-scale/bin/python -m pip install --quiet --disable-pip-version-check --constraint .venv-scale/project.txt -r scale/requirements.txt
	@touch $@
