# Two commands on a fresh machine: `make demo` and `make test`. Each sets up what it needs.

VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SCREEN := bash scripts/on_screen.sh

.PHONY: demo test slow lint types contract manifest wheel install-check check screenshots clean

demo: $(READY)
	$(SCREEN) $(BIN)/virtual-ihc demo --out demo

test: $(READY)
	OMP_NUM_THREADS=1 $(SCREEN) $(BIN)/python -m pytest --ignore tests/viewer --numprocesses 2 --dist loadscope $(PYTEST)
	$(SCREEN) $(BIN)/python -m pytest tests/viewer $(PYTEST)

slow: $(READY)
	$(SCREEN) $(BIN)/python -m pytest -m slow $(PYTEST)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

contract: $(READY)
	$(BIN)/lint-imports

manifest: $(READY)
	$(BIN)/npe2 validate napari-virtual-ihc

wheel: $(READY)
	$(BIN)/python -m build --outdir dist

install-check: wheel
	bash scripts/check_install.sh dist

check: lint types contract manifest

screenshots: $(READY)
	$(SCREEN) $(BIN)/python scripts/screenshots.py resources/screenshots
	$(SCREEN) $(BIN)/python scripts/screenshots_train.py resources/screenshots
	$(SCREEN) $(BIN)/python scripts/screenshots_diffusion.py resources/screenshots
	$(SCREEN) $(BIN)/python scripts/screenshots_review.py resources/screenshots

$(READY): pyproject.toml constraints.txt scripts/system_libraries.sh
	bash scripts/system_libraries.sh
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev --editable '.[all]'
	touch $(READY)

clean:
	rm -rf $(VENV) build dist demo
