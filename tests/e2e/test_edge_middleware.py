"""The middleware of clients/edge in the servers and mounts that it can have."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from clients.edge.middleware import EdgeTokensASGI, EdgeTokensWSGI, network_of
from streams.edge_keys import EdgeKey, edge_keys, new_key
from tests.edge_requests import (
    asgi_messages,
    asgi_scope,
    asgi_verdict,
    decoded,
    expected,
    tokens_of,
    wsgi_verdict,
)
from tests.edge_vectors import ADDRESS, HEADER, SEGMENT, Vector, token, vectors


@pytest.fixture(scope="module")
def key() -> EdgeKey:
    return edge_keys([new_key("hs256")])[0]


def request_with(text: str, url: str = SEGMENT) -> Vector:
    return Vector("", "", url, [(HEADER, text)])


def websocket(vector: Vector) -> dict[str, Any]:
    """Return the scope of a websocket whose server can answer it with HTTP."""
    extensions: dict[str, Any] = {"websocket.http.response": {}}
    return asgi_scope(vector) | {"type": "websocket", "extensions": extensions}


def test_a_websocket_gets_the_verdicts_of_other_requests(key: EdgeKey) -> None:
    table = [vector for vector in vectors(key) if vector.method == "GET"]
    verdicts = {vector.name: asgi_verdict(websocket(vector), key) for vector in table}
    assert verdicts == decoded(expected(table))


def test_a_refused_websocket_is_closed_where_the_server_cannot_answer_it(
    key: EdgeKey,
) -> None:
    scope = websocket(Vector("", "")) | {"extensions": {}}
    [message] = asgi_messages(scope, key)
    assert message == {"type": "websocket.close", "reason": "missing"}


def test_only_the_start_of_a_server_needs_no_token(key: EdgeKey) -> None:
    called: list[str] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        called.append(scope["type"])

    middleware = EdgeTokensASGI(application, tokens_of(key))
    asyncio.run(middleware({"type": "lifespan"}, None, None))
    with pytest.raises(ValueError, match="webtransport"):
        asyncio.run(middleware({"type": "webtransport"}, None, None))
    assert called == ["lifespan"]


@pytest.mark.parametrize("client", [None, ("", 0), ("unix:", 0)], ids=str)
def test_a_bound_token_is_refused_without_an_address(key: EdgeKey, client: Any) -> None:
    bound = token(key, claims={"network": "127.0.0.0/24"})
    free = token(key)
    no_address = {"client": client}

    verdicts = [
        asgi_verdict(asgi_scope(request_with(text)) | no_address, key)
        for text in (bound, free)
    ]
    assert verdicts == ["refused: wrong-network", f"asked: {SEGMENT}"]


def test_headers_that_are_not_text_are_none_of_the_checks_business(
    key: EdgeKey,
) -> None:
    scope = asgi_scope(request_with(token(key)))
    scope["headers"].append((b"x-\xff", b"\xff"))
    assert asgi_verdict(scope, key) == f"asked: {SEGMENT}"


def test_a_mounted_application_gets_its_own_path(key: EdgeKey) -> None:
    text = token(key)
    seen: list[dict[str, Any]] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(environ)
        return []

    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "/media",
        "PATH_INFO": f"/edge-token/{text}/film-1/a b.ts",
        "QUERY_STRING": "",
        "RAW_URI": f"/media/edge-token/{text}/film-1/a%20b.ts",
        "REMOTE_ADDR": ADDRESS,
    }
    EdgeTokensWSGI(application, tokens_of(key))(environ, lambda *answer: None)

    [passed] = seen
    assert passed["PATH_INFO"] == "/film-1/a b.ts"
    assert passed["RAW_URI"] == "/media/film-1/a%20b.ts"


def test_a_path_of_another_server_is_not_taken_for_the_one_that_was_sent(
    key: EdgeKey,
) -> None:
    scope = asgi_scope(request_with(token(key))) | {"path": "/film-2/seg-1.ts"}
    assert asgi_verdict(scope, key) == "refused: wrong-stream"


def test_no_event_loop_waits_for_keys(key: EdgeKey) -> None:
    known_keys = tokens_of(key).keys
    ticks: list[float] = []

    async def scene() -> str:
        waited = asyncio.Event()
        loop = asyncio.get_running_loop()

        def slow_keys() -> Any:
            # The keys arrive once the loop has run something else.
            asyncio.run_coroutine_threadsafe(waited.wait(), loop).result(5)
            return known_keys()

        async def tick() -> None:
            ticks.append(loop.time())
            waited.set()

        tokens = replace(tokens_of(key), keys=slow_keys)
        answers: list[Any] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            answers.append(scope["path"])

        scope = asgi_scope(request_with(token(key)))
        middleware = EdgeTokensASGI(application, tokens)
        await asyncio.gather(middleware(scope, None, None), tick())
        return str(answers[0])

    assert asyncio.run(scene()) == SEGMENT
    assert len(ticks) == 1


def test_a_decoded_path_that_is_not_text_is_refused(key: EdgeKey) -> None:
    vector = request_with(token(key), "/film-1/%ff.ts")
    assert wsgi_verdict(vector, key, has_raw_uri=False) == "refused: bad-path"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:0:12::1", "2001:db8:0:12::/64"),
        ("2001:DB8::1", "2001:db8:0:0::/64"),
        ("unix:", ""),
    ],
    ids=["IPv4", "IPv4 in IPv6", "IPv6", "upper case", "not an address"],
)
def test_a_network_is_a_24_of_ipv4_and_a_64_of_ipv6(address: str, network: str) -> None:
    assert network_of(address) == network
