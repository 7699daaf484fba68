# make run    serve on http://127.0.0.1:8000/ (PORT=9000 make run: on another port)
# make test   the whole suite, against real engines
# make check  lint and types
# make package   what would ship, by size
# make rehearse  deploy, update, roll back and undeploy on this machine, with the real zappa

PORT ?= 8000
VENV := .venv
PYTHON := $(VENV)/bin/python
READY := $(VENV)/ready

.PHONY: run test check package rehearse

run: $(READY)
	@exec $(PYTHON) manage.py runserver --noreload --exit-with-parent 127.0.0.1:$(PORT)

test: $(READY)
	@exec $(PYTHON) manage.py test $(TESTS)

check: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	DEBUG=1 $(VENV)/bin/mypy

package: $(READY)
	@. $(VENV)/bin/activate && zappa package $(or $(STAGE),test) -o stream-limits.zip

rehearse: $(READY)
	@exec $(PYTHON) -m deploy.rehearse

# Python 3.12 or later, under whichever name it goes here.
$(READY): requirements.txt requirements-dev.txt
	@for python in python3 python3.14 python3.13 python3.12; do \
	  $$python -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && break; python=; \
	done; \
	if [ -z "$$python" ]; then echo "Python 3.12 or later is needed; none of python3, python3.14, python3.13, python3.12 is." >&2; exit 1; fi; \
	echo "Making $(VENV) with $$($$python --version) …"; \
	$$python -m venv --clear $(VENV) && $(PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
