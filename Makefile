# Everything that a fresh machine needs is set up by the first target that needs it; `make` lists them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.SUFFIXES:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

ARGS ?=
WORKERS ?= 2

# The virtual environment is ready for one place and one list of packages: it holds absolute paths,
# so a checkout that was moved or copied gets a new one.
READY := .venv/ready-$(shell pwd -P | cksum | cut -d' ' -f1)
ifneq ($(shell test -x .venv/bin/python && echo yes),yes)
.PHONY: $(READY)
endif

.PHONY: help
help: ## list what can be made
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  \1\t\2/p' Makefile | expand -t 14

.PHONY: grade
grade: $(READY) cage ## grade every assignment, or one: make grade ASSIGNMENT=slug ARGS='--student 98123456'
	@exec .venv/bin/grader grade $${ASSIGNMENT:+"$$ASSIGNMENT"} $(ARGS)

.PHONY: check
check: $(READY) ## check a notebook of one's own: make check NB=path/to/notebook.ipynb
	@if [[ -z "$${NB:-}" ]]; then
	    echo "Which notebook? For example: make check NB=homework.ipynb" >&2
	    exit 2
	fi
	exec .venv/bin/grader check "$$NB" $(ARGS)

.PHONY: test
test: $(READY) cage ## run the tests; those in a browser where Chromium is found, or always with BROWSER=1
	@selected=()
	browser() { command -v chromedriver && { command -v chromium || command -v google-chrome; }; }
	if [[ "$${BROWSER:-}" != 1 ]] && ! browser >/dev/null; then
	    echo "No Chromium with its driver here: the browser tests are left out." >&2
	    selected=(-m 'not browser')
	elif [[ "$${BROWSER:-}" == 0 ]]; then
	    selected=(-m 'not browser')
	fi
	export OMP_NUM_THREADS=1 # the workers are the parallelism
	exec .venv/bin/python -m pytest -n $(WORKERS) "$${selected[@]}" $(ARGS)

.PHONY: lint
lint: $(READY) ## check formatting, style, types and the layers
	@.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo

.PHONY: audit
audit: $(READY) cage ## prove the checks of every assignment, or one: make audit ASSIGNMENT=slug; figures go to docs/audit.md
	@status=0
	.venv/bin/grader audit $${ASSIGNMENT:+"$$ASSIGNMENT"} $(ARGS) || status=$$?
	if (( status < 2 )); then
	    .venv/bin/python -m bench.audits
	fi
	exit $$status

.PHONY: bench
bench: $(READY) cage ## measure what grading costs beyond the student's own cells
	@exec .venv/bin/python bench/overhead.py $(ARGS)

.PHONY: setup
setup: $(READY) cage ## set up the environment and nothing else
	@:

.PHONY: clean
clean: ## remove the environment and all caches; reports stay
	@$(lock)
	rm -rf .venv build dist *.egg-info
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---------------------------------------------------------------- set-up

# Two makes at once: the second waits here, and then finds the work done.
define lock
exec 9>.venv.lock
if ! flock --nonblock 9; then
    echo "Another make is setting up here: waiting for it." >&2
    flock 9
fi
endef

define apt_install
apt_install() {
    [[ $$(id -u) == 0 ]] && command -v apt-get >/dev/null || return 1
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120)
    "$${apt[@]}" update </dev/null >&2 || return 1
    "$${apt[@]}" install --yes --no-install-recommends "$$@" </dev/null >&2
}
endef

# `.venv/unfinished` stands while pip works. Whoever finds it finds what an interruption left, and
# starts anew. When pip itself gives up (no network, say) the environment stays and is tried again.
$(READY): pyproject.toml constraints.txt
	@$(lock)
	$(apt_install)
	works() { [[ -x .venv/bin/python ]] && .venv/bin/python -c '' 2>/dev/null; }
	if [[ $@ -nt pyproject.toml && $@ -nt constraints.txt && ! -e .venv/unfinished ]] && works; then
	    exit 0
	fi
	if [[ -e .venv/unfinished ]] || ! works || { [[ ! -e $@ ]] && compgen -G '.venv/ready-*' >/dev/null; }; then
	    rm -rf .venv
	fi
	if [[ ! -e .venv ]]; then
	    # The first of the PATH, but one in a library of its own (`--enable-shared`) only where there
	    # is no other: it grades a fifth slower.
	    alone='import ensurepip, venv, sys; sys.exit("libpython" in open("/proc/self/maps").read())'
	    python=
	    mapfile -t found < <(type -aP python3 python3.14 python3.13 python3.12 python3.11)
	    for candidate in $${PYTHON:-} "$${found[@]}"; do
	        "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
	        python=$${python:-$$candidate}
	        if [[ $$candidate == "$${PYTHON:-}" ]] || "$$candidate" -c "$$alone" 2>/dev/null; then
	            python=$$candidate
	            break
	        fi
	    done
	    if [[ -z $$python ]]; then
	        echo "Karnameh needs Python 3.11 or newer, and none was found." >&2
	        echo "On Debian or Ubuntu: apt-get install python3 python3-venv" >&2
	        echo "A Python elsewhere is named so: make setup PYTHON=/path/to/python3" >&2
	        exit 1
	    fi
	    package=$$("$$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
	    if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null && ! apt_install "$$package"; then
	        echo "This Python cannot make virtual environments: its venv package is missing." >&2
	        echo "On Debian or Ubuntu, as root: apt-get install $$package" >&2
	        exit 1
	    fi
	    mkdir .venv
	    touch .venv/unfinished
	    "$$python" -m venv .venv >&2
	fi
	if [[ -e $@ ]]; then
	    quiet=--quiet
	    echo "Bringing .venv up to date." >&2
	else
	    quiet=
	    echo "Setting up .venv; the first time this takes some minutes." >&2
	fi
	touch .venv/unfinished
	rm -f .venv/ready-*
	interrupted=
	trap 'interrupted=yes' HUP INT TERM
	install() {
	    .venv/bin/python -m pip --disable-pip-version-check --no-input install $$quiet \
	        -c constraints.txt "$$@" </dev/null >&2
	}
	if ! { install $$(grep -E '^(setuptools|torch)==' constraints.txt) \
	       && install --no-build-isolation --editable '.[dev]'; }; then
	    [[ -n $$interrupted ]] || rm -f .venv/unfinished
	    echo "The packages could not be installed; what pip says is above. The next make tries again." >&2
	    exit 1
	fi
	touch $@
	rm .venv/unfinished

.PHONY: cage
cage: $(READY) ## install bubblewrap, which student code is caged with (as root, on Debian)
	@if command -v bwrap >/dev/null; then exit 0; fi
	$(lock)
	$(apt_install)
	if [[ ! -e .venv/no-bubblewrap ]] && { command -v bwrap >/dev/null || apt_install bubblewrap; }; then
	    exit 0
	fi
	touch .venv/no-bubblewrap
	echo "bubblewrap is missing and could not be installed from here." >&2
	echo "Without it student code cannot be caged, and batch grading refuses to run it." >&2
	echo "On Debian or Ubuntu, as root: apt-get install bubblewrap" >&2
	echo "After that, 'grader doctor' says whether this machine is fit to grade." >&2
