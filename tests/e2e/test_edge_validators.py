"""The validators of clients/edge, each against the one table of vectors."""

import asyncio
import http.client
import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from clients.edge.middleware import (
    EdgeTokens,
    EdgeTokensASGI,
    EdgeTokensWSGI,
    keys_at,
    keys_in,
    network_of,
)
from streams.edge_keys import EdgeKey, edge_keys, new_key
from tests.e2e.nginx import nginx_with_validator
from tests.edge_vectors import (
    ADDRESS,
    AUDIENCE,
    HEADER,
    ISSUER,
    SKEW_SECONDS,
    Vector,
    encoded,
    vectors,
)
from tests.servers import PROJECT
from tests.wsgi_servers import serving

CLOUDFRONT_FUNCTION = PROJECT / "clients" / "edge" / "cloudfront-function.js"
MAX_CLOUDFRONT_BYTES = 10_240
UNSUPPORTED_BY_CLOUDFRONT = (
    "import ",
    "eval",
    "new Function",
    "setTimeout",
    "fetch",
    "process",
    "class ",
    "...",
    "?.",
    "=>",
)

type Verdict = tuple[str | None, str | None]
"""The reason of a refusal, and the URL that the origin receives."""
type Verdicts = dict[str, Verdict]


@pytest.fixture(scope="module", params=["hs256", "es256"])
def key(request: pytest.FixtureRequest) -> EdgeKey:
    return edge_keys([new_key(request.param)])[0]


@pytest.fixture(scope="module")
def secret() -> EdgeKey:
    return edge_keys([new_key("hs256")])[0]


def jwks(*keys: EdgeKey) -> dict[str, Any]:
    """Return the keys for a validator: published keys, and secrets as `oct` keys."""
    return {"keys": [key.public or secret_jwk(key) for key in keys]}


def secret_jwk(key: EdgeKey) -> dict[str, str]:
    return {"kty": "oct", "kid": key.kid, "k": encoded(key.private.encode())}


def expected(table: Iterable[Vector]) -> Verdicts:
    """Return the verdict that each vector must get."""
    verdicts: Verdicts = {}
    for vector in table:
        forwarded = None if vector.refused else vector.asked
        verdicts[vector.name] = (vector.refused, forwarded)
    return verdicts


def decoded(verdicts: Verdicts) -> Verdicts:
    """Return the verdicts with decoded URLs, as applications see them."""
    return {
        name: (refused, url and unquote(url))
        for name, (refused, url) in verdicts.items()
    }


