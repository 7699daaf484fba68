"""The one table from error to HTTP: RFC 9457 problems.

A problem is `{type, title, status, detail}` and members of its own. `type` is stable: programs branch on it.
"""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import SystemRandom
from typing import Any

from django.core.exceptions import TooManyFieldsSent
from django.http import Http404, JsonResponse
from rest_framework import exceptions as drf
from rest_framework.response import Response

from streams import events
from streams.errors import (
    InvalidRequest,
    InvalidToken,
    IssuerUnavailable,
    ItemUnreadable,
    RequestTimedOut,
    StoreContended,
    StoreDown,
    StoreThrottled,
    StoreUnavailable,
    StreamEnded,
    StreamLimitReached,
    StreamNotFound,
    TooManyStarts,
)
from streams.parsers import PayloadTooLarge
from streams.serializers import ending_body, stream_body

log = logging.getLogger(__name__)

_random = SystemRandom().uniform

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Answered:
    """The request a problem answers, as far as problems care: whose streams, and its instant (ms)."""

    user_id: str
    now: int


type Facts = tuple[Mapping[str, Any], Mapping[str, str]]
"""Members and headers a problem has beside those that all have."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One row of the table."""

    type: str
    status: int
    title: str
    facts: Callable[[Any, Answered], Facts] = lambda error, call: ({}, {})


def _field_errors(error: InvalidRequest | drf.ValidationError, call: Answered) -> Facts:
    errors: Any = error.errors if isinstance(error, InvalidRequest) else error.detail
    if not isinstance(errors, dict):
        errors = {"body": errors}
    return {
        "errors": {
            "body" if field == "non_field_errors" else field: why
            for field, why in errors.items()
        }
    }, {}


def _body_error(error: drf.ParseError, call: Answered) -> Facts:
    return {"errors": {"body": [str(error.detail)]}}, {}


def _query_error(error: TooManyFieldsSent, call: Answered) -> Facts:
    return {"errors": {"query": ["Holds too many parameters."]}}, {}


def _not_its_token(error: InvalidToken, call: Answered) -> Facts:
    return {
        "errors": {
            "token": [
                "Not a token of this stream, or an old one. Send the last one that was given."
            ]
        }
    }, {}


def _only_json(error: drf.UnsupportedMediaType, call: Answered) -> Facts:
    return {
        "detail": "Send application/json, in UTF-8 and without a Content-Encoding."
    }, {}


def _challenge(error: drf.APIException, call: Answered) -> Facts:
    return {}, {"WWW-Authenticate": getattr(error, "auth_header", None) or "Bearer"}


def _holders(error: StreamLimitReached, call: Answered) -> Facts:
    streams = [
        stream_body(call.user_id, lease, now=call.now) for lease in error.holders
    ]
    # Without a holder (a limit of 0) no wait helps, so none is named.
    headers = (
        {}
        if error.retry_at is None
        else _retry_after((error.retry_at - call.now) / 1000)
    )
    rule = (
        {"rule": {"name": error.rule.name, "message": error.rule.message}}
        if error.rule
        else {}
    )
    return {
        "limit": error.limit,
        "plan": error.plan,
        **rule,
        "streams": streams,
    }, headers


def _ending(error: StreamEnded, call: Answered) -> Facts:
    return ending_body(error), {}


def _next_start(error: TooManyStarts, call: Answered) -> Facts:
    return {}, _retry_after((error.retry_at - call.now) / 1000)


def _wait(error: Any, call: Answered) -> Facts:
    return {}, _retry_after(error.wait or 1)


def _soon(error: Exception, call: Answered) -> Facts:
    return {}, _retry_after(_random(0, 3))  # not everybody at once


def _later(error: Exception, call: Answered) -> Facts:
    return {}, _retry_after(_random(5, 15))


def _retry_after(seconds: float) -> Mapping[str, str]:
    return {"Retry-After": str(max(1, math.ceil(seconds)))}


NOT_FOUND = Problem("not-found", 404, "There is nothing at this URL")
INTERNAL = Problem("internal-error", 500, "The service failed; the failure is logged")

