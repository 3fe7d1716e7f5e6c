# All set-up is here: `make demo` and `make test` need only Python 3.11-3.13, make and the package index.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
EXTRAS := torch console embedding rounds scoring selection labeling-gateway qa committee pipelines vehicle demo dev bench
LOCKS := $(EXTRAS:%=requirements.%.txt)

SERVICES := console rounds embedding scoring selection labeling_gateway qa retrain rollout
GRAPHS := $(patsubst pipelines/%/pipeline.py,%,$(wildcard pipelines/*/pipeline.py))
# What charts/winnow and the steps of `make pipelines` run; `make images IMAGES=committee` builds
# the server for KServe.
IMAGES ?= $(sort $(SERVICES) $(GRAPHS))
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
REPOSITORY ?= winnow
DOCKER ?= docker
DOCKER_FLAGS ?=

# `make demo` reads these; see `make help`.
DATA ?=
SIZE ?= standard
TORCH ?= default

.PHONY: help setup lock protos fmt lint test test-all oracle golden bench bench-large bench-default benchmark demo up down pipelines images charts e2e clean

help: ## Print this help
	@echo "Winnow: decides which frames earn a label, and proves it."
	@echo
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'
	@echo
	@echo "  make demo DATA=digits   the same on real images: scikit-learn's handwritten digits"
	@echo "  make demo DATA=PATH     the same on your images (folder, COCO file or .npz)"
	@echo "  make demo SIZE=small    the smallest run (as in CI); TORCH=cpu takes torch's CPU build"

setup: $(VENV)/.dev ## Make the development environment from the lock

$(BIN)/uv: requirements.uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 13) else "expected Python 3.11 to 3.13, found " + sys.version.split()[0] + "; name one: make PYTHON=python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.uv.txt
	@touch $@

$(VENV)/.dev: requirements.dev.txt $(BIN)/uv pyproject.toml
	@$(call install,dev)
	@touch $(VENV)/.demo $@

$(VENV)/.bench: requirements.bench.txt $(BIN)/uv pyproject.toml
	@$(call install,bench)
	@touch $(VENV)/.demo $(VENV)/.dev $@

$(VENV)/.demo: requirements.demo.txt $(BIN)/uv pyproject.toml
	@$(call install,demo)
	@touch $@

define install
echo "Installing the $(1) environment: about 2.6 GB to download (torch brings CUDA libraries), 4.5 GB on disk,"; \
echo "one to two minutes on a fast line. Packages that are already in uv's cache are not downloaded again."; \
started=$$(date +%s); lock=requirements.$(1).txt; \
if [ "$(TORCH)" = cpu ]; then \
  versions=$$(grep -oE '^torch(vision)?==[0-9.]+' $$lock | tr '\n' ' '); \
  if $(BIN)/uv pip install --quiet -p $(BIN)/python --torch-backend cpu $$versions; then \
    awk '/^[a-z]/ {skip = ($$0 ~ /^(torch|torchvision|triton|nvidia-[a-z0-9-]+|cuda-[a-z]+)==/)} !skip' $$lock > $(VENV)/cpu.txt; lock=$(VENV)/cpu.txt; \
  else echo "The index of torch's CPU build cannot be reached; taking the default build, which runs on CPUs too."; fi; \
fi; \
$(BIN)/uv pip install --quiet -p $(BIN)/python --require-hashes --compile-bytecode -r $$lock; \
$(BIN)/uv pip install --quiet -p $(BIN)/python --no-deps --no-build-isolation -e .; \
echo "Installed in $$(( $$(date +%s) - started )) s."
endef

COMPILE = $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
  --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links
lock: $(BIN)/uv ## Resolve the locks again (hashes, no addresses); UPGRADE=1 takes newer versions
	@$(COMPILE) $(if $(UPGRADE),--upgrade) --extra dev -o requirements.dev.txt
	@for extra in $(filter-out dev,$(EXTRAS)); do \
	  $(COMPILE) --extra $$extra -c requirements.dev.txt -o requirements.$$extra.txt; \
	done

protos: $(VENV)/.dev ## Write the generated code from protos/
	@$(BIN)/python -m grpc_tools.protoc -I protos --plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy \
	  --python_out=services/winnow/contracts/generated \
	  --mypy_out=services/winnow/contracts/generated protos/winnow/*/v1/*.proto

fmt: $(VENV)/.dev ## Format the code
	@$(BIN)/ruff format services pipelines tests
	@$(BIN)/ruff check --fix --quiet services pipelines tests

lint: $(VENV)/.dev ## Check style, types, layers and contracts
	$(BIN)/ruff format --check services pipelines tests
	$(BIN)/ruff check services pipelines tests
	$(BIN)/mypy services pipelines tests
	$(BIN)/lint-imports
	$(BIN)/buf lint protos

test: $(VENV)/.dev ## Run the tests that need nothing but this machine
	$(BIN)/pytest -n auto

test-all: $(VENV)/.bench ## Run all tests; addresses of real services come from WINNOW_TEST_KAFKA, _POSTGRES, _S3
	$(BIN)/pytest -n auto -m ''

oracle: $(VENV)/.bench ## Compare with other people's implementations
	$(BIN)/pytest -m oracle tests/oracle

golden: $(VENV)/.dev ## Rewrite the golden files
	WINNOW_GOLDEN=rewrite $(BIN)/pytest tests/golden

bench: $(VENV)/.bench ## Measure against peers; prints a table, writes build/bench.json
	$(BIN)/python -m tests.bench

bench-large: $(VENV)/.bench ## The same for two million frames: minutes, 8 GB of memory, 6 GB of disk
	$(BIN)/python -m tests.bench --large

bench-default: $(VENV)/.bench ## The default policy beside every strategy on real pools (DATA=folder of data sets)
	$(BIN)/python -m tests.bench.default_policy $(if $(DATA),--data "$(DATA)")

benchmark: $(VENV)/.demo ## Query strategies against random on digits, five seeds: figure, tables, report (DATA=PATH: yours)
	@$(BIN)/python -m benchmark run --out build/benchmark $(if $(DATA),--data "$(DATA)")

demo: $(VENV)/.demo ## Three rounds of a simulated fleet through all services, and a report
	@$(BIN)/winnow demo --size $(SIZE) $(if $(DATA),--data "$(DATA)")

up: $(VENV)/.demo ## Run all services on this machine (state in .winnow)
	@$(BIN)/winnow up

down: ## Stop what `make up` started on this machine
	@if test -f .winnow/up.lock && ! flock -n .winnow/up.lock true; then kill "$$(cat .winnow/up.lock)"; \
	else echo "Nothing runs on .winnow."; fi

pipelines: $(VENV)/.dev ## Compile all pipelines to build/pipelines, to upload to Kubeflow Pipelines as they are
	@mkdir -p build/pipelines
	@for name in $(GRAPHS); do \
	  $(BIN)/python -m $$name compile build/pipelines/$$name.yaml $(REPOSITORY)/$${name//_/-}:$(VERSION); \
	  echo "build/pipelines/$$name.yaml"; \
	done

images: ## Build the container images of all services and pipelines (needs docker)
	@for name in $(IMAGES); do \
	  extra=$$(test -e pipelines/$$name && echo pipelines || echo $${name//_/-}); \
	  $(DOCKER) build $(DOCKER_FLAGS) -f services/Dockerfile --build-arg SERVICE=$$name --build-arg EXTRA=$$extra \
	    --build-arg FOUNDATION=$$(grep -q '^torch==' requirements.$$extra.txt && echo torch || echo plain) \
	    --build-arg COMMIT=$$(git describe --always --dirty --abbrev=40 --exclude='*') \
	    -t $(REPOSITORY)/$${name//_/-}:$(VERSION) .; \
	done

charts: $(VENV)/.dev ## Write values.schema.json and check the charts (needs helm)
	@$(BIN)/python -m charts.winnow.schema
	@helm lint charts/winnow charts/platform

e2e: $(VENV)/.dev ## One round on the cluster that kubectl points to
	$(BIN)/pytest -m cluster tests/e2e

clean: ## Remove what builds left (not the environment, not the state)
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
