# make run    serve on http://127.0.0.1:8000/ (PORT=9000 make run: on another port)
# make demo   serve, with a live stream that only edge tokens open, and a player that has to be cut off
# make test   the whole suite, against real engines, in parallel
# make quick  the unit tests, which need no engine
# make check  lint, imports, types, risky code
# make audit  known vulnerabilities in what ships (asks osv.dev)
# make openapi  describe the API anew, from the code
# make architecture  draw docs/architecture.md anew, from the code
# make scaling  write the planner's figures into docs/scaling.md
# make lock   pin requirements*.in, with hashes, into requirements*.txt
# make package   what would ship, by size
# make rehearse  deploy, update, roll back and undeploy on this machine, with the real zappa
# make faults    every verb under every fault of the store, on both engines, into docs/reliability.md
# make soak      players over two servers while the store fails, every answer checked (SECONDS=600 USERS=2000 FAULTS=1)
# make mutants   plants bugs, and has the suite find each
# make bench     what it costs, beside a bare handler (QUICK=1: in about a minute; PAIRED="NAME=VALUE": with and without)
# make replay    a scaled-down population on a real engine, beside what manage.py plan_capacity says (ENGINE=dynamodb-local)
# make load      the planner's mix against a URL, with Locust: percentiles and refusals (URL=… RATE=50 SECONDS=30)

PORT ?= 8000
VENV := .venv
PYTHON := $(VENV)/bin/python
READY := $(VENV)/ready

.PHONY: run demo test quick check openapi architecture scaling audit lock package rehearse faults soak mutants bench replay load

run: $(READY)
	@exec $(PYTHON) manage.py runserver --noreload --exit-with-parent 127.0.0.1:$(PORT)

demo: $(READY)
	@exec $(PYTHON) -m clients.demo

# TESTS="tests/http -k limit": some of them.
test: $(READY)
	@exec $(PYTHON) -m pytest $(TESTS)

quick: $(READY)
	@exec $(PYTHON) -m pytest tests/unit

# The hooks that a commit runs, on all files; then what takes longer.
check: $(READY)
	$(VENV)/bin/pre-commit run --all-files --show-diff-on-failure
	DEBUG=1 $(VENV)/bin/mypy
	$(VENV)/bin/bandit --quiet --recursive --configfile pyproject.toml streams streams_project stages capacity deploy insights

# DESCRIPTION=/tmp/openapi.json make openapi: elsewhere.
openapi: export DEBUG := 1
openapi: $(READY)
	@exec $(PYTHON) manage.py spectacular --settings openapi.settings --format openapi-json --validate --fail-on-warn \
	  --file $(or $(DESCRIPTION),streams/browsable/static/streams/openapi.json)

architecture: $(READY)
	@exec $(PYTHON) -m docs.architecture

scaling: $(READY)
	@exec $(PYTHON) -m docs.scaling

package: $(READY)
	@. $(VENV)/bin/activate && zappa package $(or $(STAGE),test) -o stream-limits.zip

rehearse: $(READY)
	@exec $(PYTHON) -m deploy.rehearse

# Python 3.12 or later, under whichever name it goes here.
$(READY): requirements-dev.txt
	@for python in python3 python3.14 python3.13 python3.12; do \
	  $$python -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && break; python=; \
	done; \
	if [ -z "$$python" ]; then echo "Python 3.12 or later is needed; none of python3, python3.14, python3.13, python3.12 is." >&2; exit 1; fi; \
	echo "Making $(VENV) with $$($$python --version) …"; \
	$$python -m venv --clear $(VENV) && $(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

faults: export DEBUG := 1
faults: $(READY)
	@$(PYTHON) -m tests.faults.report ministack
	@.ci/on-dynamodb-local $(PYTHON) -m tests.faults.report "DynamoDB Local"

soak: export DEBUG := 1
soak: $(READY)
	@SECONDS=$(or $(SECONDS),60) USERS=$(or $(USERS),200) FAULTS=$(or $(FAULTS),1) $(PYTHON) -m tests.faults.soak

mutants: export DEBUG := 1
mutants: $(READY)
	@exec $(PYTHON) -m tests.mutants $(ONLY)

bench: $(VENV)/ready-to-bench
	@exec $(PYTHON) -m bench.$(if $(PAIRED),paired $(PAIRED),run)

replay: $(READY)
	@exec $(PYTHON) -m bench.replayed

# Another machine than this one: YES=--yes-this-host. An operator's key: API_KEY.
load: $(VENV)/ready-to-bench
	@exec $(PYTHON) -m bench.crowd $(or $(URL),http://127.0.0.1:$(PORT)) --rate $(or $(RATE),50) --seconds $(or $(SECONDS),30) $(YES)

$(VENV)/ready-to-bench: $(READY) bench/requirements.txt
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check -r bench/requirements.txt
	@touch $@

# A package that could not be looked up fails it too (--strict).
audit: $(VENV)/ready-to-audit
	$(VENV)/bin/pip-audit --strict --disable-pip --require-hashes --vulnerability-service osv \
	  -r requirements.txt -r requirements-jwks.txt -r requirements-container.txt

$(VENV)/ready-to-audit: $(READY) requirements-audit.txt
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-audit.txt
	@touch $@

# Everything is resolved together, so that what is tested is what ships. Hashes are PyPI's, whatever index pip is set to use.
lock: export PIP_CONFIG_FILE := /dev/null
lock: export PIP_INDEX_URL := https://pypi.org/simple
lock: export PIP_EXTRA_INDEX_URL :=
lock: export PIP_FIND_LINKS :=
lock: export CUSTOM_COMPILE_COMMAND := make lock
lock: COMPILE = $(VENV)/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url
lock: $(READY)
	$(COMPILE) requirements-dev.in
	$(COMPILE) --constraint requirements-dev.txt requirements.in
	$(COMPILE) --constraint requirements-dev.txt requirements-jwks.in
	$(COMPILE) --constraint requirements-dev.txt requirements-container.in
	$(COMPILE) --constraint requirements-dev.txt requirements-audit.in
