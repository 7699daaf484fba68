"""Fixtures of all tests: a DynamoDB engine, and the service behind a real server."""

import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from streams.storage.store import StreamStore, create_table
from streams_project.local_dynamodb import engine
from streams_project.wsgi import application
from tests.builders import plans_of
from tests.dynamodb_clients import Calls
from tests.openapi_document import hold_to_the_document
from tests.settings import ENGINE_PORT
from tests.viewer import Viewer
from tests.wsgi_servers import serving

UNIT = Path(__file__).parent / "unit"


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return one and a half workers per core.

    The tests wait for other processes for a third of the time.
    """
    return (os.cpu_count() or 2) * 3 // 2


def pytest_configure(config: pytest.Config) -> None:
    """Start the engine and create the table once for all workers.

    Unit tests need neither.
    """
    paths = [Path(argument.partition("::")[0]) for argument in config.args]
    only_unit_tests = all(path.absolute().is_relative_to(UNIT) for path in paths)
    is_worker = hasattr(config, "workerinput")
    if is_worker or only_unit_tests:
        return

    if ENGINE_PORT:
        running = ExitStack()
        config.add_cleanup(running.close)
        folder = running.enter_context(TemporaryDirectory(prefix="dynamodb-"))
        running.enter_context(engine(Path(folder), keep=False, port=ENGINE_PORT))
    create_table()


@pytest.fixture
def user_id() -> str:
    """Return the id of a user without stored data."""
    return f"user-{uuid.uuid4()}"


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
def streams(calls: Calls) -> StreamStore:
    """Return a store that never waits and whose calls are counted."""
    return StreamStore(plans=plans_of(), call=calls, sleep=lambda seconds: None)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """Yield the URL of the service: this one, or the one at `STREAMS_URL`."""
    if "STREAMS_URL" in os.environ:
        yield os.environ["STREAMS_URL"]
        return
    with serving(application) as url:
        yield url


@pytest.fixture
def api(server_url: str) -> Iterator[httpx.Client]:
    """Give an HTTP client that checks each answer against the OpenAPI document."""
    hooks = {"response": [hold_to_the_document]}
    with httpx.Client(base_url=server_url, timeout=30, event_hooks=hooks) as client:
        yield client


@pytest.fixture
def viewer(api: httpx.Client, user_id: str) -> Viewer:
    return Viewer(api, user_id)