def verdicts_of_node(validator: str, table: list[Vector], key: EdgeKey) -> Verdicts:
    """Return the verdicts of a validator that runs in Node."""
    options = {
        "vectors": [vector._asdict() for vector in table],
        "jwks": jwks(key),
        "secrets": {} if key.public else {key.kid: key.private},
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "skewSeconds": SKEW_SECONDS,
        "address": ADDRESS,
    }
    node = shutil.which("node") or "node"
    finished = subprocess.run(
        [node, "tests/client/edge-validators.mjs", validator],
        input=json.dumps(options),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert finished.returncode == 0, finished.stderr

    answers = json.loads(finished.stdout)
    has_token = any(answer.get("kept") for answer in answers)
    assert not has_token, "the origin must not receive the token"
    assert all(answer["status"] == 403 for answer in answers if "refused" in answer)
    return {
        vector.name: (answer.get("refused"), answer.get("asked"))
        for vector, answer in zip(table, answers, strict=True)
    }


@pytest.mark.node
def test_the_cloudfront_function_passes_every_vector_of_hs256(secret: EdgeKey) -> None:
    table = vectors(secret)
    assert verdicts_of_node("cloudfront", table, secret) == expected(table)


def test_the_cloudfront_function_fits_its_runtime() -> None:
    source = CLOUDFRONT_FUNCTION.read_text()
    assert len(source.encode()) < MAX_CLOUDFRONT_BYTES
    for word in UNSUPPORTED_BY_CLOUDFRONT:
        assert word not in source, word
    assert source.count("require(") == 1


@pytest.mark.node
@pytest.mark.parametrize("validator", ["node", "lambda"])
def test_the_validators_of_node_and_lambda_pass_every_vector(
    validator: str, key: EdgeKey
) -> None:
    table = vectors(key)
    assert verdicts_of_node(validator, table, key) == expected(table)


def verdict_over_http(url: str, vector: Vector) -> Verdict:
    """Return a server's verdict. The path is sent as it is, without normalisation."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.putrequest(vector.method, vector.url)
    for name, value in vector.headers:
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()

    if answer.status == 403:
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.headers["X-Edge-Token-Refused"], None
    return None, body


def verdicts_over_http(url: str, table: Iterable[Vector]) -> Verdicts:
    return {vector.name: verdict_over_http(url, vector) for vector in table}


def origin(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer with the URL of the request."""
    assert "HTTP_X_EDGE_TOKEN" not in environ
    start_response("200 OK", [("Content-Type", "text/plain")])
    path = environ["PATH_INFO"].encode("latin-1").decode()
    return [url_of(path, environ["QUERY_STRING"]).encode()]


def url_of(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path


def tokens_of(*keys: EdgeKey) -> EdgeTokens:
    return EdgeTokens(
        keys_in(jwks(*keys)),
        issuer=ISSUER,
        audience=AUDIENCE,
        skew_seconds=SKEW_SECONDS,
    )


@pytest.mark.parametrize("key", ["hs256", "es256", "eddsa"], indirect=True)
def test_the_wsgi_middleware_passes_every_vector(key: EdgeKey) -> None:
    table = vectors(key)
    with serving(EdgeTokensWSGI(origin, tokens_of(key))) as url:
        assert verdicts_over_http(url, table) == decoded(expected(table))


async def asgi_origin(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the URL of the request."""
    assert HEADER.lower().encode() not in dict(scope["headers"])
    assert scope.get("edge.claims", {"sub": "x"})["sub"]
    await send({"status": 200, "headers": []})
    await send({"body": url_of(scope["path"], scope["query_string"].decode())})


async def asgi_verdict(vector: Vector, key: EdgeKey) -> Verdict:
    """Return the verdict of the ASGI middleware."""
    path, _, query = vector.url.partition("?")
    scope = {
        "type": "http",
        "method": vector.method,
        "path": unquote(path),
        "query_string": query.encode(),
        "headers": [
            (name.lower().encode(), value.encode()) for name, value in vector.headers
        ],
        "client": (ADDRESS, 5),
    }
    messages: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    middleware = EdgeTokensASGI(asgi_origin, tokens_of(key))
    await middleware(scope, None, send)
    if messages[0]["status"] == 403:
        headers = dict(messages[0]["headers"])
        return headers[b"x-edge-token-refused"].decode(), None
    return None, messages[1]["body"]


def test_the_asgi_middleware_passes_every_vector(key: EdgeKey) -> None:
    table = vectors(key)
    verdicts = {vector.name: asyncio.run(asgi_verdict(vector, key)) for vector in table}
    assert verdicts == decoded(expected(table))


@pytest.mark.node
def test_nginx_passes_every_vector(key: EdgeKey, tmp_path: Path) -> None:
    table = vectors(key)
    with (
        serving(origin) as origin_url,
        nginx_with_validator(tmp_path, origin_url, jwks(key)) as url,
    ):
        assert verdicts_over_http(url, table) == decoded(expected(table))


def test_published_keys_are_read_once_and_kept_while_the_service_is_silent() -> None:
    [key] = edge_keys([new_key("es256")])
    requests: list[str] = []

    def service(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        requests.append(environ["PATH_INFO"])
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(jwks(key)).encode()]

    with serving(service) as url:
        kept = keys_at(f"{url}/jwks.json", kept_seconds=300)
        is_known = [kept().get(kid) is not None for kid in ("x", key.kid, "y")]
        assert is_known == [False, True, False]
        assert len(requests) == 1

        not_kept = keys_at(f"{url}/jwks.json", kept_seconds=0)
        assert [len(not_kept()), len(not_kept()), len(requests)] == [1, 1, 3]
    assert not_kept().keys() == {key.kid}


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
