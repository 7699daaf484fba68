"""Fixtures of the tests over HTTP."""

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams import authentication
from streams.models import UserStreams
from tests.http.bearer_tokens import EC_KEY, ISSUER, RSA_KEY, SECRET, public_key
from tests.http.requests_by_hand import VICTIM
from tests.viewer import Viewer


@pytest.fixture
def service_unharmed(
    api: object, viewer: Viewer, caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    """Check, after the test, that the service works and its log is intact.

    The victim has no stream, no request failed, and each record is one line.
    """
    yield

    assert viewer.api.get("/readyz").status_code == 200
    assert UserStreams.count(VICTIM) == 0

    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]

    assert errors == []

    broken_lines = [
        record
        for record in caplog.records
        if re.search(r"[\x00-\x1f\x7f]", record.getMessage())
    ]

    assert broken_lines == []


@pytest.fixture
def shared_secret(settings: Any) -> Any:
    """Set up the settings of an identity provider that signs with a shared secret."""
    settings.AUTH_JWT_SECRETS = [SECRET]
    settings.AUTH_ALGORITHMS = ["HS256"]
    settings.AUTH_ISSUER = ISSUER
    settings.AUTH_AUDIENCE = "streams"
    return settings


@pytest.fixture
def key_file(shared_secret: Any, tmp_path: Path) -> Iterator[Path]:
    """Return the file of an identity provider that publishes an RSA and an EC key."""
    keys = [public_key(RSA_KEY, "rsa-1"), public_key(EC_KEY, "ec-1")]
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": keys}))

    shared_secret.AUTH_JWT_SECRETS = []
    shared_secret.AUTH_ALGORITHMS = ["RS256", "ES256"]
    shared_secret.AUTH_JWKS = str(path)
    yield path
    authentication._published_keys.cache_clear()


@pytest.fixture
def events_on(settings: Any) -> None:
    """Events and metrics, written to standard output."""
    settings.EVENTS = "log"
    settings.METRICS = "emf"
    settings.EVENT_SINKS = ["streams.sinks.lines.line"]
