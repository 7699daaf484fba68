"""A server in place of DynamoDB, and the model that calls it over either transport."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.loaders import create_loader
from botocore.session import Session, get_session

from streams.dynamodb import calls
from streams.dynamodb.transport import CurlConnection
from streams.models import UserStreams
from tests.wire import Wire, listening

LOADER = create_loader()
"""Reads the description of DynamoDB's API once for all of botocore's clients."""


def _session() -> Session:
    session = get_session()
    session.register_component("data_loader", LOADER)
    return session


@pytest.fixture
def wire() -> Iterator[Wire]:
    with listening() as wire:
        yield wire


@pytest.fixture(autouse=True)
def nothing_known_of_the_store() -> Iterator[None]:
    calls.reset_circuit()
    yield
    calls.reset_circuit()


@pytest.fixture(params=["curl", "botocore"])
def transport(request: pytest.FixtureRequest, settings: Any) -> str:
    settings.DYNAMODB_TRANSPORT = request.param
    return str(request.param)


@pytest.fixture
def model(
    transport: str, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> Iterator[type[UserStreams]]:
    """Return the model over either transport, with the server as its endpoint."""
    monkeypatch.setattr("pynamodb.connection.base.get_session", _session)
    monkeypatch.setattr(UserStreams.Meta, "host", wire.url)
    UserStreams.disconnect()

    assert (
        UserStreams._get_connection().connection.client
    )  # made now, so that no test's time is spent on it
    yield UserStreams
    UserStreams.disconnect()


@pytest.fixture
def connection(wire: Wire) -> CurlConnection:
    """Return PynamoDB's connection to the server."""
    return CurlConnection(
        region="eu-west-1",
        host=wire.url,
        aws_access_key_id="local",
        aws_secret_access_key="local",
        connect_timeout_seconds=1,
        read_timeout_seconds=2,
    )
