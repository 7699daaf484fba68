"""Bodies of unknown length, and requests that the server refuses as problems."""

from typing import Any

import httpx
import pytest

from streams.wsgi import bounded
from streams_project.http_server import MAX_BODY_BYTES
from tests.http.requests_by_hand import assert_problem
from tests.sockets import Caller, in_chunks, post
from tests.viewer import Viewer
from tests.wsgi_servers import serving

BODY = b'{"streamId":"456","deviceId":"tv"}'
CHUNKED = "Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    "body",
    [
        in_chunks(BODY),
        in_chunks(BODY[:5], BODY[5:]),
        in_chunks(*(BODY[number : number + 1] for number in range(len(BODY)))),
        b"%x;name=value\r\n%s\r\n0\r\nX-Trailer: 1\r\n\r\n" % (len(BODY), BODY),
    ],
    ids=["one chunk", "two chunks", "a chunk for each byte", "extension and trailer"],
)
def test_a_body_of_unknown_length_is_read(
    viewer: Viewer, server_url: str, body: bytes
) -> None:
    caller = Caller(server_url).send(post(viewer.url, CHUNKED, body=body))
    answer = caller.answer()
    assert (answer.status_code, answer.json()["id"]) == (201, "tv")


def test_the_connection_of_a_chunked_request_can_be_used_again(
    viewer: Viewer, server_url: str
) -> None:
    start = post(viewer.url, CHUNKED, body=in_chunks(BODY))
    caller = Caller(server_url)
    statuses = [caller.send(start).answer().status_code for _ in range(2)]
    assert statuses == [201, 200]


def test_an_empty_chunked_body_of_a_delete_is_no_body(
    viewer: Viewer, server_url: str
) -> None:
    viewer.started(deviceId="tv")
    delete = post(f"{viewer.url}/tv", CHUNKED, body=in_chunks())
    caller = Caller(server_url).send(delete.replace(b"POST", b"DELETE", 1))
    assert caller.answer().status_code == 204
    assert viewer.list()["active"] == 0


def test_a_chunked_body_of_a_delete_is_refused(viewer: Viewer, server_url: str) -> None:
    viewer.started(deviceId="tv")
    delete = post(f"{viewer.url}/tv", CHUNKED, body=in_chunks(b"{}"))
    caller = Caller(server_url).send(delete.replace(b"POST", b"DELETE", 1))
    assert_problem(caller.answer(), 400, "invalid-request", "body")
    assert viewer.list()["active"] == 1


START = "/users/u/streams"
HTTP_1_0 = post(START, CHUNKED, body=in_chunks(BODY)).replace(b"1.1", b"1.0", 1)
MALFORMED = {
    "an unknown coding": post(START, "Transfer-Encoding: gzip, chunked"),
    "a length that is no number": post(START, "Content-Length: -1"),
    "a length of many digits": post(START, "Content-Length: " + "9" * 5000),
    "a chunk without a size": post(START, CHUNKED, body=b"size\r\n\r\n"),
    "a length and chunks": post(START, "Content-Length: 4", CHUNKED),
    "chunks in HTTP/1.0": HTTP_1_0,
    "an unknown version": b"GET /healthz HTTP/9.9\r\n\r\n",
    "another protocol": b"\x16\x03\x01\x02\r\n\r\n",
    "a header without a colon": b"GET /healthz HTTP/1.1\r\nHost\r\n\r\n",
    "a URL that cannot be parsed": b"GET http://[ HTTP/1.1\r\n\r\n",
}
"""Requests without a meaning, or with more than one."""


@pytest.mark.parametrize("size", [20_000, MAX_BODY_BYTES + 1, 1_000_000])
@pytest.mark.parametrize(
    "is_chunked", [False, True], ids=["with a length", "in chunks"]
)
def test_a_large_body_is_a_problem(
    server_url: str, size: int, is_chunked: bool
) -> None:
    body = b" " * size
    request = post(START, f"Content-Length: {size}", body=body)
    if is_chunked:
        request = post(START, CHUNKED, body=in_chunks(body))

    caller = Caller(server_url).send(request)
    assert_problem(caller.answer(), 413, "payload-too-large")


