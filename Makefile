# Two commands matter: `make run` and `make test`. Each does all the set-up it needs.
PY := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help run test check bench clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 10

run:  ## set everything up, then hold a spoken conversation with the emulator and show it
	@scripts/setup run
	@$(PY) -m agent.cli demo

test: check  ## set everything up, then lint, type-check and run the whole test suite
	@$(PY) -m pytest -n 2 --dist loadfile --durations=10

check:  ## ruff and mypy (strict), both clean
	@scripts/setup test
	@$(PY) -m ruff check . && $(PY) -m ruff format --check . && $(PY) -m mypy

bench:  ## measure; figures go to docs/
	@scripts/setup test
	@$(PY) -m bench

clean:  ## remove what set-up, tests and the demo made (not your configuration or state)
	rm -rf .venv .venv-judge tests/judges/node/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis demo-out build dist
	find . -name __pycache__ -prune -exec rm -rf {} +
