"""Connections of the transport: kept open, replaced, shared and forked."""

import re
import threading
from pathlib import Path
from typing import Any

import botocore
import pycurl
import pytest
from botocore.credentials import ReadOnlyCredentials

from streams.dynamodb.transport import (
    AMAZON_AUTHORITIES,
    CurlClient,
    CurlConnection,
    NotReached,
    authorities_of,
)
from tests.concurrency import forked, together
from tests.dynamodb_clients import curl
from tests.unit.dynamodb.requests import GET, UPDATE, Model
from tests.wire import NOTHING, Wire

CERTIFICATE = re.compile("-----BEGIN.+?END CERTIFICATE-----", re.DOTALL)
EVERY_AUTHORITY = Path(botocore.__file__).with_name("cacert.pem")


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://dynamodb.eu-west-1.amazonaws.com",
        "https://dynamodb-fips.us-east-1.amazonaws.com:443/",
    ],
)
def test_amazons_authorities_are_trusted_for_amazons_endpoints(endpoint: str) -> None:
    assert authorities_of(endpoint) == str(AMAZON_AUTHORITIES)


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://dynamodb.cn-north-1.amazonaws.com.cn",
        "https://dynamodb.example.com",
        "https://amazonaws.com.example.com",
        "https://notamazonaws.com",
        "http://127.0.0.1:8000",
    ],
)
def test_botocores_authorities_are_trusted_for_other_endpoints(endpoint: str) -> None:
    assert authorities_of(endpoint) == str(EVERY_AUTHORITY)


def test_amazons_authorities_are_all_of_amazons_that_botocore_trusts() -> None:
    trusted = EVERY_AUTHORITY.read_text()
    amazons = CERTIFICATE.findall(AMAZON_AUTHORITIES.read_text())

    of_amazon = []
    for entry in trusted.split("# Issuer: ")[1:]:
        subject = entry.splitlines()[1]
        if "Amazon" in subject or "Starfield Services" in subject:
            of_amazon += CERTIFICATE.findall(entry)
    assert amazons
    assert set(amazons) == set(of_amazon)


@pytest.mark.parametrize("is_configured", [False, True], ids=["none", "configured"])
def test_a_configured_bundle_takes_precedence(
    settings: Any, monkeypatch: pytest.MonkeyPatch, is_configured: bool
) -> None:
    settings.AWS_CA_BUNDLE = str(EVERY_AUTHORITY) if is_configured else None
    options: dict[int, Any] = {}

    class Handle:
        def setopt(self, option: int, value: Any) -> None:
            options[option] = value

    monkeypatch.setattr(pycurl, "Curl", Handle)
    CurlClient(
        endpoint="https://dynamodb.eu-west-1.amazonaws.com",
        region="eu-west-1",
        credentials=lambda: ReadOnlyCredentials("key", "secret", None),
        connect_seconds=1,
        call_seconds=1,
    )

    trusted = EVERY_AUTHORITY if is_configured else AMAZON_AUTHORITIES
    assert options[pycurl.CAINFO] == str(trusted)


def test_a_handle_is_prepared_when_connections_are_forgotten(
    wire: Wire, connection: CurlConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.dispatch("GetItem", {})
    connection.reset()

    monkeypatch.setattr(pycurl, "Curl", None)  # no request makes another
    assert len(wire.asked) == 1
    connection.dispatch("GetItem", {})
    assert [asked.connection for asked in wire.asked] == [1, 2]


def test_a_connection_is_kept_open(wire: Wire, model: Model) -> None:
    for _ in range(3):
        assert model.call("GetItem", GET)["ConsumedCapacity"]
    assert len(wire.open) == 1


def test_connections_that_the_server_closed_while_idle_cause_no_failure(
    wire: Wire, model: Model
) -> None:
    wire.gate = threading.Barrier(8)
    together(8, lambda number: model.call("GetItem", GET))
    wire.gate = None
    wire.hang_up()

    assert [
        type(answer)
        for answer in together(8, lambda number: model.call("GetItem", GET))
    ] == [dict] * 8


def test_libcurl_replaces_a_connection_that_breaks_during_a_request(
    wire: Wire, connection: CurlConnection
) -> None:
    connection.dispatch("GetItem", {})
    wire.answers = [b""]  # it was read, and perhaps carried out
    connection.dispatch("UpdateItem", UPDATE)

    assert [asked.connection for asked in wire.asked] == [1, 1, 2]


def test_a_new_connection_that_breaks_is_a_failure(
    wire: Wire, connection: CurlConnection
) -> None:
    wire.answers = [b""]

    with pytest.raises(NotReached, match=r"UpdateItem failed at .*Empty reply"):
        connection.dispatch("UpdateItem", UPDATE)
    assert len(wire.asked) == 1


def test_a_connection_that_the_server_closes_is_not_used_again(
    wire: Wire, connection: CurlConnection
) -> None:
    good = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nConnection: close\r\n\r\n{}"
    wire.answers = [good, good]

    assert [
        connection.dispatch("GetItem", {}),
        connection.dispatch("GetItem", {}),
    ] == [
        {},
        {},
    ]
    assert [asked.connection for asked in wire.asked] == [1, 2]


def test_threads_that_share_a_client_each_get_their_own_answer(
    wire: Wire,
) -> None:
    client = curl(wire.url)

    def echoing(handler: Any) -> None:
        handler.say(200, wire_body(handler))

    def wire_body(handler: Any) -> bytes:
        return next(
            asked.body
            for asked in reversed(wire.asked)
            if asked.connection == handler.number
        )

    wire.always = echoing

    def call(number: int) -> int:
        return sum(
            client._make_api_call("GetItem", {"id": [number, turn]})["id"]
            == [number, turn]
            for turn in range(20)
        )

    assert together(16, call) == [20] * 16
    assert len(wire.open) <= 16


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
@pytest.mark.parametrize("is_certified", [False, True], ids=["plain", "TLS"])
def test_a_forked_process_uses_its_own_connections_and_the_parent_continues(
    wire: Wire,
    model: Model,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    settings: Any,
    is_certified: bool,
) -> None:
    settings.DYNAMODB_CALL_SECONDS = 10  # one call waits for the child
    if is_certified:
        settings.AWS_CA_BUNDLE = str(wire.certify(tmp_path))
        monkeypatch.setenv("AWS_CA_BUNDLE", settings.AWS_CA_BUNDLE)
        monkeypatch.setattr(model.Meta, "host", wire.url)
    monkeypatch.setattr(model.Meta, "read_timeout_seconds", 10)
    model.disconnect()
    model.call("GetItem", GET)
    is_over, is_under_way = threading.Event(), threading.Event()

    def holding(handler: Any) -> None:
        is_under_way.set()
        is_over.wait(10)
        handler.say(200, NOTHING)

    wire.answers = [holding]
    thread = threading.Thread(target=model.call, args=("UpdateItem", UPDATE))
    thread.start()
    is_under_way.wait(10)
    before = len(wire.open)
    with forked() as is_child:
        if is_child:
            model.call("GetItem", GET)

    is_over.set()
    thread.join()
    model.call("GetItem", GET)

    assert [asked.connection for asked in wire.asked[2:]] == [
        before + 1,
        before + 2,
    ]
    assert len(wire.asked) == 4, (
        "the call that was under way was answered at its first try"
    )
