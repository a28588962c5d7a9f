# The two commands: `make run` does the main job, `make test` proves it. All they install is in .venv/.

VENV := .venv
BIN := $(VENV)/bin
REPORT ?= reports/{date}-session-{session}.html

# The newest Python that the pinned libraries support.
PYTHON ?= $(shell for name in python3.12 python3.11 python3; do \
	if $$name -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null; \
	then echo $$name; break; fi; done)

# What OpenCV, MediaPipe, Qt and WeasyPrint need from the system, by Debian's names.
SYSTEM_PACKAGES := libgl1 libegl1 libglib2.0-0 libdbus-1-3 libfontconfig1 libxkbcommon-x11-0 \
	libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-render-util0 libxcb-xinerama0 libxcb-shape0 \
	libpulse-mainloop-glib0 libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0

# An NVIDIA driver is there: the emotion network runs on the GPU.
GPU := $(if $(wildcard /proc/driver/nvidia/version /usr/lib/wsl/lib/nvidia-smi),gpu)

# Tests start Python by the hundred, so compiled modules are kept; -O would strip the tests' assertions.
unexport PYTHONDONTWRITEBYTECODE PYTHONOPTIMIZE

.PHONY: run train-setup hub-setup dev-setup test test-first-half test-second-half test-windows test-training test-slow soak lint docs pictures languages bench samples audit fuzz dist sbom clean
.DELETE_ON_ERROR:

run: $(VENV)/.run
	@mkdir -p $(dir $(REPORT))
	$(BIN)/ad-monitor run --report '$(REPORT)'

# What training, evaluating and promoting models needs on top: TensorFlow and Keras, 2 GB.
train-setup: $(VENV)/.python
	$(call install,training)

# What a hub of many screens needs on top: PostgreSQL's driver, DuckDB, Apprise.
hub-setup: $(VENV)/.python
	$(call install,hub)

# What one test needs on top: pytest and its helpers. `make test` installs the rest as well.
dev-setup: $(VENV)/.python
	$(call install,dev)

PYTEST = $(BIN)/python -m pytest
HALF = $(PYTEST) -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0
WINDOW_TESTS = tests/unit/monitor/ui tests/media
TRAINING_TESTS = tests/unit/training tests/unit/detector/emotion tests/unit/tools/test_shipped_model.py
# The tests of tests/end2end, which take and wait longest, and as many others as make it half.
FIRST_HALF = tests/end2end tests/fuzz tests/unit/ads tests/unit/db
# Many tests wait, so five processes keep two cores busy. Each worker first reads all tests of its
# run, for seconds: in two runs of two workers this takes half as long as in one run of four. Keras,
# which takes seconds to load, is needed in one run only; and Qt crashed at times beside other native
# libraries.
test: $(VENV)/.dev
	@echo "Checking style and types, and running all tests; what they say follows in minutes ..."
	@$(MAKE) --no-print-directory -j3 --output-sync=target \
		test-first-half test-second-half test-training test-windows lint

test-first-half: $(VENV)/.dev
	$(HALF) $(FIRST_HALF)

test-second-half: $(VENV)/.dev
	$(HALF) $(addprefix --ignore=,$(FIRST_HALF) $(WINDOW_TESTS) $(TRAINING_TESTS))

test-windows: $(VENV)/.dev
	$(PYTEST) -n 1 --max-worker-restart 0 $(WINDOW_TESTS)

test-training: $(VENV)/.dev
	$(PYTEST) $(TRAINING_TESTS)

test-slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m slow --timeout 900
	$(BIN)/python -m pytest -m 'hypothesis and not slow' --hypothesis-profile full --timeout 900

# An hour of the kiosk, then a hundred kills, then a hub among faults for half an hour; for days: make soak MINUTES=4320
MINUTES ?= 60
KILLS ?= 100
SOAK ?= /var/tmp/ad-monitor-soak
soak: $(VENV)/.dev
	$(BIN)/python tests/soak/hours.py --minutes $(MINUTES) --folder $(SOAK)/hours
	$(BIN)/python tests/soak/kills.py --kills $(KILLS) --folder $(SOAK)/kills
	$(BIN)/python -m tests.soak.hub_chaos --folder $(SOAK)/hub
	$(BIN)/python -m tests.soak.hub_shows --folder $(SOAK)/shows

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	# It reads files and writes its marks in the machine's encoding, which may have none of them.
	PYTHONUTF8=1 $(BIN)/lint-imports --no-cache

# The documentation as a site, in site/: open site/index.html. Broken links and missing pages fail.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --clean

# The pictures of the documentation, taken again from the running program; needs Xvfb and Chromium.
pictures: $(VENV)/.dev
	$(BIN)/python -m tools.pictures

