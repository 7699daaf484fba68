"""The request that this thread handles: its id, its start time, and its calls.

Log lines and events contain these facts.
"""

import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from django.http import HttpRequest, HttpResponse

from streams.dynamodb import calls

log = logging.getLogger(__name__)

ID = re.compile(r"[A-Za-z0-9._:=;/+@-]{1,64}")
XRAY_TRACE = re.compile(r"(?:^|;)Root=([0-9a-f-]{1,40})")
TRACE_PARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-")
"""Source: https://www.w3.org/TR/trace-context/#traceparent-header"""

_began: ContextVar[float | None] = ContextVar("began", default=None)
_environ: ContextVar[Mapping[str, Any]] = ContextVar("environ")


class CurrentRequest:
    """A context in which this thread handles a request, given as WSGI's environ."""

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self.environ = environ

    def __enter__(self) -> None:
        self.began = _began.set(time.perf_counter())
        self.before = _environ.set(self.environ)
        calls.sent.set(0)

    def __exit__(self, *raised: object) -> None:
        _began.reset(self.began)
        _environ.reset(self.before)


def request_id() -> str | None:
    """Return the id that the request has in other logs, or None.

    The first of these is used: API Gateway's id, which the caller receives; the
    trace id of X-Ray or of W3C Trace Context; `X-Request-Id`; Lambda's id.
    """
    for id in _ids(_environ.get({})):
        if isinstance(id, str) and ID.fullmatch(id):
            return id
    return None


def spent() -> dict[str, Any]:
    """Return what the request used so far, or an empty dictionary outside a request.

    `calls` is the number of calls to DynamoDB, `ms` the time since the start, and
    `request` the id, if the request has one.
    """
    began = _began.get()
    if began is None:
        return {}

    milliseconds = (time.perf_counter() - began) * 1000
    spent: dict[str, Any] = {"calls": calls.sent.get(), "ms": round(milliseconds, 1)}
    id = request_id()
    if id is not None:
        spent["request"] = id
    return spent


def log_requests(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Return a middleware that logs each answer with its route.

    A route contains no user, and the path is never logged.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        match = request.resolver_match
        fields = {
            "method": request.method,
            "route": f"/{match.route if match else ''}",
            "status": response.status_code,
            **spent(),
        }
        fields.pop("request", None)
        log.info("answered", extra={"http": fields})
        return response

    return middleware


def _ids(environ: Mapping[str, Any]) -> Iterator[Any]:
    context = environ.get("apig_wsgi.request_context") or {}
    yield context.get("requestId")
    yield _first_group(XRAY_TRACE.search(environ.get("HTTP_X_AMZN_TRACE_ID", "")))
    yield _first_group(TRACE_PARENT.match(environ.get("HTTP_TRACEPARENT", "")))
    yield environ.get("HTTP_X_REQUEST_ID")
    yield getattr(environ.get("lambda.context"), "aws_request_id", None)


def _first_group(match: re.Match[str] | None) -> str | None:
    return match[1] if match else None
