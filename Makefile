# `make run` starts the app, `make check` is the fast loop, `make test` is all of CI, `make bench` measures speed. Each
# sets up .venv/ by itself.
# `make faults` damages, kills, fills and crowds (an hour); `make audit` asks whether a pinned package has a known hole.
PORT ?= 8501
HOST ?= localhost
HEADLESS ?=
ARGS ?=
CODE := $(wildcard explorer pages tests)
TYPED := explorer $(if $(wildcard pages/*.py),pages)
PY := .venv/bin/python
# Compiled tests are kept, also where the environment says otherwise: it saves each worker some seconds.
export PYTHONDONTWRITEBYTECODE :=
# A worker for each core; tests/conftest.py says which tests stay together on one, and which come first.
PYTEST := $(PY) -m pytest -n logical --maxprocesses 8 --dist loadscope --no-loadscope-reorder

# Installs the requirement files $2… into .venv and remembers them in .venv/.ready-$1.
# Nothing happens when that memory is fresh; a broken or half-made environment is made anew.
define SETUP
set -euo pipefail
goal=$$1; shift
ready=.venv/.ready-$$goal
half=.venv/.unfinished

say() { echo "[setup] $$*" >&2; }
fail() { echo "[setup] Error: $$*" >&2; exit 1; }
fresh() {
    [ ! -e "$$half" ] && cat "$$@" | cmp -s - "$$ready" &&
        .venv/bin/python -c 'import importlib.util as u, sys; sys.exit(not (u.find_spec("streamlit") and u.find_spec("torch")))' 2>/dev/null
}
supported() { "$$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; }
find_python() {
    local candidate without_venv=
    for candidate in "$${PYTHON:-}" python3.11 python3.12 python3 python /usr/bin/python3.11 /usr/bin/python3; do
        [ -n "$$candidate" ] && supported "$$candidate" || continue
        if "$$candidate" -c 'import ensurepip, venv' 2>/dev/null; then command -v "$$candidate"; return; fi
        without_venv=$${without_venv:-$$candidate}
    done
    [ -n "$$without_venv" ] || fail "no Python 3.11 or 3.12 found. Install one (Debian: apt-get install python3.11 python3.11-venv) or name it: PYTHON=/path/to/python3.11 make $$goal"
    local package; package=$$("$$without_venv" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "$$without_venv lacks the venv module: installing $$package"
        { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$$package"; } >&2 ||
            fail "could not install $$package. Install it by hand, then run make $$goal again."
        command -v "$$without_venv"
    else
        fail "$$without_venv lacks the venv module. Install $$package (Debian: sudo apt-get install $$package), then run make $$goal again."
    fi
}

fresh "$$@" && exit 0
exec 9<Makefile  # two makes at once take turns
if command -v flock >/dev/null; then flock -n 9 || { say "another make is setting up .venv, waiting for it"; flock 9; }; fi
fresh "$$@" && exit 0
trap 'exit 130' INT
trap 'exit 143' TERM

if [ -e "$$half" ] || ! supported .venv/bin/python || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    if [ -e .venv ] || [ -L .venv ]; then say ".venv is broken or half made: making it anew"; fi
    python=$$(find_python)
    rm -rf .venv
    mkdir .venv
    touch "$$half"
    say "creating .venv with $$python"
    "$$python" -m venv .venv || fail "could not create .venv with $$python"
fi
rm -f .venv/.ready-*
touch "$$half"
say "installing $$* (some minutes the first time)"
files=(); for file in "$$@"; do files+=(-r "$$file"); done
if ! .venv/bin/python -m pip install --disable-pip-version-check --no-input "$${files[@]}"; then
    rm -f "$$half"  # pip failed in good order and rolled back: the environment is as it was
    fail "pip could not install $$*: see above. Is the network there? Then run make $$goal again; nothing needs cleaning up."
fi
cat requirements.txt > .venv/.ready-run
cat "$$@" > "$$ready"
rm -f "$$half"
endef
export SETUP

.PHONY: run check test format bench faults audit
run:
	@bash -c "$$SETUP" setup run requirements.txt
	@exec $(PY) -m streamlit run explorer/app.py --server.port $(PORT) --server.address $(HOST) \
		--server.fileWatcherType none --server.showEmailPrompt false --browser.gatherUsageStats false \
		$(if $(filter-out 0 false no,$(HEADLESS)),--server.headless true)

define LINT
$(PY) -m ruff format --check $(CODE)
$(PY) -m ruff check $(CODE)
$(PY) -m mypy $(TYPED)
endef

# ARGS goes to pytest: make check ARGS='-k maps -x -n0'
check:
	@bash -c "$$SETUP" setup test requirements.txt tests/requirements.txt
	$(LINT)
	$(PYTEST) -m "not browser and not saelens and not slow" $(ARGS)

test:
	@bash -c "$$SETUP" setup test requirements.txt tests/requirements.txt
	@bash tests/browser.sh >/dev/null
	$(LINT)
	@export CHROMIUM="$$(bash tests/browser.sh)"; exec $(PYTEST) $(ARGS)

# The table of README: on an idle machine, about 15 minutes. make bench ARGS='steering sae_speed' measures some lines.
bench:
	@bash -c "$$SETUP" setup test requirements.txt tests/requirements.txt
	@export CHROMIUM="$$(bash tests/browser.sh)"; exec $(PY) tests/benchmarks/bench.py $(ARGS)

format:
	@bash -c "$$SETUP" setup test requirements.txt tests/requirements.txt
	$(PY) -m ruff check --fix-only $(CODE)
	$(PY) -m ruff format $(CODE)

# ARGS names scripts: make faults ARGS='kills disk'
faults:
	@bash -c "$$SETUP" setup test requirements.txt tests/requirements.txt
	@export CHROMIUM="$$(bash tests/browser.sh)"; exec $(PY) -m tests.faults $(ARGS)

# pip-audit has an environment of its own: what it needs is no part of the app.
AUDIT := pip-audit==2.10.1
audit:
	@bash -c "$$SETUP" setup run requirements.txt
	@[ -x .venv/audit/bin/pip-audit ] && [ "$$(cat .venv/audit/.ready 2>/dev/null)" = "$(AUDIT)" ] || { \
		rm -rf .venv/audit && $(PY) -m venv .venv/audit && \
		.venv/audit/bin/python -m pip install --quiet --disable-pip-version-check $(AUDIT) && \
		echo "$(AUDIT)" > .venv/audit/.ready; }
	@.venv/audit/bin/pip-audit --strict --no-deps --disable-pip -r requirements.txt
