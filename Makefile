# make sweep   install, get Fashion-MNIST, run a small sweep and show its leaderboard
# make check   install, lint, types, import contracts, unit and contract tests
# make test    install, get Fashion-MNIST, run every check and test, in TEST_WORKERS processes
# make test-next   the engine's tests and ten commands with pre-releases of Hydra, OmegaConf, Optuna and MLflow
# make matrix  the quick suite with other Pythons and other versions of the libraries; .ci/matrix ROW runs one row
# make bench   install, get Fashion-MNIST, run the benchmarks of benchmarks/RESULTS.md (up to 50 minutes on two cores)
# make bench-search   regret of searches on tasks with known learning curves (up to 15 minutes on two cores)
# make example  install, type the worked example of docs/pictures.md
# make docs    install what builds them, and build the documents into build/site
.DEFAULT_GOAL := help
.PHONY: help install data sweep example check test test-next matrix lint bench bench-search docs

PYTHON ?= python3
BIN := .venv/bin
# One more than the cores: some tests wait. Each takes up to 2 GB of memory.
TEST_WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN); echo $$((n < 7 ? n + 1 : 8)))
INSTALLED := .venv/.installed
# Where the loaders look for data sets; see conf/data.
export DENSENET_SWEEP_DATA ?= data

help:
	@sed -n 's/^# make /make /p' Makefile

install: $(INSTALLED)

$(INSTALLED): pyproject.toml engine/pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "make: Python 3.11 or newer is needed; name one with PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "make: on Debian and Ubuntu, apt-get install python3-venv"; exit 1; }
	@echo "Installing into .venv (PyTorch is large: some minutes, 6 GB) ..."
	@$(BIN)/pip install -qq --disable-pip-version-check -c constraints.txt -e engine -e '.[dev]'
	@touch $@

# The loader looks in the data root and the system folder and then downloads; where that fails, Debian's package is
# unpacked, for which nobody needs to be root.
data: $(INSTALLED)
	@echo "Looking for Fashion-MNIST ..."
	@$(BIN)/python -m densenet_sweep.data.fetch fashion_mnist $(DENSENET_SWEEP_DATA) 2>/dev/null \
	  || .ci/unpack-fashion-mnist $(DENSENET_SWEEP_DATA)

sweep: data
	$(BIN)/densenet-sweep sweep=quickstart

example: $(INSTALLED)
	@.ci/example

lint: $(INSTALLED)
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint
	$(BIN)/pytest -q -n $(TEST_WORKERS) tests/unit tests/contract engine/tests/unit engine/tests/contract

# The slow ones come first in the alphabet, and the units fill the end. A process has one thread, and those that wait for each
# other sleep: where trainings share cores, spinning costs more than half of the time.
test check: export OMP_NUM_THREADS ?= 1
test check: export OMP_WAIT_POLICY ?= PASSIVE
test: data lint
	$(BIN)/pytest -q -n $(TEST_WORKERS) --dist loadgroup --no-loadscope-reorder --durations=10

test-next: $(INSTALLED)
	@.ci/next

matrix: $(INSTALLED)
	@.ci/matrix

bench: data
	$(BIN)/python benchmarks/training_throughput.py --minutes 10
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/packing.py --case bc16_k12
	$(BIN)/python benchmarks/precision.py
	$(BIN)/python benchmarks/trial_overhead.py
	$(BIN)/python benchmarks/tracking_overhead.py
	$(BIN)/python benchmarks/shared_data.py
	$(BIN)/python benchmarks/search_efficiency.py --epochs 9
	$(BIN)/python benchmarks/sweep_scheduling.py --rounds 1
	$(BIN)/python benchmarks/shared_study.py --trials 1000
	$(BIN)/python benchmarks/time_to_accuracy.py --side ours careful --minutes 5 --table build/time_to_accuracy/bench-$$(date +%s).jsonl

# The synthetic tasks' package, without its dependencies: it wants another cloudpickle.
build/ifbo: $(INSTALLED)
	@$(BIN)/pip install -qq --disable-pip-version-check --no-deps --target $@ ifbo==0.4.1

bench-search: build/ifbo
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/search_regret.py

# The tree of documents as it is, so that links from page to page work in both places.
DOCUMENTS := README.md CONTRIBUTING.md CHANGELOG.md SECURITY.md CITATION.cff LICENSE docs engine/README.md benchmarks/*.md tests/browser/search.png

.venv/.docs: $(INSTALLED)
	@$(BIN)/pip install -qq --disable-pip-version-check -c constraints.txt -e engine -e '.[dev,docs]'
	@touch $@

docs: .venv/.docs
	@rm -rf build/documents && mkdir -p build/documents && cp --parents -r $(DOCUMENTS) build/documents
	$(BIN)/mkdocs build --strict --quiet
