"""The request at hand, for what is written of it: the id that it has in other logs, when it began, what it took."""

import re
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from streams.storage import calls

ID = re.compile(r"[A-Za-z0-9._:=;/+@-]{1,64}")
TRACE = re.compile(r"(?:^|;)Root=([0-9a-f-]{1,40})")

_began: ContextVar[float | None] = ContextVar("began", default=None)
_environ: ContextVar[Mapping[str, Any]] = ContextVar("environ")


def begin(environ: Mapping[str, Any]) -> None:
    """A request begins; `environ` is WSGI's."""
    _began.set(time.perf_counter())
    _environ.set(environ)
    calls.sent.set(0)


def request_id() -> str | None:
    """API Gateway's id of the request, which its caller is told; else X-Ray's of the trace, else the one that whoever
    sent it gave it (`X-Request-Id`), else Lambda's. None outside of a request, and where nobody gave it one."""
    environ = _environ.get({})
    return next((id for id in _ids(environ) if isinstance(id, str) and ID.fullmatch(id)), None)


def spent() -> dict[str, Any]:
    """`request`, where it has an id, `calls` that were sent to DynamoDB for it so far, and `ms` since it began; nothing
    outside of a request."""
    if (began := _began.get()) is None:
        return {}
    spent = {"calls": calls.sent.get(), "ms": round((time.perf_counter() - began) * 1000, 1)}
    id = request_id()
    return spent if id is None else {"request": id, **spent}


def _ids(environ: Mapping[str, Any]) -> Iterator[Any]:
    yield (environ.get("apig_wsgi.request_context") or {}).get("requestId")
    yield (TRACE.search(environ.get("HTTP_X_AMZN_TRACE_ID", "")) or [None, None])[1]
    yield environ.get("HTTP_X_REQUEST_ID")
    yield getattr(environ.get("lambda.context"), "aws_request_id", None)
