"""Open access answers callers on this machine only."""

import json
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from streams_project.open_access import loopback_only
from tests.start_up import started


def answer_to(**environ: Any) -> Any:
    """Return the answer to a request of a caller with this environ."""
    middleware = loopback_only(lambda request: HttpResponse("served"))
    return middleware(RequestFactory().get("/users/ana/streams", **environ))


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"]
)
def test_a_caller_on_this_machine_is_served(address: str) -> None:
    assert answer_to(REMOTE_ADDR=address).content == b"served"


@pytest.mark.parametrize(
    "environ",
    [
        {"REMOTE_ADDR": "172.17.0.1"},
        {"REMOTE_ADDR": "203.0.113.7"},
        {"REMOTE_ADDR": "2001:db8::1"},
        {"REMOTE_ADDR": ""},
        {"REMOTE_ADDR": "unix:"},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "203.0.113.7"},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_FORWARDED": "for=203.0.113.7"},
    ],
    ids=lambda environ: ", ".join(environ.values()),
)
def test_a_caller_on_another_machine_or_behind_a_proxy_is_refused(
    environ: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    answer = answer_to(**environ)
    assert answer.status_code == 403
    assert json.loads(answer.content)["type"] == "forbidden"
    assert "PRIVATE_NETWORK" in caplog.text


def test_only_open_access_depends_on_the_network() -> None:
    assert started({"DEBUG": "1"}).OPEN_ACCESS
    assert not started({"DEBUG": "1"}).PRIVATE_NETWORK
    assert started({"DEBUG": "1", "PRIVATE_NETWORK": "1"}).PRIVATE_NETWORK
