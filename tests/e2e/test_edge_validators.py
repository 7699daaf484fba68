"""The validators of clients/edge, each against the one table of vectors."""

import asyncio
import http.client
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
from deploy.management.commands.keys import new_key
from streams_project.edge_keys import EdgeKey, edge_keys
from tests.conftest import serving
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
from tests.servers import PROJECT, free_port, is_open

CLIENTS = PROJECT / "clients" / "edge"
type Said = tuple[str | None, str | None]
"""Why a request was refused, or what was asked of the origin."""


@pytest.fixture(scope="module", params=["hs256", "es256"])
def key(request: pytest.FixtureRequest) -> EdgeKey:
    return edge_keys([new_key(request.param)])[0]


@pytest.fixture(scope="module")
def secret() -> EdgeKey:
    return edge_keys([new_key("hs256")])[0]


def jwks(*keys: EdgeKey) -> dict[str, Any]:
    """What those who check are given: the published keys, and secrets as `oct` keys."""
    return {
        "keys": [
            key.public
            or {"kty": "oct", "kid": key.kid, "k": encoded(key.private.encode())}
            for key in keys
        ]
    }


def wanted(table: list[Vector]) -> dict[str, Said]:
    return {
        vector.name: (vector.refused, None if vector.refused else vector.asked)
        for vector in table
    }


