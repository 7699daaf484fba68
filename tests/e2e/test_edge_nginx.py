"""The sample configuration of nginx: files, TLS, addresses and logs."""

import http.client
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.edge_keys import EdgeKey, edge_keys, new_key
from tests.e2e.nginx import TLS_LISTENER, nginx
from tests.edge_vectors import HEADER, SEGMENT, Vector, jwks, token, vectors
from tests.servers import free_port

pytestmark = pytest.mark.node

CERTIFICATE = (
    *("openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "1"),
    *("-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=localhost"),
)


@pytest.fixture(scope="module")
def key() -> EdgeKey:
    return edge_keys([new_key("es256")])[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a certificate, and with media of two streams."""
    folder = tmp_path_factory.mktemp("edge")
    for stream in ("film-1", "film-2"):
        (folder / "media" / stream).mkdir(parents=True)
        (folder / "media" / stream / "seg-1.ts").write_text(f"media of {stream}")

    files = ("-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem"))
    subprocess.run([*CERTIFICATE, *files], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def port(folder: Path, key: EdgeKey) -> Iterator[int]:
    """Yield the port of nginx, which serves IPv6 and IPv4 with TLS."""
    port = free_port()
    changes = {
        TLS_LISTENER: f"listen [::]:{port} ssl ipv6only=off;",
        "/etc/nginx/edge/certificate.pem": str(folder / "cert.pem"),
        "/etc/nginx/edge/certificate.key": str(folder / "key.pem"),
        "/var/www/media": str(folder / "media"),
    }
    with nginx(folder, f"http://127.0.0.1:{port}", jwks(key), changes):
        yield port


def get(port: int, vector: Vector, *, host: str = "127.0.0.1") -> tuple[int, str]:
    """Send a request over TLS, and return the status and the content."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE

    connection = http.client.HTTPSConnection(host, port, timeout=10, context=context)
    connection.putrequest(vector.method, vector.url)
    for name, value in vector.headers:
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read().decode()
    connection.close()
    return answer.status, content


def request_with(text: str, url: str = SEGMENT) -> Vector:
    return Vector("", "", url, [(HEADER, text)])


def test_no_vector_opens_the_media_of_another_stream(port: int, key: EdgeKey) -> None:
    for vector in vectors(key):
        if not vector.verdict.startswith("refused: bad-path"):
            continue
        _, content = get(port, vector)
        assert "media of film-2" not in content, vector.name


def test_media_are_served_over_tls_only(port: int, key: EdgeKey) -> None:
    vector = request_with(token(key))
    assert get(port, vector) == (200, "media of film-1")

    plain = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    plain.request("GET", SEGMENT, headers=dict(vector.headers))
    assert plain.getresponse().status == 400


@pytest.mark.parametrize(
    ("host", "network"),
    [("127.0.0.1", "127.0.0.0/24"), ("::1", "0:0:0:0::/64")],
    ids=["IPv4 in IPv6", "IPv6"],
)
def test_a_bound_token_matches_clients_of_ipv4_and_ipv6(
    port: int, key: EdgeKey, host: str, network: str
) -> None:
    bound = request_with(token(key, claims={"network": network}))
    elsewhere = request_with(token(key, claims={"network": "203.0.113.0/24"}))

    assert get(port, bound, host=host)[0] == 200
    assert get(port, elsewhere, host=host)[0] == 403


def test_no_log_contains_a_token(port: int, key: EdgeKey, folder: Path) -> None:
    text = token(key)
    for url in (
        f"{SEGMENT}?edgeToken={text}",
        f"/edge-token/{text}{SEGMENT}",
        f"/edge-token/{text}/film-1/missing.ts",
        f"/edge-token/{text}/film-2/../seg-1.ts",
        f"/edge%2dtoken/{text}{SEGMENT}",
    ):
        get(port, Vector("", "", url, [("Referer", url)]))

    logs = {file.name: file.read_text() for file in folder.glob("*.log")}
    assert f"GET {SEGMENT} 200" in logs["edge.log"]
    assert "bad-path" in logs["edge.log"]
    assert text not in "".join(logs.values())
