"""Failures of a call over either transport."""

import re
from pathlib import Path
from typing import Any

import pytest

from streams.dynamodb.transport import NotAnAnswer, NotReached
from streams.errors import StoreDown, StoreThrottled, StoreUnavailable
from streams.rules import Hold
from streams.storage.store import StreamStore
from tests.builders import NOW, plans_of
from tests.dynamodb_clients import curl
from tests.unit.dynamodb.requests import GET, Model
from tests.wire import NOTHING, Reply, Wire, dripping, hanging, refused

FAILURES: dict[str, tuple[Reply, str]] = {
    "it hangs": (hanging, "timed out|no answer within|Read timeout"),
    "it drips": (dripping, "timed out|no answer within"),
    "it hangs up": (b"", "Empty reply|Connection was closed"),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-Le", "UpdateItem"),
    "cut short": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}",
        "bytes missing|Connection was closed",
    ),
    "not HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "UpdateItem"),
    "more than there can be": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{}",
        "UpdateItem",
    ),
    "HTML": ((200, b"<html>Please log in</html>"), "UpdateItem"),
    "an error in HTML": ((502, b"<html>Bad gateway</html>"), "502"),
    "null": ((200, b"null"), "not DynamoDB's"),
    "a list": ((200, b"[]"), "not DynamoDB's"),
    "text": ((200, b'"x"'), "not DynamoDB's"),
    "nothing": ((200, b""), "UpdateItem"),
    "an empty object": ((200, b"{}"), "data is missing"),
    "no item": ((200, NOTHING), "data is missing"),
    "an item that is none": ((200, b'{"Attributes": []}'), "UpdateItem"),
    "not text": ((200, b"\xff\xfe\x00"), "not DynamoDB's"),
    "deeply nested": ((200, b"[" * 100_000), "not DynamoDB's"),
    "an error that is null": ((400, b"null"), "not DynamoDB's"),
    "an error that is a list": ((500, b"[]"), "not DynamoDB's"),
    "an error without a type": ((400, b"{}"), "400"),
    "an error of a strange type": ((400, b'{"__type": 3}'), "UpdateItem"),
    "internal": (
        (500, {"__type": "x#InternalServerError", "message": "said why"}),
        "InternalServerError.*said why",
    ),
    "not valid": (refused("ValidationException"), "ValidationException.*said why"),
    "not allowed": (
        refused("AccessDeniedException"),
        "AccessDeniedException.*said why",
    ),
}


def failure_of(model: Model) -> StoreUnavailable:
    """Return the error of a heartbeat that gets no good answer."""
    store = StreamStore(plans=plans_of(limit=3, lease_ms=60_000), call=model.call)

    with pytest.raises(StoreUnavailable) as failure:
        store.renew("ana", "a", hold=Hold(epoch=1), now=NOW)
    message = str(failure.value)
    assert "UpdateItem" in message
    assert "Traceback" not in message
    assert failure.value.__cause__ is not None or "data is missing" in message
    return failure.value


@pytest.mark.parametrize("kind", FAILURES)
def test_every_failure_is_one_error_that_says_what_failed(
    wire: Wire,
    model: Model,
    kind: str,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wire.always, said = FAILURES[kind]
    if wire.always in (hanging, dripping):
        settings.DYNAMODB_CALL_SECONDS = 0.2
        monkeypatch.setattr(model.Meta, "read_timeout_seconds", 0.2)
        model.disconnect()
    failure = failure_of(model)

    assert type(failure) in (StoreDown, StoreUnavailable)
    assert re.search(said, str(failure))


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        (
            "http://127.0.0.1:1",
            "connect to (server|127.0.0.1|the endpoint)",
        ),
        (
            "http://no-such-host.invalid",
            "resolve|connect to the endpoint URL: .*no-such-host",
        ),
    ],
    ids=["nobody listens", "no such host"],
)
def test_the_error_for_an_endpoint_that_does_not_exist_names_it(
    model: Model,
    monkeypatch: pytest.MonkeyPatch,
    endpoint: str,
    said: str,
) -> None:
    monkeypatch.setattr(model.Meta, "host", endpoint)
    model.disconnect()
    failure = str(failure_of(model))

    assert endpoint in failure
    assert re.search(said, failure)


def test_a_throttled_call_has_its_own_error(wire: Wire, model: Model) -> None:
    wire.always = refused("ThrottlingException")
    assert isinstance(failure_of(model), StoreThrottled)


def test_an_answer_larger_than_any_of_dynamodb_is_rejected(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.dynamodb.transport.MAX_ANSWER_BYTES", 1000)
    chunk = b"400\r\n" + b" " * 1024 + b"\r\n"
    wire.answers = [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + chunk * 9
        + b"0\r\n\r\n"
    ]

    with pytest.raises(NotReached, match="maximum allowed file size"):
        curl(wire.url)._make_api_call("GetItem", {})


def test_an_error_shows_the_beginning_of_a_body_that_is_not_dynamodbs_json(
    wire: Wire,
) -> None:
    wire.answers = [(200, b"<html>" + b"x" * 5000)]

    with pytest.raises(NotAnAnswer, match="<html>") as failure:
        curl(wire.url)._make_api_call("GetItem", {})
    assert len(str(failure.value)) < 400


def test_a_tls_connection_requires_a_trusted_certificate(
    wire: Wire,
    model: Model,
    tmp_path: Path,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trusted = str(wire.certify(tmp_path))
    monkeypatch.setattr(model.Meta, "host", wire.url)
    model.disconnect()

    assert "certificate" in str(failure_of(model)).lower()
    assert wire.asked == []
    settings.AWS_CA_BUNDLE = trusted
    monkeypatch.setenv("AWS_CA_BUNDLE", trusted)
    model.disconnect()
    for _ in range(2):
        assert model.call("GetItem", GET)["ConsumedCapacity"]

    assert len({asked.connection for asked in wire.asked}) == 1
