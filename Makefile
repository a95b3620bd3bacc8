# `make convert` and `make test` are all that a fresh machine with Python 3.11+ and make needs.

PYTHON ?= python3
TO ?= dist/release
DIST := dist/package

BIN := .venv/bin
JS := converter/runtimes/js
CONFIG := configs/compatibility.yaml
MODEL := $(basename $(notdir $(CONFIG)))
CHECKPOINT := checkpoints/$(MODEL).pth
ARTIFACT := artifacts/$(MODEL)/$(shell sed -n 's/^version: *//p' $(CONFIG))

INSTALLED := .venv/.installed
BUNDLE := $(JS)/dist/worker.cjs
BROWSER := $(JS)/node_modules/.browser
READY := $(INSTALLED) $(BUNDLE) $(BROWSER)
CLIENT_PACKAGES := client/node_modules/.installed
CLIENT := client/dist/index.js

NPM := PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix $(JS)
CLIENT_NPM := PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix client

.PHONY: help train convert speed-dating test test-chain engine-onnx-tf check docs scoreboard models benchmarks release dist clean
.DELETE_ON_ERROR:

help:
	@echo "make train       install, train the reference model, judge it on rows that it never saw"
	@echo "make convert     install, train the reference model, convert it, prove it"
	@echo "make speed-dating  fetch real outcomes, train on them, convert, prove; writes a model card"
	@echo "make test        run every test"
	@echo "make engine-onnx-tf  install the classical chain, 1.8 GB, into .cache/; see docs/engines.md"
	@echo "make test-chain  run the tests that need it"
	@echo "make check       format, lint, types, floors, TypeScript; under a minute"
	@echo "make docs        write docs/operators.md and docs/client-api from the code"
	@echo "make scoreboard  run ONNX's backend suite on all four backends; writes docs/coverage.md"
	@echo "make models      convert and prove real models from public packages; writes docs/coverage.md"
	@echo "make benchmarks  measure conversion and graphs beside other tools; writes docs/benchmarks.md, docs/weights.md"
	@echo "make release     publish the artifact to TO=$(TO), see docs/releases.md"
	@echo "make dist        build the package, the same bytes anywhere, and its bill of materials; into $(DIST)"
	@echo "make clean       remove what the other targets made, but not artifacts/"

train: $(READY)
	@$(BIN)/compat-export train $(CONFIG)

convert: $(READY) $(CHECKPOINT)
	@if [ -e $(ARTIFACT)/manifest.json ]; then \
		echo "$(ARTIFACT) exists already, and versions are never changed: verifying it"; \
	else \
		$(BIN)/compat-export convert $(CONFIG); \
	fi
	@$(BIN)/compat-export verify $(ARTIFACT)

speed-dating: $(READY)
	@$(BIN)/python benchmarks/fetch.py speed-dating
	@$(MAKE) --no-print-directory convert CONFIG=configs/speed-dating.yaml

test: $(READY) $(CLIENT)
	$(BIN)/python -m pytest -n 2

engine-onnx-tf test-chain: export COMPAT_EXPORT_HOME ?= $(CURDIR)/.cache/compat-export

engine-onnx-tf: $(INSTALLED)
	$(BIN)/compat-export engine install onnx-tf

test-chain: $(READY)
	$(BIN)/python -m pytest tests/chain

check: $(INSTALLED) $(BUNDLE) $(CLIENT_PACKAGES)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/meta/test_architecture.py
	$(BIN)/python -m tools.operators --check
	$(NPM) run --silent check
	$(CLIENT_NPM) run --silent check
	@$(CLIENT_NPM) run --silent docs -- --out node_modules/.docs
	@diff -r docs/client-api client/node_modules/.docs || { echo "docs/client-api is stale: make docs" >&2; exit 1; }

docs: $(INSTALLED) $(CLIENT_PACKAGES)
	$(BIN)/python -m tools.operators
	$(CLIENT_NPM) run --silent docs

scoreboard: $(READY)
	$(BIN)/python -m tests.onnx_backend.scoreboard

models: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[models]'
	$(BIN)/python -m benchmarks.prove

benchmarks: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[models]' uv
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m benchmarks.compare $(MODELS)
	$(BIN)/python -m benchmarks.weights

release: convert
	@$(BIN)/compat-export release $(ARTIFACT) --to $(TO) $(if $(CHANNEL),--channel $(CHANNEL)) $(if $(KEY),--sign $(KEY)) $(if $(REGISTRY),--registry $(REGISTRY))

dist: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 315532800)
dist: $(READY)
	rm -rf $(DIST)
	$(BIN)/python -m hatchling build -d $(DIST)
	$(BIN)/python -m tools.sbom $(DIST)

clean:
	rm -rf .venv .cache checkpoints dist $(JS)/node_modules $(JS)/dist client/node_modules client/dist
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find converter tests tools benchmarks -name __pycache__ -prune -exec rm -rf {} +

$(CHECKPOINT): $(CONFIG) | $(READY)
	@$(BIN)/compat-export train $(CONFIG)

$(INSTALLED): pyproject.toml constraints.txt hatch_build.py $(JS)/package.json $(JS)/package-lock.json
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "compat-export needs Python 3.11 or newer, and $(PYTHON) is not: try make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { \
		echo "$(PYTHON) can't make a virtual environment: install its venv package (Debian: python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

$(BUNDLE): $(wildcard $(JS)/src/*) client/src/legacy.ts client/src/errors.ts $(JS)/build.mjs $(JS)/package-lock.json | $(INSTALLED)
	$(NPM) run --silent build
	@touch $@

$(BROWSER): $(JS)/package-lock.json | $(INSTALLED)
	@if [ "$$(uname -sm)" = "Linux x86_64" ]; then $(NPM) run --silent fetch-browser; else \
		echo "no Chromium comes along for $$(uname -sm): an installed Chrome or Chromium is used" >&2; fi
	@touch $@

$(CLIENT_PACKAGES): client/package-lock.json | $(INSTALLED)
	$(CLIENT_NPM) ci --silent
	@touch $@

$(CLIENT): $(wildcard client/src/*.ts) client/tsconfig.json client/tsconfig.build.json | $(CLIENT_PACKAGES)
	$(CLIENT_NPM) run --silent build
