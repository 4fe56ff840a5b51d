# `make help` lists the targets. Everything is built in .venv, from the python3 on the PATH.

PYTHON ?= python3
VENV := .venv
# Hundreds of short processes are started here. Each would compile Airflow and this package again.
unexport PYTHONDONTWRITEBYTECODE
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CONSTRAINTS := constraints.txt
EXTRAS := dev
# Wheels only: a package without one for this machine fails at once instead of looking for compilers.
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet --only-binary :all:
# Installs the project with its extras. For another Airflow than the default one, pip may search for ten minutes
# where uv finds a set in seconds; pip takes over where uv can't reach the package index.
INSTALL = $(if $(filter .venv,$(VENV)),,$(PIP_INSTALL) uv && $(BIN)/uv pip install --quiet --compile-bytecode \
    --python $(BIN)/python -c $(CONSTRAINTS) -e '.[$(EXTRAS)]' ||) $(PIP_INSTALL) -c $(CONSTRAINTS) -e '.[$(EXTRAS)]'

# The environment of another Airflow. It uses the same constraints, except that packages which are pinned for the
# default Airflow may be older: a newer FastAPI breaks an Airflow released before it, and svcs 26 breaks the 3.2s.
AIRFLOW ?= 3.1.8
OTHER := .venv-airflow-$(AIRFLOW)
WANTED := build/constraints-airflow-$(AIRFLOW).txt
OLDER_TOO := aiosqlite|cadwyn|fastapi|starlette|universal-pathlib

# Half of the time tests wait, so there are two more workers than processors. Workers take seconds to start, which the
# few tests that ARGS names are not worth. worksteal hands out runs of neighbouring tests, so that a module's
# fixtures are rarely made twice, and a worker that is done takes over some of another one's.
WORKERS ?= $(if $(ARGS),0,$(shell expr $$(getconf _NPROCESSORS_ONLN) + 2))
PARALLEL = -n $(WORKERS) --dist worksteal
# Each worker of the system tests has an Airflow of its own. Two side by side take two processors for themselves.
STACKS ?= 1

# Arguments of `make demo`. They are passed in the environment so that no file name needs quoting; an empty one
# means the default.
export DAG VIDEO ASPECT LENGTH CATEGORY MUSIC CONF

.DEFAULT_GOAL := help
.PHONY: help demo up test quick test-airflow test-lowest test-prerelease test-system test-celery test-browser explore soak lint format docs package-check image-check sbom audit clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(STAMP) ## one video through a real Airflow and the sandbox: VIDEO= ASPECT= LENGTH= CATEGORY= MUSIC= DAG= CONF=
	@$(BIN)/python -m tools.demo --dag "$$DAG" --video "$$VIDEO" --aspect "$$ASPECT" --length "$$LENGTH" \
	    --category "$$CATEGORY" --music "$$MUSIC" --conf "$$CONF"

up: $(STAMP) ## the same Airflow and sandbox, kept up with their UI until Ctrl-C
	@$(BIN)/python -m tools.up

test: $(STAMP) ## unit, contract and integration tests, in parallel without ARGS: ARGS= WORKERS=
	$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

quick: $(STAMP) ## the pure unit tests: seconds
	$(BIN)/python -m pytest -q tests/unit --ignore=tests/unit/sandbox -m "not slow and not media" $(ARGS)

test-airflow: ## the same tests with another Airflow, in an environment of its own: AIRFLOW= PYTHON= ARGS= TARGET=
	@mkdir -p build
	@{ echo "# $$($(PYTHON) -V)"; sed -E '/^(apache-airflow|svcs)/d; s/^($(OLDER_TOO))==/\1<=/' constraints.txt; \
	    printf 'apache-airflow==$(AIRFLOW)\nsvcs<26\n'; } >$(WANTED).new
	@cmp -s $(WANTED).new $(WANTED) || { rm -rf $(OTHER) && cp $(WANTED).new $(WANTED); }
	@$(MAKE) --no-print-directory $(or $(TARGET),test) VENV=$(OTHER) CONSTRAINTS=$(WANTED)

test-lowest: ## the unit tests with the lowest allowed versions, and nothing undeclared installed: PYTHON=python3.10
	@$(MAKE) --no-print-directory test VENV=.venv-lowest CONSTRAINTS=constraints-lowest.txt EXTRAS=sandbox,test \
	    ARGS="tests/unit $(ARGS)"

test-system: $(STAMP) ## tests against a real Airflow: an hour, or a quarter of one with ARGS="-m core": ARGS= STACKS=
	$(BIN)/python -m pytest tests/system -n $(STACKS) --dist loadgroup $(ARGS)

