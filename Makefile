# `make demo` and `make test` do all the set-up they need, in .venv; nothing is installed twice.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Threads that wait for work by spinning cost 3 to 9 times the whole on two cores.
export OMP_WAIT_POLICY := PASSIVE

.PHONY: demo test prove learn planted lint torture docs clean

demo: .venv/.train  ## the whole chain on sample_data, with a tiny built-in model
	rm -rf demo
	$(BIN)/gdp slice sample_data/trajectories -o demo/sliced --max-pixels 131072
	$(BIN)/gdp augment-errors demo/sliced -o demo/augmented
	$(BIN)/gdp validate demo/augmented -o demo/clean
	$(BIN)/gdp train demo/clean -o demo/run
	@echo
	@echo "demo/clean        the validated dataset (Parquet shards, manifest.json)"
	@echo "demo/run/adapter  the LoRA adapter; demo/run/loss.png its loss curve"
	@echo
	@echo "look at it:       $(BIN)/gdp view demo/clean"
	@echo "what is learned:  $(BIN)/gdp train demo/clean --show 1"
	@echo "the curves:       $(BIN)/gdp monitor demo/run --once"
	@echo "your own data:    README.md, \"Your own trajectories\""

test: .venv/.test  ## every test; browser tests where a Chromium can be had
	$(BIN)/python -m pytest -n 2 --dist loadfile

prove: .venv/.test  ## replay every kind of error in a live app, and print how true it is
	$(BIN)/python tests/replay/prove.py

planted: .venv/.test  ## plant every kind of defect into clean data; print what `gdp validate` finds
	cd tests && ../$(BIN)/python -m planted --write

learn: .venv/.test  ## does error correction teach recovery? recorded, trained, acted out in the live app
	$(BIN)/python -m benchmarks.learn

torture: .venv/.test  ## the long form of the fault tests
	GDP_TORTURE=1 $(BIN)/python -m pytest tests/test_faults.py tests/test_executor.py tests/test_executor_stages.py --timeout 3600

lint: .venv/.dev  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/.train  ## the generated parts of README.md and docs/
	$(BIN)/python docs/generate.py

clean:
	rm -rf .venv demo build dist

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.train: .venv/bin/python pyproject.toml constraints.txt
	@echo "installing into .venv, once; a few minutes (where torch comes with CUDA it is gigabytes) ..."
	$(PIP) --editable '.[train,view]'
	touch $@

.venv/.test: .venv/.train
	$(PIP) --editable '.[train,view,test]'
	sh tests/install_browser.sh
	touch $@

.venv/.dev: .venv/.train
	$(PIP) --editable '.[train,view,test,dev]'
	touch $@
