"""A server of Node.js that answers requests and websockets behind the check."""

import http.client
import json
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from streams.edge_keys import EdgeKey, edge_keys, new_key
from tests.edge_vectors import AUDIENCE, HEADER, ISSUER, SEGMENT, jwks, token
from tests.servers import PROJECT

pytestmark = pytest.mark.node

SERVER = """
import { createServer } from "node:http";
import { edgeTokens, guarded, guardedUpgrade } from "./clients/edge/node.mjs";
const [jwks, issuer, audience] = process.argv.slice(1);
const check = edgeTokens({ keys: JSON.parse(jwks), issuer, audience });
const server = createServer(guarded(check, (request, response) =>
  response.end(request.url)));
const accepted = "HTTP/1.1 101 Switching Protocols\\r\\nX-Asked: ";
server.on("upgrade", guardedUpgrade(check, (request, socket) =>
  socket.end(`${accepted}${request.url}\\r\\n\\r\\n`)));
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
"""
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket"}


@pytest.fixture(scope="module")
def key() -> EdgeKey:
    return edge_keys([new_key("es256")])[0]


@pytest.fixture(scope="module")
def port(key: EdgeKey) -> Iterator[int]:
    command = [shutil.which("node") or "node", "--input-type=module", "-e", SERVER]
    arguments = [json.dumps(jwks(key)), ISSUER, AUDIENCE]
    with subprocess.Popen(
        [*command, *arguments], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def answer(port: int, method: str, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, SEGMENT, headers=names)
    return connection.getresponse()


def test_a_websocket_needs_a_token(port: int, key: EdgeKey) -> None:
    refused = answer(port, "GET", **UPGRADE)
    passed = answer(port, "GET", **UPGRADE, **{HEADER: token(key)})

    assert (refused.status, refused.headers["X-Edge-Token-Refused"]) == (403, "missing")
    assert (passed.status, passed.headers["X-Asked"]) == (101, SEGMENT)


def test_a_preflight_is_answered_without_the_application(port: int) -> None:
    preflight = answer(
        port,
        "OPTIONS",
        Origin="https://a.example.com",
        Access_Control_Request_Method="GET",
    )
    other = answer(port, "OPTIONS")

    assert preflight.status == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    assert other.status == 403


def test_a_request_with_a_token_reaches_the_application(
    port: int, key: EdgeKey
) -> None:
    passed = answer(port, "GET", **{HEADER: token(key)})
    assert (passed.status, passed.read().decode()) == (200, SEGMENT)
