"""The request at hand, for what is written of it: the id that it has in other logs, when it began, what it took."""

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
TRACE = re.compile(r"(?:^|;)Root=([0-9a-f-]{1,40})")
TRACE_PARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-")
"""Source: https://www.w3.org/TR/trace-context/#traceparent-header"""

_began: ContextVar[float | None] = ContextVar("began", default=None)
_environ: ContextVar[Mapping[str, Any]] = ContextVar("environ")


class AtHand:
    """What happens within is done for this request; `environ` is WSGI's."""

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self.environ = environ

    def __enter__(self) -> None:
        self.before = _began.set(time.perf_counter()), _environ.set(self.environ)
        calls.sent.set(0)

    def __exit__(self, *raised: object) -> None:
        began, environ = self.before
        _began.reset(began)
        _environ.reset(environ)


def request_id() -> str | None:
    """API Gateway's id of the request, which its caller is told; else the trace's, of X-Ray or of W3C Trace Context,
    else the one that whoever sent it gave it (`X-Request-Id`), else Lambda's. None outside of a request, and where
    nobody gave it one."""
    environ = _environ.get({})
    return next(
        (id for id in _ids(environ) if isinstance(id, str) and ID.fullmatch(id)), None
    )


def spent() -> dict[str, Any]:
    """`request`, where it has an id, `calls` that were sent to DynamoDB for it so far, and `ms` since it began; nothing
    outside of a request."""
    if (began := _began.get()) is None:
        return {}
    spent: dict[str, Any] = {
        "calls": calls.sent.get(),
        "ms": round((time.perf_counter() - began) * 1000, 1),
    }
    if (id := request_id()) is not None:
        spent["request"] = id
    return spent


def logged(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware that writes a line for each answer: the route, which names no user, and never the path."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        route = request.resolver_match.route if request.resolver_match else ""
        facts = {
            "method": request.method,
            "route": f"/{route}",
            "status": response.status_code,
            **spent(),
        }
        log.info(
            "answered",
            extra={
                "http": {
                    name: value for name, value in facts.items() if name != "request"
                }
            },
        )
        return response

    return middleware


def _ids(environ: Mapping[str, Any]) -> Iterator[Any]:
    yield (environ.get("apig_wsgi.request_context") or {}).get("requestId")
    yield (TRACE.search(environ.get("HTTP_X_AMZN_TRACE_ID", "")) or [None, None])[1]
    yield (TRACE_PARENT.match(environ.get("HTTP_TRACEPARENT", "")) or [None, None])[1]
    yield environ.get("HTTP_X_REQUEST_ID")
    yield getattr(environ.get("lambda.context"), "aws_request_id", None)