def test_large_headers_are_a_problem(server_url: str) -> None:
    caller = Caller(server_url).send(post(START, "X: " + "x" * 70_000))
    assert_problem(caller.answer(), 431, "headers-too-large")


@pytest.mark.parametrize("request_", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_request_is_a_problem(server_url: str, request_: bytes) -> None:
    caller = Caller(server_url).send(request_)
    assert_problem(caller.answer(), 400, "invalid-request")


@pytest.mark.parametrize("name", ["a length and chunks", "chunks in HTTP/1.0"])
def test_a_refusal_ends_the_connection(server_url: str, name: str) -> None:
    hidden = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    caller = Caller(server_url).send(MALFORMED[name] + hidden)
    assert caller.answer().headers["Connection"] == "close"
    assert caller.rest() == b""


def test_a_client_gets_100_only_if_its_body_is_wanted(
    viewer: Viewer, server_url: str
) -> None:
    expect = "Expect: 100-continue"
    wanted = Caller(server_url).send(
        post(viewer.url, expect, f"Content-Length: {len(BODY)}")
    )
    assert wanted.answer().status_code == 100
    assert wanted.send(BODY).answer().status_code == 201

    too_large = post(viewer.url, expect, "Content-Length: 1000000")
    assert Caller(server_url).send(too_large).answer().status_code == 413

    without_body = post(f"{viewer.url}/tv/stop", expect, "Content-Length: 0")
    assert Caller(server_url).send(without_body).answer().status_code == 400


def test_the_application_sees_the_headers_of_proxies() -> None:
    def forwarded_for(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["HTTP_X_FORWARDED_FOR"].encode()]

    with serving(forwarded_for) as url:
        answer = httpx.get(url, headers={"X-Forwarded-For": "192.0.2.7"})
    assert answer.text == "192.0.2.7"


CALLS = {
    "an answer with a body": (b"GET", "/healthz", 200),
    "an answer without one": (b"DELETE", "/streams/tv", 204),
    "a problem of the API": (b"GET", "/streams/none", 404),
    "a HEAD request": (b"HEAD", "/healthz", 200),
}


@pytest.mark.parametrize(("method", "path", "status"), CALLS.values(), ids=CALLS)
def test_a_connection_stays_open_after(
    viewer: Viewer, server_url: str, method: bytes, path: str, status: int
) -> None:
    viewer.started(deviceId="tv")
    if path.startswith("/streams"):
        path = f"/users/{viewer.user_id}{path}"
    request = post(path).replace(b"POST", method, 1)
    caller = Caller(server_url)
    for _ in range(2):
        answer = caller.send(request).answer(has_body=method != b"HEAD")
        assert answer.status_code == status
        assert "Connection" not in answer.headers


# --- other servers -------------------------------------------------------------------


def seen_by_django(environ: dict[str, Any]) -> dict[str, Any]:
    bounded(lambda environ, start_response: [])(environ, lambda *answer: None)
    return environ


class Body:
    """The input of a server that ends it where the body ends."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def read(self, size: int) -> bytes:
        part, self.content = self.content[:size], self.content[size:]
        return part


def test_a_server_that_ends_its_input_needs_no_length() -> None:
    environ = seen_by_django(
        {
            "HTTP_TRANSFER_ENCODING": "chunked",
            "wsgi.input_terminated": True,
            "wsgi.input": Body(BODY),
        }
    )
    assert environ["CONTENT_LENGTH"] == str(len(BODY))
    assert environ["wsgi.input"].read() == BODY
    assert "HTTP_TRANSFER_ENCODING" not in environ


def test_no_more_of_a_body_is_read_than_the_api_accepts() -> None:
    content = Body(b" " * 1_000_000)
    seen_by_django(
        {
            "HTTP_TRANSFER_ENCODING": "chunked",
            "wsgi.input_terminated": True,
            "wsgi.input": content,
        }
    )
    assert len(content.content) > 900_000


@pytest.mark.parametrize("method", ["POST", "DELETE", "GET"])
def test_where_the_server_cannot_read_chunks_the_answer_is_411(
    client: Any, method: str
) -> None:
    response = client.generic(
        method, "/users/u/streams", b"", HTTP_TRANSFER_ENCODING="chunked"
    )
    assert response.status_code == 411
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["type"] == "length-required"
