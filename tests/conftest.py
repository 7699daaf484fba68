"""Real parts for every test: a DynamoDB engine (`DYNAMODB_ENDPOINT`) and the service behind a real HTTP server."""

import itertools
import os
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
from botocore.credentials import ReadOnlyCredentials
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler

from streams import rules, service
from streams.dynamodb.transport import CurlClient
from streams.models import UserStreams
from streams.rules import (
    EPOCHS_PER_MS,
    Entitlement,
    Hold,
    Lease,
    StartRequest,
    WhenFull,
)
from streams.storage.store import StreamStore, create_table
from streams.storage.table import Call
from streams_project.local_dynamodb import engine
from streams_project.wsgi import application
from tests.builders import plans_of
from tests.openapi_document import hold_to_the_document
from tests.settings import ENGINE_PORT

LEASE_MS = 60_000
NOW = 1_800_000_000_000
"""An instant for the tests whose clock is an argument."""


UNIT = Path(__file__).parent / "unit"


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Half as many again as there are cores: the tests wait for other processes for a third of the time."""
    return (os.cpu_count() or 2) * 3 // 2


def pytest_configure(config: pytest.Config) -> None:
    """Start the engine and make the table, before any test and once for all processes, unless only unit tests run."""
    asked = [Path(argument.partition("::")[0]).absolute() for argument in config.args]
    if hasattr(config, "workerinput") or all(
        path.is_relative_to(UNIT) for path in asked
    ):
        return
    if ENGINE_PORT:
        running = ExitStack()
        config.add_cleanup(running.close)
        folder = running.enter_context(TemporaryDirectory(prefix="dynamodb-"))
        running.enter_context(engine(Path(folder), keep=False, port=ENGINE_PORT))
    create_table()


@pytest.fixture
def user_id() -> str:
    """A user nobody has used."""
    return f"user-{uuid.uuid4()}"


@dataclass
class Calls:
    """The calls sent to DynamoDB: operation and consumed units (None where a failed condition reports none)."""

    made: list[tuple[str, float | None]] = field(default_factory=list)

    def __call__(
        self, operation: str, arguments: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        self.made.append((operation, None))
        answer = UserStreams.call(operation, arguments)
        self.made[-1] = (operation, answer["ConsumedCapacity"]["CapacityUnits"])
        return answer

    @property
    def operations(self) -> list[str]:
        return [operation for operation, _ in self.made]

    @property
    def units(self) -> list[float | None]:
        return [units for _, units in self.made]


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
def streams(calls: Calls) -> StreamStore:
    """The store under a policy of three streams and a minute, that never waits and whose calls are counted."""
    return StreamStore(
        plans=plans_of(limit=3, lease_ms=LEASE_MS),
        call=calls,
        sleep=lambda seconds: None,
    )


def unreachable() -> Call:
    """A DynamoDB that does not answer."""
    return curl("http://127.0.0.1:9")._make_api_call


def curl(endpoint: str, **changes: Any) -> CurlClient:
    """libcurl's client of an engine."""
    options: dict[str, Any] = {
        "endpoint": endpoint,
        "region": "eu-west-1",
        "credentials": lambda: ReadOnlyCredentials("local", "local", None),
        "connect_seconds": 1,
        "call_seconds": 2,
    }
    return CurlClient(**options | changes)


STARTS = itertools.count(1)


def asking(
    id: str,
    *,
    now: int = NOW,
    replace: Iterable[str] | Mapping[str, int | None] = (),
    entitlement: int | None = None,
    epoch: int | None = None,
    nonce: str | None = None,
    plan: str | None = None,
    **fields: Any,
) -> StartRequest:
    """A start that was made up at that instant: no two are the same start unless the nonce says so."""
    return StartRequest(
        id=id,
        **{"stream_id": "film"} | fields,
        epoch=now * EPOCHS_PER_MS if epoch is None else epoch,
        nonce=nonce or f"start {next(STARTS)}",
        replace=replace if isinstance(replace, Mapping) else dict.fromkeys(replace),
        entitlement=Entitlement(entitlement, plan),
    )


