"""Headers that a caller controls: idempotency keys, headers of proxies, hosts."""

import httpx
import pytest

from streams.models import UserStreams
from tests.http.requests_by_hand import OTHER_HOST, VICTIM, send_bytes, start_request
from tests.viewer import Viewer

pytestmark = pytest.mark.usefixtures("service_unharmed")


@pytest.mark.parametrize(
    "key",
    [
        b"a\r\n Set-Cookie: evil=1",
        b"a\r\n\tX-Evil: 1",
        b"a%0d%0aX-Evil:1",
        b"a\nX-Evil: 1\n",
        b"a\rX-Evil: 1",
        b"a\x00b",
        b'a"b',
        b"a;b",
        b"a,b",
        b'"',
        b"..",
        b"\xe5\x98\x8a\xe5\x98\x8dX-Evil: 1",
        b"=?utf-8?q?=0d=0aX-Evil:1?=",
    ],
)
def test_an_idempotency_key_cannot_add_a_header_to_the_answer(
    viewer: Viewer, server_url: str, key: bytes
) -> None:
    statuses, answer = send_bytes(
        server_url,
        start_request(viewer, b"Idempotency-Key: " + key, b"Content-Length: 18"),
    )
    head = answer.partition(b"\r\n\r\n")[0].lower()

    assert b"x-evil" not in head
    assert b"set-cookie" not in head
    assert statuses[0] in (201, 400)
    assert viewer.list()["active"] == (statuses[0] == 201)


def test_two_idempotency_keys_are_rejected(viewer: Viewer, server_url: str) -> None:
    statuses, _ = send_bytes(
        server_url,
        start_request(
            viewer, b"Idempotency-Key: a", b"Idempotency-Key: b", b"Content-Length: 18"
        ),
    )

    assert statuses == [400]
    assert UserStreams.count(viewer.user_id) == 0


PROXY_HEADERS = {
    "X-Forwarded-Host": OTHER_HOST,
    "X-Forwarded-Server": OTHER_HOST,
    "X-Forwarded-For": f"127.0.0.1, {OTHER_HOST}",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Port": "1",
    "X-Forwarded-Prefix": f"//{OTHER_HOST}",
    "X-Script-Name": f"//{OTHER_HOST}",
    "Script-Name": f"//{OTHER_HOST}",
    "Forwarded": f"for=127.0.0.1;host={OTHER_HOST};proto=https",
    "X-Host": OTHER_HOST,
    "X-Original-URL": f"/users/{VICTIM}/streams",
    "X-Rewrite-URL": f"/users/{VICTIM}/streams",
    "X-Original-Method": "DELETE",
    "X-Forwarded-User": VICTIM,
    "X-Remote-User": VICTIM,
    "Remote-User": VICTIM,
    "X-Amzn-Oidc-Identity": VICTIM,
}


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
@pytest.mark.parametrize(("header", "value"), PROXY_HEADERS.items(), ids=PROXY_HEADERS)
def test_the_header_of_an_absent_proxy_has_no_effect(
    viewer: Viewer, header: str, value: str, accept: str
) -> None:
    answer = viewer.api.put(
        f"{viewer.url}/tv",
        json={"streamId": "456"},
        headers={header: value, "Accept": accept},
    )

    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{viewer.url}/tv"
    assert OTHER_HOST not in answer.text
    assert viewer.list()["active"] == 1


@pytest.mark.parametrize(
    "host",
    [
        OTHER_HOST,
        "",
        "localhost, evil.example",
        "localhost\\@evil.example",
        "evil.example#localhost",
        "[::1",
        "127.0.0.1:x",
    ],
)
def test_an_unknown_host_is_rejected(
    viewer: Viewer, server_url: str, host: str
) -> None:
    statuses, answer = send_bytes(
        server_url, f"GET {viewer.url} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    )

    assert statuses == [400]
    assert b'"Host"' in answer


def test_only_a_health_check_may_use_another_host(
    viewer: Viewer, server_url: str
) -> None:
    def status(path: str, *hosts: str) -> list[int]:
        head = "".join(f"Host: {host}\r\n" for host in hosts)
        return send_bytes(server_url, f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())[0]

    for hosts in (
        ["10.0.3.7"],
        ["10.0.3.7:8000"],
        [OTHER_HOST],
        [],
        ["localhost", "localhost"],
        ["localhost", OTHER_HOST],
    ):
        assert status("/healthz", *hosts) == status("/healthz/", *hosts) == [200]

    for hosts in (
        ["10.0.3.7"],
        [OTHER_HOST],
        ["localhost", "localhost"],
        ["localhost", OTHER_HOST],
    ):
        for path in (
            "/readyz/x",
            viewer.url,
            "/console",
            "/",
            "/static/streams/style.css",
            "/healthz//",
            "/healthz/x",
        ):
            assert status(path, *hosts) == [400]


@pytest.mark.parametrize(
    "host", ["10.0.3.7", "10.0.3.7:8000", "[fd00::7]", "[fd00::7]:8000"]
)
@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_the_readiness_of_an_instance_is_answered_at_its_address(
    server_url: str, host: str, accept: str
) -> None:
    headers = {"Host": host, "Accept": accept}
    for path in ("/readyz", "/readyz/"):
        assert httpx.get(server_url + path, headers=headers).status_code == 200


def test_the_readiness_of_an_instance_is_answered_without_a_host(
    server_url: str,
) -> None:
    assert send_bytes(server_url, b"GET /readyz HTTP/1.0\r\n\r\n")[0] == [200]


@pytest.mark.parametrize(
    "host",
    [
        "10.0.3.7.evil.example",
        "10.0.3",
        "167772935",
        "0xa.0.3.7",
        "[fd00::7",
        "fd00::7",
        "10.0.3.7:x",
        "10.0.3.7, 10.0.3.8",
    ],
)
def test_a_name_that_is_no_address_is_refused(server_url: str, host: str) -> None:
    answer = httpx.get(f"{server_url}/readyz", headers={"Host": host})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "host", ["LOCALHOST", "LocalHost:80", "localhost.", "127.0.0.1", "[::1]:8000"]
)
def test_a_host_may_be_in_capitals_and_have_a_port(server_url: str, host: str) -> None:
    assert send_bytes(
        server_url, f"GET /users/u/streams HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    )[0] == [200]
