PORT ?= 8000
VENV := .venv
PYTHON := $(VENV)/bin/python
READY := $(VENV)/ready
OPENAPI ?= streams/browsable/static/streams/openapi
NODE_TOOLS := .ci/node_modules/.bin
MARKDOWNLINT := $(NODE_TOOLS)/markdownlint-cli2

.DEFAULT_GOAL := run

# pip installs into the environment, whatever the user's configuration says.
export PIP_USER := 0
export PIP_REQUIRE_VIRTUALENV := 0
export PYTHONNOUSERSITE := 1

# An environment that was moved, or whose interpreter was removed, is created again.
ifneq ($(wildcard $(READY)),)
ifneq ($(shell $(PYTHON) -c 'import django, sys; sys.exit(sys.prefix == sys.base_prefix)' 2>/dev/null || echo stale),)
$(shell rm -f $(READY))
endif
endif

.PHONY: help run demo demo-rtmp test quick check openapi messages reference docs scaling audit lock package rehearse faults soak contract releases mutants bench replay load

help: ## Print the targets.
	@awk -F ': .*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(READY) ## Serve on http://127.0.0.1:8000/ with an embedded DynamoDB (PORT=9000 for another port).
	@exec $(PYTHON) manage.py runserver --noreload --exit-with-parent 127.0.0.1:$(PORT)

demo: $(READY) ## Serve a live stream that only edge tokens open, with a player that is cut off.
	@exec $(PYTHON) -m clients.demo

demo-rtmp: $(READY) ## Limit the players of nginx's RTMP module with the agent (needs nginx with it, and ffmpeg).
	@exec $(PYTHON) -m clients.demo.rtmp

test: $(READY) ## Run all tests against real engines, in parallel (TESTS="tests/http -k limit" for a part).
	@exec $(PYTHON) -m pytest $(TESTS)

quick: $(READY) ## Run the unit tests, which need no engine.
	@exec $(PYTHON) -m pytest tests/unit

# Runs the hooks of a commit on all files, and then the slower checks.
check: $(READY) $(MARKDOWNLINT) docs ## Check lint, imports, complexity, types, risky calls, Markdown and the site (needs Node.js).
	$(VENV)/bin/pre-commit run --all-files --show-diff-on-failure
	$(MARKDOWNLINT)
	$(NODE_TOOLS)/spectral lint --fail-severity warn --ruleset .ci/spectral.yaml $(OPENAPI).json
	REDOCLY_TELEMETRY=off $(NODE_TOOLS)/redocly lint --extends recommended-strict $(OPENAPI).json
	$(VENV)/bin/complexipy
	DEBUG=1 $(VENV)/bin/mypy
	$(VENV)/bin/bandit --quiet --recursive --configfile pyproject.toml streams streams_project stages capacity deploy insights reporting

messages: $(READY) ## Compile the translations of problems, in streams/locale.
	@exec $(VENV)/bin/pybabel compile --directory streams/locale --domain django --use-fuzzy

openapi: export DEBUG := 1
openapi: $(READY) $(MARKDOWNLINT) ## Write the OpenAPI documents, 3.1 and 3.0, from the code (needs Node.js; OPENAPI=/tmp/openapi for other files).
	@exec $(PYTHON) manage.py spectacular --settings openapi.settings --format openapi-json --validate --fail-on-warn \
	  --file $(OPENAPI).json
	@# API Gateway and some generators read OpenAPI 3.0 only.
	@$(NODE_TOOLS)/openapi-down-convert --input $(OPENAPI).json --output $(OPENAPI)-3.0.json
	@echo >>$(OPENAPI)-3.0.json

# The pages show the defaults, so settings in the shell are left out.
reference: $(READY) ## Write the tables, the diagram and the figures of the docs from the code.
	@exec env --ignore-environment DEBUG=1 $(PYTHON) -m docs.reference

# Warnings are errors: a link to a page or a heading that does not exist is one.
docs: $(READY) ## Build the documentation site into build/docs and check its links.
	@exec $(VENV)/bin/sphinx-build --fail-on-warning --keep-going --quiet -c docs . build/docs

$(MARKDOWNLINT): .ci/package-lock.json
	@npm ci --prefix .ci --silent --ignore-scripts
	@touch $@

scaling: $(READY) ## Write the estimates into docs/scaling.md.
	@exec $(PYTHON) -m docs.scaling

package: $(READY) ## Build the package of a stage and list its content by size (STAGE=production).
	@. $(VENV)/bin/activate && zappa package $(or $(STAGE),test) -o stream-limits.zip

rehearse: $(READY) ## Deploy, update, roll back and undeploy against an emulated AWS, with the real zappa.
	@exec $(PYTHON) -m deploy.rehearsal