def held(lease: Lease) -> Hold:
    """What the token of a lease says."""
    return Hold(epoch=lease.epoch, expires_at=lease.expires_at, pace=lease.pace)


def fill(
    store: StreamStore, user_id: str, *ids: str, now: int = NOW
) -> dict[str, Hold]:
    """Start streams a millisecond apart; what their tokens say, by id."""
    holds = {}
    for at, id in enumerate(ids, start=now):
        holds[id] = held(
            store.start(
                user_id, asking(id, now=at, nonce=f"{id} at {at}"), now=at
            ).lease
        )
    return holds


class _QuietHandler(WSGIRequestHandler):
    disable_nagle_algorithm = True  # head and body are two packets; the second would wait for the first one's ACK

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _ServiceServer(ThreadedWSGIServer):
    request_queue_size = 1024


@contextmanager
def serving(application: Any) -> Iterator[str]:
    """A WSGI application behind a threaded HTTP server on a free port, by its URL."""
    server = _ServiceServer(("127.0.0.1", 0), _QuietHandler)
    server.set_app(application)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}
    )
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serving_under(prefix: str) -> Iterator[str]:
    """The service under a path (`/test`), as API Gateway's stages have it, by its URL."""

    def mounted(environ: dict[str, Any], start_response: Any) -> Any:
        environ["SCRIPT_NAME"] = prefix
        environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix(prefix)
        return application(environ, start_response)

    with serving(mounted) as url:
        yield url + prefix


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    with serving(application) as url:
        yield url


@pytest.fixture
def api(server_url: str) -> Iterator[httpx.Client]:
    """An HTTP client of the service."""
    hooks = {"response": [hold_to_the_document]}
    with httpx.Client(base_url=server_url, timeout=30, event_hooks=hooks) as client:
        yield client


@dataclass
class Viewer:
    """One user's side of the API."""

    api: httpx.Client
    user_id: str

    @property
    def url(self) -> str:
        return f"/users/{self.user_id}/streams"

    def start(self, stream_id: str = "film", **fields: Any) -> httpx.Response:
        return self.api.post(self.url, json={"streamId": stream_id, **fields})

    def started(self, stream_id: str = "film", **fields: Any) -> dict[str, Any]:
        """A start that must be admitted."""
        response = self.start(stream_id, **fields)
        assert response.status_code in (200, 201), response.text
        body: dict[str, Any] = response.json()
        return body

    def heartbeat(self, id: str, token: str) -> httpx.Response:
        return self.api.post(f"{self.url}/{id}/heartbeat", json={"token": token})

    def stop(self, id: str, token: str) -> httpx.Response:
        """As the player that holds the token."""
        return self.api.post(f"{self.url}/{id}/stop", json={"token": token})

    def end(self, id: str, epoch: int | None = None) -> httpx.Response:
        """Whoever holds the slot."""
        return self.api.delete(
            f"{self.url}/{id}", params={} if epoch is None else {"epoch": epoch}
        )

    def read(self, id: str) -> httpx.Response:
        return self.api.get(f"{self.url}/{id}")

    def list(self) -> dict[str, Any]:
        response = self.api.get(self.url)
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body

    def limit(self, limit: int, when_full: WhenFull = WhenFull.DENY) -> None:
        response = self.api.put(
            f"/users/{self.user_id}/limit", json={"limit": limit, "whenFull": when_full}
        )
        assert response.status_code == 200, response.text

    def crashed(self, id: str) -> rules.Lease:
        """A stream of this user whose player went silent, and whose lease ended a second ago."""
        earlier = (
            time.time_ns() // 1_000_000 - service.store.plans.default.lease_ms - 1000
        )
        return service.store.start(self.user_id, asking(id), now=earlier).lease


@pytest.fixture
def viewer(api: httpx.Client, user_id: str) -> Viewer:
    return Viewer(api, user_id)
