"""The settings of the tests: local development, on an embedded DynamoDB.

`tests/conftest.py` starts the engine.
"""

import os

from tests.servers import free_port

ENGINE_PORT = None if "DYNAMODB_ENDPOINT" in os.environ else free_port()
"""Port of the tests' own engine, or None if another one is configured.

The processes of pytest-xdist inherit the configuration.
"""
if ENGINE_PORT:
    os.environ["DYNAMODB_ENDPOINT"] = f"http://127.0.0.1:{ENGINE_PORT}"
os.environ.setdefault("DEBUG", "1")
os.environ.setdefault("PRIVATE_NETWORK", "1")
"""Events of Lambda come from other addresses."""
os.environ.setdefault("MINT_BURST", "1000")
"""Tests start many streams of a user in a moment. The tests of the start rate set the
defaults of the service."""
os.environ.setdefault("HEARTBEAT_BURST", "1000")
os.environ.setdefault("EVENTS", "off")
os.environ["DJANGO_SETTINGS_MODULE"] = (
    "streams_project.settings"  # of the servers and commands that tests start
)

from streams_project.settings import *  # noqa: E402, F403
