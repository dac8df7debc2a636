# What a newcomer needs: make serve, make test. The rest is for development; scripts/ holds the how.

.PHONY: serve test compiled check fuzz faults bench fresh

serve: ## run it here, no root, no settings
	@scripts/serve

test: ## everything, real servers included
	@scripts/prepare
	@scripts/check
	@scripts/test

check: ## format, lint, types, import contracts
	@scripts/check

compiled: ## the optional scan in C, for .venv
	@scripts/environment serve
	@scripts/compile

fuzz: ## every fuzz target for SECONDS (default 60), and a thousand examples of every property
	@scripts/environment develop
	@scripts/fuzz $(or $(SECONDS),60)
	@PROPERTIES=1000 .venv/bin/python -m pytest -q -n 2 -m "not e2e"

faults: ## the fault tests with the large counts
	@scripts/environment develop
	@scripts/servers
	@FAULTS=full scripts/namespace .venv/bin/python -m pytest -q -m e2e tests/faults
	@FAULTS=full scripts/namespace .venv/bin/python -m pytest -q -s -m e2e tests/e2e/test_limits.py -k list_and_a_class

bench: ## figures as ratios in one run
	@scripts/environment develop
	@scripts/servers
	@scripts/bench

fresh: ## both promises on a bare Debian in a chroot
	@scripts/fresh