# Update the catalogues of the languages from the texts in code and templates, and list what lacks.
languages: $(VENV)/.run
	$(BIN)/python -m tools.languages

bench: $(VENV)/.dev
	$(BIN)/ad-monitor bench
	$(BIN)/python -m benchmarks.pipeline

# The bundled ads and the demo viewer, made anew by the project's own scripts.
samples: $(VENV)/.dev
	$(BIN)/python -m tools.sample_ads.make_samples
	$(BIN)/python -m tools.make_viewer

# Wheel and sdist in dist/, checked, and the wheel tried in an empty environment.
dist: $(VENV)/.release
	rm -rf build dist/*.whl dist/*.tar.gz
	$(BIN)/python -m build --outdir dist .
	$(BIN)/twine check --strict dist/*.whl dist/*.tar.gz
	AD_MONITOR_TEST_DIST='$(CURDIR)/dist' $(BIN)/python -m pytest -m slow tests/end2end/test_wheel.py

# All parts of a kiosk and a hub, as CycloneDX, in dist/sbom.json.
sbom: $(VENV)/.release
	$(BIN)/python -m tools.sbom dist/sbom.json hub

# Published holes in the installed libraries (asks the advisory database over the network), their licences, our own code.
audit: $(VENV)/.dev
	$(PIP) 'pip-audit>=2.7'
	$(BIN)/python -m pytest tests/unit/test_licences.py tests/unit/test_safe_code.py
	$(BIN)/pip-audit --progress-spinner off --skip-editable

# Every parser for FUZZ_MINUTES, one after the other; guided by coverage where atheris can be installed.
FUZZ_MINUTES ?= 10
FUZZ_TARGETS ?= playlist zones audience dataset web messages card
fuzz: $(VENV)/.dev
	-$(PIP) 'atheris>=2.3'
	@for target in $(FUZZ_TARGETS); do \
		nice $(BIN)/python -m tests.fuzz $$target --minutes $(FUZZ_MINUTES) || exit 1; done
	nice $(BIN)/python -m tests.fuzz media --count 40

$(VENV)/.release: $(VENV)/.dev
	$(call install,release)
	@touch $@

clean:
	rm -rf .fuzz site $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.system: Makefile
	@mkdir -p $(VENV)
	@missing=""; \
	if command -v dpkg-query >/dev/null; then \
		for package in $(SYSTEM_PACKAGES); do \
			dpkg-query -W -f '$${Status}\n' $$package $${package}t64 2>/dev/null | grep -q 'ok installed' \
				|| missing="$$missing $$package"; \
		done; \
		"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || missing="$$missing python3-venv"; \
	fi; \
	if [ -n "$$missing" ]; then \
		sudo=""; [ "$$(id -u)" = 0 ] || sudo="sudo -n"; \
		if command -v apt-get >/dev/null && $$sudo true 2>/dev/null; then \
			echo "Installing system libraries:$$missing"; \
			{ $$sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq \
				--no-install-recommends $$missing >/dev/null; } \
			|| { [ -e $(VENV)/.run ] && echo "They could not be installed; going on without them."; } || exit 1; \
		else \
			echo "Please install these system libraries, then run make again:$$missing"; exit 1; \
		fi; \
	fi
	@touch $@

$(VENV)/.python: | $(VENV)/.system
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 or 3.12 is needed: install it, or name it with PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

# Install the project with the extras in $(1). Without a network, what is already there is used.
define install
	@echo "Installing the Python packages$(if $(1), ($(strip $(1)))) ..."
	@$(BIN)/python tools/requirements.py $(1) > $(VENV)/requirements.txt
	@{ $(PIP) --no-warn-conflicts -r $(VENV)/requirements.txt \
		&& $(PIP) --no-deps $$($(BIN)/python tools/requirements.py --alone) -e .; } \
	|| { $(BIN)/python -c 'import monitor.cli, mediapipe' 2>/dev/null \
		&& echo "The packages could not be updated; going on with those that are installed."; }
endef
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --timeout 60 --retries 8

$(VENV)/.run: setup.cfg pyproject.toml tools/requirements.py $(VENV)/.python
	$(call install,$(GPU))
	@touch $@

$(VENV)/.docs: setup.cfg pyproject.toml tools/requirements.py $(VENV)/.python
	$(call install,docs hub)
	@touch $@ $(VENV)/.run

$(VENV)/.dev: setup.cfg pyproject.toml tools/requirements.py $(VENV)/.python
	$(call install,dev cluster docs hub postgresql training)
	@touch $@ $(VENV)/.run $(VENV)/.docs