test-celery: $(STAMP) ## Airflow on Celery with PostgreSQL, Redis and S3: ten minutes, 3 with ARGS="-m core", half an hour with ALL=1: ARGS= ALL=
	@for server in postgresql redis-server; do dpkg -s $$server >/dev/null 2>&1 || \
	    { [ "$$(id -u)" -eq 0 ] && apt-get install -y --no-install-recommends $$server >/dev/null; } || \
	    echo "$$server is not installed by apt, and only root can do that" >&2; done
	VIDAI_TEST_BACKEND=celery $(BIN)/python -m pytest tests/system/test_celery$(if $(ALL),*).py $(ARGS)

test-browser: $(VENV)/.browser ## the pages that Airflow's UI shows, in a real browser (chromium): ARGS=
	$(BIN)/python -m pytest tests/browser $(ARGS)

$(VENV)/.browser: EXTRAS := dev,browser
$(VENV)/.browser: $(STAMP)
	@$(INSTALL)
	@touch $@

explore: $(STAMP) ## every schedule of two tries with two faults, and all kills: an hour
	VIDAI_EXPLORE=1 $(BIN)/python -m pytest -n $(shell getconf _NPROCESSORS_ONLN) tests/unit/test_schedules.py \
	    tests/unit/test_reuse.py $(ARGS)
	VIDAI_EXPLORE=1 $(BIN)/python -m pytest tests/integration/test_batch_kills.py \
	    tests/integration/test_until_kills.py $(ARGS)

soak: $(STAMP) ## a night of faults and kills in a quarter of an hour: JOBS=
	VIDAI_SOAK_JOBS=$(or $(JOBS),100) $(BIN)/python -m pytest tests/system/test_soak.py -s $(ARGS)

lint: $(STAMP) ## style, types and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p airflow_provider_vidai -p tools
	$(BIN)/mypy --explicit-package-bases tests dags
	$(BIN)/lint-imports

format: $(STAMP) ## reformat the code and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.docs ## the documentation site in build/site; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

$(VENV)/.docs: $(STAMP)
	@$(PIP_INSTALL) -c $(CONSTRAINTS) -e '.[dev,docs]'
	@touch $@

package-check: $(VENV)/.package ## wheel and sdist: contents, metadata, links, and an installation of its own
	$(BIN)/python -m tools.package

image-check: $(STAMP) ## what the Dockerfile in deploy/ installs, in an environment of its own
	$(BIN)/python -m tools.image

# Tools that check a release.
$(VENV)/.package: $(STAMP)
	@$(PIP_INSTALL) -c $(CONSTRAINTS) -e '.[dev,release]'
	@touch $@

sbom: $(VENV)/.package ## a software bill of materials of the built wheel and its dependencies: build/sbom.cdx.json
	$(BIN)/python -m tools.package --sbom

audit: $(VENV)/.package ## look up known vulnerabilities in what an installation gets
	$(BIN)/python -m tools.package --audit

# A version with a b in it allows pre-releases of Airflow, and of no other package. There are no constraints for what
# comes next, and without them pip searches for a matching set for more than 20 minutes; uv finds one at once.
PRERELEASE ?= 3.4.0b1
test-prerelease: ## the unit tests with the newest pre-release of Airflow: PYTHON= ARGS=
	@rm -rf .venv-airflow-pre && $(PYTHON) -m venv .venv-airflow-pre
	@.venv-airflow-pre/bin/python -m pip install --disable-pip-version-check --quiet --only-binary :all: uv
	.venv-airflow-pre/bin/uv pip install --quiet --compile-bytecode --python .venv-airflow-pre/bin/python \
	    'apache-airflow>=$(PRERELEASE)' -e '.[dev]'
	.venv-airflow-pre/bin/python -m pytest -n $(or $(filter-out 0,$(WORKERS)),2) --dist worksteal \
	    tests/unit tests/integration/test_dag_run.py $(ARGS)

clean: ## remove everything that was built, downloaded or recorded
	rm -rf $(VENV) .venv-airflow-* .venv-lowest .airflow dist build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): pyproject.toml $(CONSTRAINTS)
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: install Python 3.10 to 3.14, or name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' || { \
	    echo "Python 3.10 to 3.14 is needed (Airflow 3.1: to 3.13); $(PYTHON) is $$($(PYTHON) -V 2>&1). Name another: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "$(PYTHON) has no venv module (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@echo "Installing into $(VENV): about a minute, once"
	@$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	@$(INSTALL)
	@touch $@