PROBLEMS: Mapping[type[Exception], Problem] = {
    InvalidRequest: Problem(
        "invalid-request", 400, "The request is malformed", _field_errors
    ),
    drf.ValidationError: Problem(
        "invalid-request", 400, "The request is malformed", _field_errors
    ),
    drf.ParseError: Problem(
        "invalid-request", 400, "The request is malformed", _body_error
    ),
    TooManyFieldsSent: Problem(
        "invalid-request", 400, "The request is malformed", _query_error
    ),
    InvalidToken: Problem(
        "invalid-request", 400, "The request is malformed", _not_its_token
    ),
    drf.NotAuthenticated: Problem(
        "unauthenticated", 401, "Credentials are missing", _challenge
    ),
    drf.AuthenticationFailed: Problem(
        "unauthenticated", 401, "The credentials are not valid", _challenge
    ),
    drf.PermissionDenied: Problem("forbidden", 403, "This caller may not do this"),
    Http404: NOT_FOUND,
    StreamNotFound: Problem(
        "stream-not-found", 404, "The user has no such stream, or it is forgotten"
    ),
    drf.MethodNotAllowed: Problem(
        "method-not-allowed", 405, "This URL does not take this method"
    ),
    drf.NotAcceptable: Problem(
        "not-acceptable", 406, "The service answers in JSON, and in HTML for a browser"
    ),
    StreamLimitReached: Problem(
        "stream-limit-reached",
        409,
        "Every stream the user may watch is in use",
        _holders,
    ),
    StreamEnded: Problem("stream-ended", 410, "The stream is over", _ending),
    PayloadTooLarge: Problem("payload-too-large", 413, "The body is too large"),
    drf.UnsupportedMediaType: Problem(
        "unsupported-media-type", 415, "The body must be application/json", _only_json
    ),
    TooManyStarts: Problem(
        "too-many-starts",
        429,
        "The user's streams start too fast one after another",
        _next_start,
    ),
    drf.Throttled: Problem("throttled", 429, "Too many requests", _wait),
    IssuerUnavailable: Problem(
        "issuer-unavailable",
        503,
        "The issuer's keys cannot be read; nothing is known",
        _soon,
    ),
    RequestTimedOut: Problem(
        "request-timed-out", 503, "The request ran out of time. Retry it.", _soon
    ),
    ItemUnreadable: Problem(
        "item-unreadable",
        503,
        "The stored data of this user cannot be read. An operator must repair it.",
    ),
    StoreUnavailable: Problem(
        "store-unavailable", 503, "The store does not answer; nothing is known", _soon
    ),
    StoreDown: Problem(
        "store-unavailable", 503, "The store does not answer; nothing is known", _soon
    ),
    StoreThrottled: Problem(
        "store-unavailable", 503, "The store is overloaded; nothing is known", _later
    ),
    StoreContended: Problem(
        "store-contended",
        503,
        "Too many writers on this user at once; nothing changed",
        _soon,
    ),
}


def problem_of(error: Exception) -> Problem:
    """The row of an error's class, or of the nearest class it derives from."""
    return next(
        (PROBLEMS[base] for base in type(error).__mro__ if base in PROBLEMS), INTERNAL
    )


def body_of(problem: Problem, **more: Any) -> dict[str, Any]:
    """The JSON body of a problem."""
    return {
        "type": problem.type,
        "title": problem.title,
        "status": problem.status,
        **more,
    }


def plain_response(error: Exception) -> JsonResponse:
    """A problem where there is no view."""
    problem = problem_of(error)
    members, headers = problem.facts(error, Answered(user_id="", now=0))
    body = body_of(problem, **members)
    return JsonResponse(
        body, status=problem.status, headers=dict(headers), content_type=MEDIA_TYPE
    )


def respond(error: Exception, context: Mapping[str, Any]) -> Response:
    """DRF's exception handler: any error as a problem, and as a page for a person in a browser."""
    problem, request = problem_of(error), context["request"]
    if problem is INTERNAL:
        log.error("unexpected error", exc_info=error)
    elif problem.status == 503:
        log.warning("%s: %s", problem.type, error)
    call = Answered(
        user_id=context["kwargs"].get("user_id", ""),
        now=getattr(context["view"], "now", 0),
    )
    if isinstance(error, drf.NotAuthenticated):
        events.record("credentials-missing", now=call.now)
    elif isinstance(error, drf.AuthenticationFailed):
        events.record(f"credentials-{error.get_codes()}", now=call.now)
    members, headers = problem.facts(error, call)
    if isinstance(error, drf.APIException) and isinstance(error.detail, str):
        members = {"detail": error.detail, **members}
    is_page = (
        getattr(request, "accepted_renderer", None)
        and request.accepted_renderer.format == "api"
    )
    return Response(
        body_of(problem, **members),
        status=problem.status,
        headers=dict(headers),
        content_type=None if is_page else MEDIA_TYPE,
    )
