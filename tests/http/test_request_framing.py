"""Malformed and oversized requests do no harm, and the service continues.

API Gateway rejects many of them itself. These tests do not rely on it.
"""

import pytest

from tests.http.requests_by_hand import BODY, SMUGGLED, send_bytes, start_request
from tests.viewer import Viewer

pytestmark = pytest.mark.usefixtures("service_unharmed")

CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)


FRAMINGS: dict[str, tuple[list[bytes], bytes]] = {
    "two lengths, the short one first": (
        [b"Content-Length: 18", b"Content-Length: 400"],
        BODY + SMUGGLED,
    ),
    "two lengths, the long one first": (
        [b"Content-Length: 400", b"Content-Length: 18"],
        BODY + SMUGGLED,
    ),
    "a list of lengths": ([b"Content-Length: 18, 400"], BODY + SMUGGLED),
    "a length and chunks": (
        [b"Content-Length: 4", b"Transfer-Encoding: chunked"],
        CHUNKED,
    ),
    "chunks and a length": (
        [b"Transfer-Encoding: chunked", b"Content-Length: 4"],
        CHUNKED,
    ),
    "chunks that end early": (
        [b"Content-Length: 5", b"Transfer-Encoding: chunked"],
        b"0\r\n\r\n" + SMUGGLED,
    ),
    "chunks alone": ([b"Transfer-Encoding: chunked"], CHUNKED),
    "an unknown coding": (
        [b"Transfer-Encoding: xchunked", b"Content-Length: 4"],
        CHUNKED,
    ),
    "a space before the colon": (
        [b"Transfer-Encoding : chunked", b"Content-Length: 4"],
        CHUNKED,
    ),
    "a vertical tab before the coding": (
        [b"Transfer-Encoding:\x0bchunked", b"Content-Length: 4"],
        CHUNKED,
    ),
    "a folded coding": (
        [b"Transfer-Encoding:\r\n chunked", b"Content-Length: 4"],
        CHUNKED,
    ),
    "a folded length": ([b"Content-Length:\r\n 18"], BODY + SMUGGLED),
    "a negative length": ([b"Content-Length: -1"], BODY + SMUGGLED),
    "a length with a sign": ([b"Content-Length: +18"], BODY + SMUGGLED),
    "a hexadecimal length": ([b"Content-Length: 0x12"], BODY + SMUGGLED),
    "a length with an underscore": ([b"Content-Length: 1_8"], BODY + SMUGGLED),
    "an enormous length": ([b"Content-Length: " + b"9" * 30], BODY + SMUGGLED),
    "a length of too many digits": (
        [b"Content-Length: " + b"9" * 5000],
        BODY + SMUGGLED,
    ),
    "no length": ([], BODY + SMUGGLED),
    "a length of zero": ([b"Content-Length: 0"], SMUGGLED),
    "a bare line feed": ([b"X: 1\nContent-Length: 18"], BODY + SMUGGLED),
    "a bare carriage return": ([b"X: 1\rContent-Length: 18"], BODY + SMUGGLED),
    "a NUL": ([b"X: \x001", b"Content-Length: 18"], BODY + SMUGGLED),
    "a header without a name": ([b": 1", b"Content-Length: 18"], BODY + SMUGGLED),
    "a line without a colon": ([b"no header", b"Content-Length: 18"], BODY + SMUGGLED),
    "an underscore for the hyphen": (
        [b"Content_Length: 400", b"Content-Length: 18"],
        BODY + SMUGGLED,
    ),
    "an upgrade": (
        [
            b"Connection: Upgrade, HTTP2-Settings",
            b"Upgrade: h2c",
            b"Content-Length: 18",
        ],
        BODY + SMUGGLED,
    ),
    "keep-alive": (
        [b"Connection: keep-alive", b"Content-Length: 18"],
        BODY + SMUGGLED,
    ),
}


@pytest.mark.parametrize(("headers", "body"), FRAMINGS.values(), ids=FRAMINGS)
def test_a_request_inside_a_request_is_not_executed(
    viewer: Viewer, server_url: str, headers: list[bytes], body: bytes
) -> None:
    statuses, _ = send_bytes(server_url, start_request(viewer, *headers, body=body))
    assert len(statuses) == 1
    assert statuses[0] in (201, 400, 413, 431)
    assert len(viewer.list()["streams"]) == (statuses[0] == 201)


LARGE = {
    "one header of 70 KB": ([b"X: " + b"x" * 70_000], {400, 431}),
    "a name of 70 KB": ([b"x" * 70_000 + b": 1"], {400, 431}),
    "a thousand headers": ([b"X-%d: 1" % number for number in range(1000)], {400, 431}),
    "one header a thousand times": ([b"X: 1"] * 1000, {400, 431}),
    "60 KB of cookies": ([b"Cookie: " + b"a=b;" * 15_000], {400, 431}),
    "60 KB of media types": ([b"Accept: " + b"a/b;q=0.1," * 6000], {400, 431}),
    "an API key of 60 KB": ([b"X-API-Key: " + b"k" * 60_000], {400, 431}),
    "an idempotency key of 60 KB": ([b"Idempotency-Key: " + b"k" * 60_000], {400, 431}),
}


@pytest.mark.parametrize(("headers", "refusals"), LARGE.values(), ids=LARGE)
def test_large_headers_are_rejected_or_ignored(
    viewer: Viewer, server_url: str, headers: list[bytes], refusals: set[int]
) -> None:
    statuses, _ = send_bytes(
        server_url, start_request(viewer, *headers, b"Content-Length: 18")
    )
    active = viewer.list()["active"]

    assert (statuses == [201] and active == 1) or (
        set(statuses) <= refusals and active == 0
    )


@pytest.mark.parametrize(
    "line",
    [
        b"GET",
        b"\x16\x03\x01\x02",
        b"PRI * HTTP/2.0",
        b"GET / HTTP/9.9",
        b"\x00" * 999,
    ],
)
def test_bytes_that_are_not_http_are_refused(server_url: str, line: bytes) -> None:
    statuses, answer = send_bytes(server_url, line + b"\r\n\r\n" + SMUGGLED)
    assert statuses == [400]
    assert b"Content-Type: application/problem+json" in answer
