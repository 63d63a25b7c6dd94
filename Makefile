PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: install demo test lab lock clean

# What the others need; they call it by themselves.
install: $(READY)

demo: $(READY)
	$(BIN)/lab demo

# Tests run beside each other, a thread each. With ALL=1 the long ones too, which drive browsers
# (one after another) and kill.
test: $(READY)
	$(BIN)/ruff check .
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadgroup $(if $(ALL),,-m "not long")

lab: $(READY)
	$(BIN)/jupyter lab --ServerApp.root_dir="$(CURDIR)" --LabApp.default_url=/lab/tree/notebooks/00_quickstart.ipynb

# The lock pins what the tests ran with; pyproject.toml says what is needed.
$(READY): pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --progress-bar off -c requirements.lock -e '.[dev]'
	touch $@

lock: $(READY)
	$(BIN)/python -m pip list --format=freeze --exclude-editable --exclude pip --exclude setuptools | sed "s/+cpu$$//" > requirements.lock

clean:
	rm -rf $(VENV) data/work data/out
