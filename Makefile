# `make` lists the targets. All set-up is done by the target that needs it.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
unexport VIRTUAL_ENV
unexport PYTHONPATH
unexport PYTHONHOME

# make demo VIDEO=file.mp4 LINE='[[0.5, 1], [0.5, 0]]' takes another video than the sample, and counts who crosses this line
VIDEO ?=
LINE ?=
# make test-matrix SUITES='trixie forky' takes these releases of Debian
SUITES ?=
# make walk-tutorials TUTORIALS='door probe' walks these
TUTORIALS ?=
# make test ARGS='-k crop -x' hands arguments to pytest
ARGS ?=
# make wild COUNT=1000 tries so many inputs in each test
COUNT ?= 20000
# make test-publish DOCUMENTS=5000 sends so many to each destination
DOCUMENTS ?= 100000
PIP = python -m pip install --quiet --disable-pip-version-check --no-input
# warnings are errors, and so is a name in the docstrings that leads nowhere; what tools/pages makes is as it makes it
BUILD_DOCS = python tools/pages --check && python -m sphinx -q -n -W --keep-going docs build/docs

.PHONY: help demo studio test test-slow-path test-workers wild test-publish test-gpu test-matrix walk-tutorials check bench deb container docs release format setup clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## find people in a real video, follow, count and draw them (VIDEO=file.mp4 for one of yours)
	@tools/setup.sh demo
	@tools/demo.sh "$(VIDEO)" "$(LINE)"

studio: ## the same in a live page for your browser, whose address is printed (VIDEO=, LINE=, ARGS=--open opens it)
	@tools/setup.sh demo
	@tools/demo.sh --studio "$(VIDEO)" "$(LINE)" $(ARGS)

test: setup ## run the tests, a process for each core (ARGS='-k name -x' goes to pytest; -n 0 is one process)
	@tools/test.sh $(ARGS)

test-slow-path: setup ## the tests of the elements again, where buffers come by PyGObject (EMPYCUSTOM_FAST_PATH=off)
	@tools/test.sh slow-path $(ARGS)

test-workers: setup ## the tests of what libraries get and return again, where they run in a worker (workers=1)
	@tools/test.sh workers $(ARGS)

wild: setup ## the tests of wild inputs with COUNT=20000 of them each, others each time (ARGS='-k options' goes to pytest)
	@EMPYCUSTOM_WILD=$(COUNT) tools/test.sh tests/wild $(ARGS)

test-publish: setup ## DOCUMENTS=100000 documents through each destination: none is missing, all in order; and how fast (minutes)
	@EMPYCUSTOM_DOCUMENTS=$(DOCUMENTS) python -m pytest -q -s -n 0 tests/publish/test_many_documents.py $(ARGS)

test-gpu: ## all tests about GPU memory; those that need a GPU are skipped, with the reason, where there is none (150 MB)
	@tools/setup.sh gpu
	@python -m pytest -rs tests/nvmm tests/gpu $(ARGS)

test-matrix: ## all tests on GStreamer 1.22, 1.26 and 1.28 (Debian 12, 13, testing; SUITES=trixie for one; root, 3 GB each)
	@tools/test_matrix.sh $(SUITES) -- $(ARGS)

walk-tutorials: ## type the tutorials as printed, each in a fresh root file system of Debian (TUTORIALS='door probe'; root, 4 GB)
	@tools/walk_tutorials.sh $(TUTORIALS)

bench: ## what a buffer costs, here and in other ways (ARGS='--quick', '--only pixels', '--against COMMIT', '--help')
	@tools/setup.sh bench
	@python -m benchmarks $(ARGS)

check: setup ## format, lint, strict types, documentation and tests: what has to pass before a commit
	@ruff format --check .
	@ruff check .
	@mypy
	@basedpyright --version >/dev/null 2>&1 || $(PIP) --editable '.[pyright]'
	@basedpyright -p tests/typed
	@python tools/declare.py --check
	@$(BUILD_DOCS)
	@tools/test.sh
	@tools/test.sh slow-path

release: ## check, build twice, install and try the last commit, into dist/ (ARGS=--tag makes the tag, too)
	@python3 tools/release.py $(ARGS)

deb: ## the Debian package, built and tried in Debian 13, into dist/ (root, 2 GB; ARGS=forky is another release)
	@tools/deb.sh $(ARGS)

container: ## the steps of packaging/Containerfile and compose.yaml without a registry, and tries of both (root, 2 GB)
	@tools/setup.sh dev
	@tools/container.sh

docs: ## the documentation, into build/docs/index.html
	@tools/setup.sh docs
	@$(BUILD_DOCS)
	@echo "build/docs/index.html is written"

docs-pictures: setup docs ## a picture of each page in build/pages, wide and narrow, and what does not fit (ARGS='howto' for some)
	@python tools/site_pictures.py $(ARGS)

docs-links: ## every link of the pages that leads elsewhere, and whether it answers (needs the internet)
	@tools/setup.sh docs
	@python -m sphinx -q -b linkcheck docs build/links 2>/dev/null; state=$$?; cat build/links/output.txt; exit $$state

format: setup ## write the code the way `check` wants it
	@python tools/declare.py
	@python tools/pages
	@ruff format .
	@ruff check --fix .

setup: ## system packages (apt), .venv, the project in it with what tests need
	@tools/setup.sh dev

clean: ## remove what the targets made; the sample video stays in .cache
	rm -rf .venv demo-output benchmarks/results dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find benchmarks examples src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
