"""Every error is a problem, and one table contains all problems."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest
from rest_framework import exceptions as drf
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from streams import errors, parsers, service
from streams.problems import PROBLEMS, Problem
from tests.builders import asking
from tests.dynamodb_clients import unreachable
from tests.viewer import Viewer

BY_TYPE = {
    "invalid-request": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not-found": 404,
    "stream-not-found": 404,
    "method-not-allowed": 405,
    "not-acceptable": 406,
    "request-incomplete": 408,
    "stream-limit-reached": 409,
    "stream-ended": 410,
    "length-required": 411,
    "payload-too-large": 413,
    "unsupported-media-type": 415,
    "too-many-starts": 429,
    "throttled": 429,
    "headers-too-large": 431,
    "issuer-unavailable": 503,
    "request-timed-out": 503,
    "item-unreadable": 503,
    "store-unavailable": 503,
    "store-contended": 503,
}


def own_errors() -> list[type[Exception]]:
    return [
        value
        for module in (errors, parsers)
        for name, value in inspect.getmembers(module, inspect.isclass)
        if issubclass(value, Exception)
        and value.__module__ == module.__name__
        and value is not errors.StreamsError
    ]


@pytest.mark.parametrize("error", own_errors(), ids=lambda error: error.__name__)
def test_every_error_of_ours_is_in_the_table(error: type[Exception]) -> None:
    assert error in PROBLEMS


@pytest.mark.parametrize(
    "problem", PROBLEMS.values(), ids=[error.__name__ for error in PROBLEMS]
)
def test_every_problem_says_when_it_occurs_in_a_sentence(problem: Problem) -> None:
    for sentence in (problem.title, problem.occurs):
        assert sentence.endswith(".")


def drf_errors(
    base: type[drf.APIException] = drf.APIException,
) -> Iterator[type[drf.APIException]]:
    for error in base.__subclasses__():
        if error.__module__ == drf.__name__:
            yield error
            yield from drf_errors(error)


@pytest.mark.parametrize("error", list(drf_errors()), ids=lambda error: error.__name__)
def test_every_error_of_the_framework_keeps_its_status(
    error: type[drf.APIException],
) -> None:
    missing = {
        drf.NotFound
    }  # raised by nothing here: unknown URLs are Django's Http404
    assert error in missing or PROBLEMS[error].status == error.status_code


def test_the_table_has_the_stable_types_and_no_others() -> None:
    assert {problem.type: problem.status for problem in PROBLEMS.values()} == BY_TYPE


class Failing(APIView):
    permission_classes = ()

    def get(self, request: Any) -> None:
        raise RuntimeError("the password is hunter2")


def test_an_unexpected_error_is_logged_and_its_problem_reveals_no_details(
    caplog: pytest.LogCaptureFixture,
) -> None:
    response = Failing.as_view()(APIRequestFactory().get("/"))
    response.render()
    assert response.status_code == 500
    assert response.data == {
        "type": "internal-error",
        "title": "The service failed. The failure is logged.",
        "status": 500,
    }
    assert "hunter2" in caplog.text


def test_the_answer_to_a_throttled_caller_contains_the_time_of_a_retry() -> None:
    class Throttling(APIView):
        permission_classes = ()

        def get(self, request: Any) -> None:
            raise drf.Throttled(wait=2.3)

    response = Throttling.as_view()(APIRequestFactory().get("/"))
    assert (response.status_code, response["Retry-After"]) == (429, "3")


@pytest.fixture
def no_dynamodb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "store", replace(service.store, call=unreachable()))


@pytest.mark.usefixtures("no_dynamodb")
def test_without_dynamodb_no_stream_is_admitted_and_the_answer_asks_for_a_retry(
    viewer: Viewer,
) -> None:
    response = viewer.start("456")
    assert (response.status_code, response.json()["type"]) == (503, "store-unavailable")
    assert 1 <= int(response.headers["Retry-After"]) <= 3
    assert "127.0.0.1" not in response.text


@pytest.mark.usefixtures("no_dynamodb")
def test_without_dynamodb_the_process_lives_but_is_not_ready(api: httpx.Client) -> None:
    assert [api.get(path).status_code for path in ("/healthz", "/readyz")] == [200, 503]


def test_the_answer_to_a_start_that_rivals_always_beat_asks_for_a_retry(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, ghosts = service.store, [viewer.crashed(id) for id in ("a", "b", "c")]

    def rival_first(operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        ours.start(viewer.user_id, asking("a"), now=ghosts[0].started_at)
        return ours.call(operation, arguments)

    monkeypatch.setattr(
        service, "store", replace(ours, call=rival_first, sleep=lambda seconds: None)
    )
    response = viewer.start("456")
    assert (response.status_code, response.json()["type"]) == (503, "store-contended")
    assert 1 <= int(response.headers["Retry-After"]) <= 3