# Uses the first interpreter of this list that is Python 3.12 or later. pyenv hides the
# versions that are not selected, so they are listed by their paths.
PYENV_PYTHONS = $$(ls -d "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.*/bin/python3 2>/dev/null | sort -rV)
$(READY): requirements-dev.txt
	@for python in python3 python3.14 python3.13 python3.12 $(PYENV_PYTHONS); do \
	  $$python -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && break; python=; \
	done; \
	if [ -z "$$python" ]; then echo "Python 3.12 or later is required. Install one of python3.14, python3.13, python3.12." >&2; exit 1; fi; \
	echo "Creating $(VENV) with $$($$python --version) …"; \
	$$python -m venv --clear $(VENV) && $(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

faults: export DEBUG := 1
faults: $(READY) ## Run every call under every fault of the database, on both engines, into docs/reliability.md.
	@$(PYTHON) -m tests.faults.report ministack
	@.ci/on-dynamodb-local $(PYTHON) -m tests.faults.report "DynamoDB Local"

soak: export DEBUG := 1
soak: $(READY) ## Simulate players on two servers while the database fails (SECONDS=600 USERS=2000 FAULTS=1).
	@SECONDS=$(or $(SECONDS),60) USERS=$(or $(USERS),200) FAULTS=$(or $(FAULTS),1) $(PYTHON) -m tests.faults.soak

contract: export DEBUG := 1
contract: export DJANGO_SETTINGS_MODULE := tests.settings
contract: $(READY) ## Check that one order explains every answer of concurrent calls under faults (SECONDS=600 SEED=1).
	@exec $(PYTHON) -m tests.contract.run --seconds $(or $(SECONDS),60) $(if $(SEED),--seed $(SEED))

releases: export DEBUG := 1
releases: export DJANGO_SETTINGS_MODULE := tests.settings
releases: $(READY) ## Run the previous release next to this code, and compare the answers (SHARE=1 for all scenes).
	@exec $(PYTHON) -m tests.releases.run --share $(or $(SHARE),0.2) --seconds $(or $(SECONDS),25) $(if $(SEED),--seed $(SEED))

mutants: export DEBUG := 1
mutants: $(READY) ## Plant bugs and check that the tests find each of them (ONLY=name for one).
	@exec $(PYTHON) -m tests.mutants $(ONLY)

bench: $(VENV)/ready-to-bench ## Measure the cost next to a bare handler (QUICK=1 for a minute, PAIRED="NAME=VALUE" to compare).
	@exec $(PYTHON) -m bench.$(if $(PAIRED),paired $(PAIRED),run)

replay: $(READY) ## Replay a small population on a real engine next to its estimate (ENGINE=dynamodb-local).
	@exec $(PYTHON) -m bench.replayed

# YES=--yes-this-host permits another machine. API_KEY is the key of an operator.
load: $(VENV)/ready-to-bench ## Send the estimated mix of requests to a URL with Locust (URL=… RATE=50 SECONDS=30).
	@exec $(PYTHON) -m bench.crowd $(or $(URL),http://127.0.0.1:$(PORT)) --rate $(or $(RATE),50) --seconds $(or $(SECONDS),30) $(YES)

$(VENV)/ready-to-bench: $(READY) bench/requirements.txt
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check -r bench/requirements.txt
	@touch $@

# --strict: a package that osv.dev cannot look up is a failure too.
audit: $(VENV)/ready-to-audit ## Find known vulnerabilities of the packages that ship, at osv.dev.
	$(VENV)/bin/pip-audit --strict --disable-pip --require-hashes --vulnerability-service osv \
	  -r requirements.txt -r requirements-jwks.txt -r requirements-container.txt

$(VENV)/ready-to-audit: $(READY) requirements-audit.txt
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-audit.txt
	@touch $@

# One resolution for all files, so the tested versions ship. The hashes are those of PyPI,
# regardless of the index that pip is configured to use.
lock: export PIP_CONFIG_FILE := /dev/null
lock: export PIP_INDEX_URL := https://pypi.org/simple
lock: export PIP_EXTRA_INDEX_URL :=
lock: export PIP_FIND_LINKS :=
lock: export CUSTOM_COMPILE_COMMAND := make lock
lock: COMPILE = $(VENV)/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url
lock: $(READY) ## Pin requirements*.in with hashes in requirements*.txt.
	$(COMPILE) requirements-dev.in
	$(COMPILE) --constraint requirements-dev.txt requirements.in
	$(COMPILE) --constraint requirements-dev.txt requirements-jwks.in
	$(COMPILE) --constraint requirements-dev.txt requirements-container.in
	$(COMPILE) --constraint requirements-dev.txt requirements-audit.in
