"""The service's settings for pytest: local development, on an embedded DynamoDB that `tests/conftest.py` starts."""

import os

from tests.servers import free_port

ENGINE_PORT = None if "DYNAMODB_ENDPOINT" in os.environ else free_port()
"""Where the tests' own engine is to listen; None where one is given, as pytest-xdist's processes are."""
if ENGINE_PORT:
    os.environ["DYNAMODB_ENDPOINT"] = f"http://127.0.0.1:{ENGINE_PORT}"
os.environ.setdefault("DEBUG", "1")
os.environ.setdefault("PRIVATE_NETWORK", "1")
"""Events of Lambda come from other addresses."""
os.environ.setdefault("MINT_BURST", "1000")
"""Room for tests that start many streams of a user in a moment; the bucket's own tests set the service's defaults."""
os.environ.setdefault("EVENTS", "off")
os.environ["DJANGO_SETTINGS_MODULE"] = (
    "streams_project.settings"  # of the servers and commands that tests start
)

from streams_project.settings import *  # noqa: E402, F403
