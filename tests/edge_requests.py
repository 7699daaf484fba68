"""Sends vectors to validators, and returns their verdicts."""

import asyncio
import http.client
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from clients.edge.middleware import EdgeTokens, EdgeTokensASGI, EdgeTokensWSGI, keys_in
from streams.edge_keys import EdgeKey
from tests.edge_vectors import (
    ADDRESS,
    AUDIENCE,
    HEADER,
    ISSUER,
    SKEW_SECONDS,
    Vector,
    jwks,
)

type Verdicts = dict[str, str]
"""The verdict of each vector: `refused: REASON`, `answered: STATUS` or `asked: URL`."""


def expected(table: Iterable[Vector]) -> Verdicts:
    return {vector.name: vector.verdict for vector in table}


def decoded(verdicts: Verdicts) -> Verdicts:
    """Return the verdicts with decoded URLs, as applications see them."""
    return {name: unquote(verdict) for name, verdict in verdicts.items()}


def tokens_of(*keys: EdgeKey) -> EdgeTokens:
    return EdgeTokens(
        keys_in(jwks(*keys)),
        issuer=["https://the-url-before.example.com", ISSUER],
        audience=AUDIENCE,
        skew_seconds=SKEW_SECONDS,
    )


def url_of(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path


def verdict_of(status: int, headers: Any, body: str) -> str:
    """Return the verdict that an answer contains."""
    if status == 200:
        return f"asked: {body}"

    assert headers["cache-control"] == "no-store"
    if status == 204:
        assert headers["access-control-allow-origin"] == "*"
        assert headers["access-control-allow-methods"] == "GET"
        assert headers["access-control-allow-headers"] == "x-edge-token"
        return "answered: 204"
    assert status == 403
    return f"refused: {headers['x-edge-token-refused']}"


# --- WSGI -----------------------------------------------------------------------


def origin(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer with the URL of the request."""
    assert "HTTP_X_EDGE_TOKEN" not in environ
    start_response("200 OK", [("Content-Type", "text/plain")])
    path = environ["PATH_INFO"].encode("latin-1").decode()
    url = url_of(path, environ["QUERY_STRING"])
    assert unquote(environ.get("RAW_URI", url)) == url
    return [url.encode()]


def wsgi_verdict(vector: Vector, key: EdgeKey, *, has_raw_uri: bool = True) -> str:
    """Return the verdict of the WSGI middleware, under a server such as gunicorn."""
    path, _, query = vector.url.partition("?")
    environ = {
        "REQUEST_METHOD": vector.method,
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "REMOTE_ADDR": ADDRESS,
    }
    if has_raw_uri:
        environ["RAW_URI"] = vector.url
    for name, value in vector.headers:
        variable = f"HTTP_{name.upper().replace('-', '_')}"
        values = [environ[variable], value] if variable in environ else [value]
        environ[variable] = ",".join(values)

    answers: list[tuple[str, list[tuple[str, str]]]] = []
    middleware = EdgeTokensWSGI(origin, tokens_of(key))
    body = middleware(environ, lambda *answer: answers.append(answer))
    [(status, pairs)] = answers
    headers = {name.lower(): value for name, value in pairs}
    return verdict_of(int(status[:3]), headers, b"".join(body).decode())


# --- ASGI -----------------------------------------------------------------------


async def asgi_origin(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the URL of the request."""
    assert HEADER.lower().encode() not in dict(scope["headers"])
    assert scope["edge.claims"]["sub"]
    assert unquote(scope["raw_path"].decode()) == scope["path"]
    await send({"status": 200, "headers": []})
    await send({"body": url_of(scope["path"], scope["query_string"].decode()).encode()})


def asgi_scope(vector: Vector) -> dict[str, Any]:
    path, _, query = vector.url.partition("?")
    headers = [
        (name.lower().encode(), value.encode()) for name, value in vector.headers
    ]
    return {
        "type": "http",
        "method": vector.method,
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": headers,
        "client": (ADDRESS, 5),
    }


def asgi_messages(scope: dict[str, Any], key: EdgeKey) -> list[dict[str, Any]]:
    """Return the messages that a server receives."""
    messages: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    middleware = EdgeTokensASGI(asgi_origin, tokens_of(key))
    asyncio.run(middleware(scope, None, send))
    return messages


def asgi_verdict(scope: dict[str, Any], key: EdgeKey) -> str:
    """Return the verdict of the ASGI middleware."""
    start, body = asgi_messages(scope, key)
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return verdict_of(start["status"], headers, body["body"].decode())


# --- HTTP -----------------------------------------------------------------------


def http_verdict(url: str, vector: Vector) -> str:
    """Return a server's verdict. The path is sent as it is, without normalisation."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.putrequest(vector.method, vector.url)
    for name, value in vector.headers:
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()

    if answer.status == 400:
        return "refused: bad-path"  # by the server itself
    return verdict_of(answer.status, answer.headers, body)
