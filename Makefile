# Everything a person or a CI does with this repository. `make help` lists it.
#
# Variables:
#   CLUSTER=current   `make demo` uses kubectl's current context instead of the sandbox
#   VALUES=FILE       ... and these values for Helm
#   ARGS="..."        more words for pytest: make unit ARGS="-k quota -x"
#   INSULA_CACHE=DIR  where tools and builds are kept (default /var/cache/insula)

SHELL := /bin/bash
.DEFAULT_GOAL := help

INSULA_CACHE ?= /var/cache/insula
export INSULA_CACHE

# Our own environment first, then the tools that `make setup` put aside (uv), then the machine's.
export PATH := $(CURDIR)/.venv/bin:$(INSULA_CACHE)/tools/bin:$(PATH)

# The machine's Python, never a downloaded one; the lock file decides all versions.
export UV_PYTHON_DOWNLOADS := never
UV_SYNC := uv sync --frozen --quiet

# Layers of `make check`: no cluster, no network, less than a minute when warm.
CHECKS := lint types layers generated unit golden contract
# Modules that write files which are committed; `--check` says whether those are current.
GENERATORS := insula.contract.generate insula.cli.reference bench.page

PYTEST := python -m pytest

.PHONY: help setup demo down test check lint types layers generated generate format \
	unit golden golden-update contract api e2e images bench docs clean

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | \
		while IFS=$$'\t' read -r name text; do printf '  make %-14s %s\n' "$$name" "$$text"; done

# --- Begin here ---------------------------------------------------------------------------------

setup: .venv/.ready ## Install what the machine lacks (as root) and the Python environment

.venv/.ready: pyproject.toml uv.lock scripts/install-tools.sh
	scripts/install-tools.sh
	$(UV_SYNC) --group dev --group e2e
	touch $@

demo: setup ## From nothing to an answer: cluster, Insula, a tenant, a question (CLUSTER=current uses yours)
	scripts/demo.sh

down: setup ## Take the sandbox away; nothing of it stays but the cache of builds
	insula sandbox down

# --- Tests --------------------------------------------------------------------------------------

test: setup ## Run all layers: check, then api, then e2e; end with one line for each
	scripts/run-layers.sh $(CHECKS) -- api e2e

check: setup ## Lint, types, layers, generated files, unit, golden and contract tests (< 60 s warm)
	scripts/run-layers.sh $(CHECKS)

lint: setup ## Check style and format
	ruff check --quiet src tests bench
	ruff format --check --quiet src tests bench

types: setup ## Check types, strictly
	mypy

layers: setup ## Check that layers point downwards and that the pure core does no I/O
	lint-imports

generated: setup ## Check that generated files are current
	@for module in $(GENERATORS); do python -m $$module --check || exit 1; done

unit: setup ## Run the unit tests (pure, milliseconds each)
	$(PYTEST) tests/unit $(ARGS)

golden: setup ## Compare what is rendered with the files in tests/golden
	$(PYTEST) tests/golden $(ARGS)

golden-update: setup ## Write what is rendered to tests/golden; look at the difference before you commit it
	GOLDEN=write $(PYTEST) tests/golden $(ARGS)

contract: setup ## Check that documentation and generated files tell the truth
	$(PYTEST) tests/contract $(ARGS)

api: setup ## Run the tests against a real kube-apiserver and etcd, without nodes
	$(PYTEST) tests/api $(ARGS)

e2e: setup ## Run the tests in the sandbox: real Home Assistant, real Ollama, real model, real browser
	insula sandbox up
	$(PYTEST) tests/e2e $(ARGS)

# --- Work ---------------------------------------------------------------------------------------

format: setup ## Format and tidy the sources
	ruff format --quiet src tests bench
	ruff check --fix --quiet src tests bench

generate: setup ## Write the generated files
	@for module in $(GENERATORS); do python -m $$module || exit 1; done

images: setup ## Build the container images of the sandbox
	insula sandbox build

# The controller's figures take hours with ten thousand homes. In pieces, with the homes kept in between:
#   python -m bench.controller --only pace
#   python -m bench.controller --only ladder,restart,poison,failover --tenants 100,1000 --state DIR
#   python -m bench.controller --only ladder,restart,rest --tenants 5000,10000 --state DIR
bench: setup ## Measure; see bench/ for what and how, docs/reference/figures.md for the results
	python -m bench.first_answer
	python -m bench.controller
	python -m bench.models
	python -m bench.gateway
	python -m bench.page

docs: generate ## Write the generated pages and check all documentation
	$(PYTEST) tests/contract -k docs $(ARGS)

clean: ## Remove what make made here; the sandbox and its cache stay (make down)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
