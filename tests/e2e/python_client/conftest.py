"""Players of the Python client."""

from collections.abc import Iterator

import pytest

from clients.python.streams_client import StreamClient
from tests.e2e.python_client.players import Network, Recorder
from tests.servers import Server, brief_server


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def player(recorder: Recorder, server_url: str, user_id: str) -> Iterator[StreamClient]:
    """Yield a player whose heartbeats the test sends."""
    with recorder.client(server_url, user_id) as client:
        yield client


@pytest.fixture
def remote_player(
    network: Network, recorder: Recorder, server_url: str, user_id: str
) -> Iterator[StreamClient]:
    """Yield a player on a network that the test controls."""
    with recorder.client(
        server_url,
        user_id,
        http=network.client(),
        patience_seconds=5,
    ) as client:
        yield client
        network.is_cut = False
        network.answer = None


@pytest.fixture(scope="package")
def brief() -> Iterator[Server]:
    """Yield a service with short leases."""
    with brief_server() as server:
        yield server
