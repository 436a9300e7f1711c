# Everything a newcomer needs, from nothing but Python and make. `make` alone lists the targets.

VENV := .venv
BIN := $(VENV)/bin
ARGS :=

# Without its bytecode the command line takes far longer to start, and another interpreter's packages
# have no business in this environment.
unexport PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHOME
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

.DEFAULT_GOAL := help
.PHONY: help demo test check format docs bench bench-peers simulate planted crash-points faults kill-cycles soak fuzz
.PHONY: pictures lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s%s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.runtime ## see it work: the whole job in one go, no server needed
	@$(BIN)/queuectl demo $(ARGS)

test: $(VENV)/.test ## run every test, in parallel; ARGS="-k words" picks some
	@$(BIN)/python -m tests.support.browser
	@$(BIN)/python -m tests.support.strace
	@$(BIN)/python -m pytest --numprocesses logical $(ARGS)

check: $(VENV)/.lint ## lint, layout, types and layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: $(VENV)/.lint ## mend what can be mended without thinking
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

docs: $(VENV)/.runtime ## write docs/cli.md from the commands
	@$(BIN)/python -m queuectl.cli.reference > $(VENV)/cli.md && mv $(VENV)/cli.md docs/cli.md

bench: $(VENV)/.test ## measure it beside its peers
	@$(BIN)/python -m tests.bench $(ARGS)

bench-peers: $(VENV)/.test ## measure it beside other task queues, each installed below build/
	@$(BIN)/python -m tests.bench.peers $(ARGS)

# What is given on the command line of make goes on as an option: SEED=7 as --seed 7.
given = $(foreach name,$(1),$(if $($(name)),--$(shell echo $(name) | tr A-Z a-z) $($(name))))

simulate: $(VENV)/.test ## run the core in virtual time; SEEDS=1..2000 TASKS=200, or SEED=17 to replay one
	@$(BIN)/python -m tests.simulation $(if $(SEED),$(SEED) --tell --whole,$(or $(SEEDS),1..2000)) \
	  $(call given,TASKS FAULTS WITHOUT JOBS)

planted: $(VENV)/.test ## plant bugs and see who finds them; ARGS="P1 P2" plants some
	@$(BIN)/python -m tests.faults.planted $(ARGS)

crash-points: $(VENV)/.test ## die at each system call in turn; SCENARIO=submit STRIDE=10 POINT=pwrite64:7
	@$(BIN)/python -m tests.support.strace
	@$(BIN)/python -m tests.faults.crash_points $(call given,SCENARIO STRIDE POINT)

faults: $(VENV)/.test ## make runs in which things break at random; RUNS=100 SEED=1 TASKS=1000 JOBS=2
	@$(BIN)/python -m tests.faults.chaos $(call given,RUNS SEED TASKS JOBS)

kill-cycles: $(VENV)/.test ## submit, work, kill -9, again; CYCLES=1000 SEED=1
	@$(BIN)/python -m tests.faults.endurance.cycles $(call given,CYCLES SEED)

soak: $(VENV)/.test ## load for an hour with a fault a minute; MINUTES=60 RATE=50 SEED=1
	@$(BIN)/python -m tests.faults.endurance.soak $(call given,MINUTES RATE SEED)

fuzz: $(VENV)/.test ## give the parsers made-up inputs; INPUTS=1000000 SEED=7
	@$(BIN)/python -m tests.fuzz $(call given,INPUTS SEED)

# The pinned files hold for every supported Python and platform, and name no address and no folder.
COMPILE = $(BIN)/uv pip compile --no-config --system-certs --quiet --universal --python-version 3.11 --generate-hashes \
  --no-header --no-annotate $(ARGS)
PINNED := requirements
PEERS := tests/bench/peers

pictures: $(VENV)/.test ## draw the pictures of the README from the real commands
	@$(BIN)/python -m tests.pictures

lock: $(VENV)/.lock ## pin what pyproject.toml asks for; ARGS=--upgrade takes the newest
	$(COMPILE) pyproject.toml --extra pdf --output-file $(PINNED)/runtime.txt
	$(COMPILE) --group test --constraints $(PINNED)/runtime.txt --output-file $(PINNED)/test.txt
	$(COMPILE) --group lint --constraints $(PINNED)/runtime.txt --constraints $(PINNED)/test.txt \
	  --output-file $(PINNED)/lint.txt
	$(COMPILE) --group build --constraints $(PINNED)/lint.txt --output-file $(PINNED)/build.txt
	$(COMPILE) --group lock --output-file $(PINNED)/lock.txt
	for each in $(PEERS)/*.in; do $(COMPILE) $$each --output-file $${each%.in}.txt || exit 1; done

clean: ## remove the environment and what the tools left behind
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage htmlcov
	find queuectl daemon tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Each file below stands for a finished step, so that a second call has nothing to do. An environment
# that is there already and works is kept.
INSTALL := $(BIN)/python -m pip install --quiet --require-virtualenv

$(VENV)/.created:
	@if ! $(BIN)/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	  found=; \
	  for each in $(PYTHON) python3.13 python3.12 python3.11 python3 python; do \
	    "$$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	    found=$$each; \
	    "$$each" -c 'import ensurepip, venv' 2>/dev/null || continue; \
	    echo "creating $(VENV) with $$("$$each" --version)"; \
	    rm -rf $(VENV) && "$$each" -m venv $(VENV) && touch $@ && exit 0; \
	    exit 1; \
	  done; \
	  if [ -n "$$found" ]; then \
	    echo "$$found has no venv module; on Debian and Ubuntu: apt-get install python3-venv" >&2; \
	  else \
	    echo "queuectl needs Python 3.11 or newer, and none is on the PATH; name one: make PYTHON=/path/to/python3" >&2; \
	  fi; \
	  exit 1; \
	fi
	@touch $@

$(VENV)/.runtime: $(VENV)/.created $(PINNED)/runtime.txt $(PINNED)/build.txt pyproject.toml
	@echo "installing queuectl into $(VENV)"
	@$(INSTALL) --require-hashes --requirement $(PINNED)/build.txt
	@$(INSTALL) --require-hashes --no-build-isolation --requirement $(PINNED)/runtime.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q queuectl daemon
	@touch $@

$(VENV)/.test $(VENV)/.lint: $(VENV)/.%: $(VENV)/.runtime $(PINNED)/%.txt
	@echo "installing what make needs for this: $(PINNED)/$*.txt"
	@$(INSTALL) --require-hashes --requirement $(PINNED)/$*.txt
	@touch $@

# Type checks read the tests too, so their libraries must be there.
$(VENV)/.lint: $(VENV)/.test

$(VENV)/.lock: $(VENV)/.created $(PINNED)/lock.txt
	@$(INSTALL) --require-hashes --requirement $(PINNED)/lock.txt
	@touch $@
