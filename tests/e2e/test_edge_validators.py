"""The validators of clients/edge, each against the one table of vectors."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from streams.edge_keys import EdgeKey, edge_keys, new_key
from tests.e2e.nginx import nginx_with_validator
from tests.edge_requests import (
    Verdicts,
    asgi_scope,
    asgi_verdict,
    decoded,
    expected,
    http_verdict,
    origin,
    wsgi_verdict,
)
from tests.edge_vectors import (
    ADDRESS,
    AUDIENCE,
    ISSUER,
    SKEW_SECONDS,
    Vector,
    jwks,
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


@pytest.fixture(scope="module", params=["hs256", "es256"])
def key(request: pytest.FixtureRequest) -> EdgeKey:
    return edge_keys([new_key(request.param)])[0]


@pytest.fixture(scope="module")
def secret() -> EdgeKey:
    return edge_keys([new_key("hs256")])[0]


def verdicts_of_node(validator: str, table: list[Vector], key: EdgeKey) -> Verdicts:
    """Return the verdicts of a validator that runs in Node."""
    options = {
        "vectors": [vector._asdict() for vector in table],
        "jwks": jwks(key),
        "secrets": {} if key.public else {key.kid: key.private},
        "issuer": ["https://the-url-before.example.com", ISSUER],
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
    verdicts: Verdicts = json.loads(finished.stdout)
    return verdicts


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


def test_the_cloudfront_function_ships_without_a_key() -> None:
    assert "\nvar KEYS = {};\n" in CLOUDFRONT_FUNCTION.read_text()


@pytest.mark.node
@pytest.mark.parametrize("validator", ["node", "lambda"])
def test_the_validators_of_node_and_lambda_pass_every_vector(
    validator: str, key: EdgeKey
) -> None:
    table = vectors(key)
    assert verdicts_of_node(validator, table, key) == expected(table)


@pytest.mark.parametrize("key", ["hs256", "es256", "eddsa"], indirect=True)
def test_the_wsgi_middleware_passes_every_vector(key: EdgeKey) -> None:
    table = vectors(key)
    verdicts = {vector.name: wsgi_verdict(vector, key) for vector in table}
    assert verdicts == decoded(expected(table))


def test_the_wsgi_middleware_serves_no_other_stream_if_it_sees_decoded_paths_only(
    secret: EdgeKey,
) -> None:
    for vector in vectors(secret):
        verdict = wsgi_verdict(vector, secret, has_raw_uri=False)
        is_refused = vector.verdict.startswith("refused")
        if is_refused and not verdict.startswith("refused"):
            assert verdict.startswith("asked: /film-1/"), vector.name


def test_the_asgi_middleware_passes_every_vector(key: EdgeKey) -> None:
    table = vectors(key)
    verdicts = {vector.name: asgi_verdict(asgi_scope(vector), key) for vector in table}
    assert verdicts == decoded(expected(table))


@pytest.mark.node
def test_nginx_passes_every_vector(key: EdgeKey, tmp_path: Path) -> None:
    table = vectors(key)
    with (
        serving(origin) as origin_url,
        nginx_with_validator(tmp_path, origin_url, jwks(key)) as url,
    ):
        verdicts = {vector.name: http_verdict(url, vector) for vector in table}
    assert verdicts == decoded(expected(table))