def by_node(validator: str, table: list[Vector], key: EdgeKey) -> dict[str, Said]:
    asked = {
        "vectors": [vector._asdict() for vector in table],
        "jwks": jwks(key),
        "secrets": {} if key.public else {key.kid: key.private},
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "skewSeconds": SKEW_SECONDS,
        "address": ADDRESS,
    }
    done = subprocess.run(
        [shutil.which("node") or "node", "tests/client/edge-validators.mjs", validator],
        input=json.dumps(asked), cwd=PROJECT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert not any(answer.get("kept") for answer in answers), (
        "the token goes no further"
    )
    assert all(answer["status"] == 403 for answer in answers if "refused" in answer)
    return {
        vector.name: (answer.get("refused"), answer.get("asked"))
        for vector, answer in zip(table, answers, strict=True)
    }


@pytest.mark.node
def test_the_cloudfront_function_passes_every_vector_of_hs256(secret: EdgeKey) -> None:
    table = vectors(secret)
    assert by_node("cloudfront", table, secret) == wanted(table)


def test_the_cloudfront_function_is_under_10_kb_and_uses_nothing_that_its_runtime_has_not() -> (
    None
):
    source = (CLIENTS / "cloudfront-function.js").read_text()
    assert len(source.encode()) < 10_240
    for word in (
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
    ):
        assert word not in source, word
    assert source.count("require(") == 1


@pytest.mark.node
@pytest.mark.parametrize("validator", ["node", "lambda"])
def test_nodes_and_lambdas_validator_pass_every_vector(
    validator: str, key: EdgeKey
) -> None:
    table = vectors(key)
    assert by_node(validator, table, key) == wanted(table)


def over_http(url: str, vector: Vector) -> Said:
    """What a server says, to the path as it is, which other clients would tidy up first."""
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


def origin(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answers with what it was asked for."""
    assert "HTTP_X_EDGE_TOKEN" not in environ
    start_response("200 OK", [("Content-Type", "text/plain")])
    query = environ["QUERY_STRING"]
    path = environ["PATH_INFO"].encode("latin-1").decode()
    return [(path + ("?" + query if query else "")).encode()]


def decoded(said: dict[str, Said]) -> dict[str, Said]:
    return {
        name: (refused, asked and unquote(asked))
        for name, (refused, asked) in said.items()
    }


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
        assert {vector.name: over_http(url, vector) for vector in table} == decoded(
            wanted(table)
        )


def test_the_asgi_middleware_passes_every_vector(key: EdgeKey) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        query = scope["query_string"].decode()
        assert HEADER.lower().encode() not in dict(scope["headers"])
        assert scope.get("edge.claims", {"sub": "x"})["sub"]
        await send({"status": 200, "headers": []})
        await send({"body": scope["path"] + ("?" + query if query else "")})

    async def said(vector: Vector) -> Said:
        path, _, query = vector.url.partition("?")
        headers = [
            (name.lower().encode(), value.encode()) for name, value in vector.headers
        ]
        scope = {
            "type": "http",
            "method": vector.method,
            "path": unquote(path),
            "query_string": query.encode(),
        }
        sent: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        middleware = EdgeTokensASGI(application, tokens_of(key))
        await middleware(
            {**scope, "headers": headers, "client": (ADDRESS, 5)}, None, send
        )
        if sent[0]["status"] == 403:
            return dict(sent[0]["headers"])[b"x-edge-token-refused"].decode(), None
        return None, sent[1]["body"]

    table = vectors(key)
    assert {vector.name: asyncio.run(said(vector)) for vector in table} == decoded(
        wanted(table)
    )


@contextmanager
def nginx(folder: Path, origin_url: str, *keys: EdgeKey) -> Iterator[str]:
    """nginx with the configuration that docs/edge.md shows, in this folder and on a free port, before an origin."""
    port = free_port()
    (folder / "jwks.json").write_text(json.dumps(jwks(*keys)))
    text = (CLIENTS / "nginx.conf").read_text()
    for shown, here in {
        "load_module modules/": "load_module /usr/lib/nginx/modules/",
        "/etc/nginx/edge/jwks.json": str(folder / "jwks.json"),
        "/etc/nginx/edge/nginx.js": str(CLIENTS / "nginx.js"),
        "listen 80;": f"listen 127.0.0.1:{port};",
        "$edge_skew_seconds 0": f"$edge_skew_seconds {SKEW_SECONDS}",
        "root /var/www/media;": f"proxy_pass {origin_url};",
        "events {}": f"events {{}} daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;",
        "http {": f"http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; "
        f"fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;",
    }.items():
        assert shown in text, shown
        text = text.replace(shown, here)
    (folder / "nginx.conf").write_text(text)
    command = [
        shutil.which("nginx") or "/usr/sbin/nginx",
        "-c",
        str(folder / "nginx.conf"),
        "-e",
        str(folder / "error.log"),
    ]
    with subprocess.Popen(command) as process:
        try:
            until = time.monotonic() + 10
            while (
                not is_open(f"http://127.0.0.1:{port}")
                and time.monotonic() < until
                and process.poll() is None
            ):
                pass
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@pytest.mark.node
def test_nginx_passes_every_vector(key: EdgeKey, tmp_path: Path) -> None:
    table = vectors(key)
    with serving(origin) as origin_url, nginx(tmp_path, origin_url, key) as url:
        assert {vector.name: over_http(url, vector) for vector in table} == decoded(
            wanted(table)
        )


def test_keys_that_a_service_publishes_are_read_once_whatever_is_made_up_and_kept_while_it_is_away() -> (
    None
):
    [key], fetched = edge_keys([new_key("es256")]), list[str]()

    def service(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        fetched.append(environ["PATH_INFO"])
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(jwks(key)).encode()]

    with serving(service) as url:
        kept, renewed = (
            keys_at(f"{url}/jwks.json", kept_seconds=seconds) for seconds in (300, 0)
        )
        assert [kept().get(kid) is not None for kid in ("x", key.kid, "y")] == [
            False,
            True,
            False,
        ]
        assert len(fetched) == 1
        assert [len(renewed()), len(renewed()), len(fetched)] == [1, 1, 3]
    assert renewed().keys() == {key.kid}


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:0:12::1", "2001:db8:0:12::/64"),
        ("2001:DB8::1", "2001:db8:0:0::/64"),
        ("unix:", ""),
    ],
)
def test_a_network_is_a_24_of_ipv4_and_a_64_of_ipv6(address: str, network: str) -> None:
    assert network_of(address) == network
