"""Maps each error to an RFC 9457 problem.

A problem has the members `type`, `title` and `status`, often `detail`, and further
members of its type. `type` is stable, because programs branch on it. `PROBLEMS` is the
one table: answers, the OpenAPI document and `docs/errors.md` are made from it.
"""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import SystemRandom
from typing import Any

from django.core.exceptions import TooManyFieldsSent
from django.http import Http404, HttpRequest, JsonResponse
from django.urls import get_script_prefix
from rest_framework import exceptions as drf
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from streams import events, languages
from streams.conf import settings
from streams.errors import (
    HeadersTooLarge,
    InvalidRequest,
    InvalidToken,
    IssuerUnavailable,
    ItemUnreadable,
    LengthRequired,
    RequestIncomplete,
    RequestTimedOut,
    StoreContended,
    StoreDown,
    StoreThrottled,
    StoreUnavailable,
    StreamEnded,
    StreamLimitReached,
    StreamNotFound,
    TooManyHeartbeats,
    TooManyStarts,
)
from streams.parsers import PayloadTooLarge
from streams.rules import immutable
from streams.serializers import (
    DenialSerializer,
    EndingSerializer,
    FieldErrorsSerializer,
    Shown,
    serializer_of,
)

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
HELP_PATH = "docs/problems"
"""The page that explains the types, where pages are on."""

_random_seconds = SystemRandom().uniform


@immutable
class Answered:
    """The user and the time (ms) of the request that a problem answers."""

    user_id: str
    now: int


type Members = type[Serializer[Any]]
"""The serializer of a problem's members."""
type Facts = tuple[Mapping[str, Any], Mapping[str, str]]
"""Members and headers of a problem, in addition to the common ones."""


def _no_facts(error: Exception, call: Answered) -> Facts:
    return {}, {}


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem type with its status and title.

    `occurs` says when the service answers with it. `members` describes the members that
    it adds. `facts` returns these members and the headers for an error.
    """

    type: str
    status: int
    title: str
    occurs: str
    facts: Callable[[Any, Answered], Facts] = _no_facts
    members: Members | None = None

    @property
    def member_names(self) -> list[str]:
        """The names of the members that it adds."""
        return [] if self.members is None else list(self.members().fields)


def _invalid_fields(
    error: InvalidRequest | drf.ValidationError, call: Answered
) -> Facts:
    errors: Any = error.errors if isinstance(error, InvalidRequest) else error.detail
    if not isinstance(errors, dict):
        return _invalid("body", errors)

    by_field = {
        "body" if field == "non_field_errors" else field: messages
        for field, messages in errors.items()
    }
    return FieldErrorsSerializer(by_field).data, {}


def _invalid_body(error: drf.ParseError, call: Answered) -> Facts:
    return _invalid("body", [str(error.detail)])


def _invalid_query(error: TooManyFieldsSent, call: Answered) -> Facts:
    return _invalid("query", ["Contains too many parameters."])


def _invalid_token(error: InvalidToken, call: Answered) -> Facts:
    message = (
        "The token is not valid for this stream or was replaced. "
        "Send the token from the latest answer, or start the stream again."
    )
    return _invalid("token", [message])


def _invalid(field: str, messages: list[str]) -> Facts:
    return FieldErrorsSerializer({field: messages}).data, {}


def _media_type(error: drf.UnsupportedMediaType, call: Answered) -> Facts:
    detail = "Send application/json in UTF-8 without Content-Encoding."
    return {"detail": detail}, {}


def _challenge(error: drf.APIException, call: Answered) -> Facts:
    scheme = getattr(error, "auth_header", None) or "Bearer"
    return {}, {"WWW-Authenticate": scheme}


def _denial(error: StreamLimitReached, call: Answered) -> Facts:
    shown = Shown(error, call.user_id, call.now)
    members = serializer_of(DenialSerializer).to_representation(shown)
    # With a limit of 0, waiting does not help.
    if error.retry_at is None:
        return members, {}
    return members, _retry_at(error.retry_at, call)


def _ending(error: StreamEnded, call: Answered) -> Facts:
    return serializer_of(EndingSerializer).to_representation(error), {}


def _rate(error: TooManyStarts | TooManyHeartbeats, call: Answered) -> Facts:
    return {}, _retry_at(error.retry_at, call)


def _throttled(error: Any, call: Answered) -> Facts:
    return {}, _retry_after(error.wait or 1)


def _retry_soon(error: Exception, call: Answered) -> Facts:
    # Random, to spread the retries of many clients.
    return {}, _retry_after(_random_seconds(0, 3))


def _retry_later(error: Exception, call: Answered) -> Facts:
    return {}, _retry_after(_random_seconds(5, 15))


def _retry_at(instant: int, call: Answered) -> Mapping[str, str]:
    return _retry_after((instant - call.now) / 1000)


def _retry_after(seconds: float) -> Mapping[str, str]:
    return {"Retry-After": str(max(1, math.ceil(seconds)))}


def _invalid_request(occurs: str, facts: Callable[[Any, Answered], Facts]) -> Problem:
    return Problem(
        type="invalid-request",
        status=400,
        title="The request is not valid.",
        occurs=occurs,
        facts=facts,
        members=FieldErrorsSerializer,
    )


NOT_FOUND = Problem(
    type="not-found",
    status=404,
    title="The URL does not exist.",
    occurs="The path is not a path of the API.",
)
INTERNAL = Problem(
    type="internal-error",
    status=500,
    title="The service failed. The failure is logged.",
    occurs="A defect of the service or of its configuration.",
)
STORE_UNAVAILABLE = Problem(
    type="store-unavailable",
    status=503,
    title="The database did not answer in time. Retry the request.",
    occurs="DynamoDB did not answer, or its answer was not usable.",
    facts=_retry_soon,
)

PROBLEMS: Mapping[type[Exception], Problem] = {
    InvalidRequest: _invalid_request(
        "An id, a header or a parameter is not valid.",
        _invalid_fields,
    ),
    drf.ValidationError: _invalid_request(
        "A field of the body is missing or not valid.",
        _invalid_fields,
    ),
    drf.ParseError: _invalid_request(
        "The body is not JSON.",
        _invalid_body,
    ),
    TooManyFieldsSent: _invalid_request(
        "The query contains too many parameters.",
        _invalid_query,
    ),
    InvalidToken: _invalid_request(
        "The token of a heartbeat or a stop is not valid for the stream.",
        _invalid_token,
    ),
    drf.NotAuthenticated: Problem(
        type="unauthenticated",
        status=401,
        title="Credentials are missing.",
        occurs="The call requires a bearer token or an API key.",
        facts=_challenge,
    ),
    drf.AuthenticationFailed: Problem(
        type="unauthenticated",
        status=401,
        title="The credentials are not valid.",
        occurs="The bearer token expired or is not valid, or the API key is unknown.",
        facts=_challenge,
    ),
    drf.PermissionDenied: Problem(
        type="forbidden",
        status=403,
        title="The caller does not have permission.",
        occurs="The caller is another user, or lacks the scope for this call.",
    ),
    Http404: NOT_FOUND,
    StreamNotFound: Problem(
        type="stream-not-found",
        status=404,
        title="The stream does not exist or is no longer recorded.",
        occurs="The user has no stream with this id, and no recent ending of it.",
    ),
    drf.MethodNotAllowed: Problem(
        type="method-not-allowed",
        status=405,
        title="The URL does not support this method.",
        occurs="The path exists, but not with this method.",
    ),
    drf.NotAcceptable: Problem(
        type="not-acceptable",
        status=406,
        title="The service answers with JSON, or with HTML for browsers.",
        occurs="`Accept` names only other media types.",
    ),
    RequestIncomplete: Problem(
        type="request-incomplete",
        status=408,
        title="The request did not arrive in time. Send it again.",
        occurs="The last byte did not arrive within 15 seconds of the first.",
    ),
    StreamLimitReached: Problem(
        type="stream-limit-reached",
        status=409,
        title="The user has reached the limit of concurrent streams.",
        occurs="Other live streams use all slots of the plan, or of one of its rules.",
        facts=_denial,
        members=DenialSerializer,
    ),
    StreamEnded: Problem(
        type="stream-ended",
        status=410,
        title="The stream has ended.",
        occurs="The stream was stopped or ended, or another playback has its slot.",
        facts=_ending,
        members=EndingSerializer,
    ),
    LengthRequired: Problem(
        type="length-required",
        status=411,
        title="Send Content-Length instead of Transfer-Encoding.",
        occurs="The server in use cannot read a body of unknown length.",
    ),
    PayloadTooLarge: Problem(
        type="payload-too-large",
        status=413,
        title="The body is too large.",
        occurs="The body is larger than 16 KiB.",
    ),
    drf.UnsupportedMediaType: Problem(
        type="unsupported-media-type",
        status=415,
        title="The body must be application/json.",
        occurs="The body has another media type or encoding.",
        facts=_media_type,
    ),
    TooManyStarts: Problem(
        type="too-many-starts",
        status=429,
        title=(
            "The user starts streams too quickly. Retry after the time in Retry-After."
        ),
        occurs="The user's starts exceed the start rate.",
        facts=_rate,
    ),
    TooManyHeartbeats: Problem(
        type="throttled",
        status=429,
        title="Too many heartbeats. Play on, and retry after the time in Retry-After.",
        occurs="The heartbeats of a playback exceed their rate.",
        facts=_rate,
    ),
    drf.Throttled: Problem(
        type="throttled",
        status=429,
        title="Too many requests. Retry after the time in Retry-After.",
        occurs="API Gateway or the web application firewall limits the caller.",
        facts=_throttled,
    ),
    HeadersTooLarge: Problem(
        type="headers-too-large",
        status=431,
        title="The headers are too large.",
        occurs="Request line and headers have more than 64 KiB.",
    ),
    IssuerUnavailable: Problem(
        type="issuer-unavailable",
        status=503,
        title="The keys of the identity provider are not available. Retry the request.",
        occurs="The identity provider did not answer, so a token cannot be verified.",
        facts=_retry_soon,
    ),
    RequestTimedOut: Problem(
        type="request-timed-out",
        status=503,
        title="The request ran out of time. Retry it.",
        occurs="The request used its time before DynamoDB had time for a call.",
        facts=_retry_soon,
    ),
    ItemUnreadable: Problem(
        type="item-unreadable",
        status=503,
        title=(
            "The stored data of this user cannot be read. An operator must repair it."
        ),
        occurs="Another program changed the user's item. Retries cannot help.",
    ),
    StoreUnavailable: STORE_UNAVAILABLE,
    StoreDown: STORE_UNAVAILABLE,
    StoreThrottled: Problem(
        type="store-unavailable",
        status=503,
        title="The database is overloaded. Retry after the time in Retry-After.",
        occurs="DynamoDB throttled the table.",
        facts=_retry_later,
    ),
    StoreContended: Problem(
        type="store-contended",
        status=503,
        title=(
            "Too many concurrent changes for this user. No change was made. "
            "Retry the request."
        ),
        occurs="Other requests changed the user's item at each attempt to write.",
        facts=_retry_soon,
    ),
}


def problems_by_type() -> Mapping[str, list[Problem]]:
    """Return the problems of each type, ordered by status and type."""
    rows = [*PROBLEMS.values(), INTERNAL]
    rows.sort(key=lambda problem: (problem.status, problem.type))

    by_type: dict[str, list[Problem]] = {}
    for problem in rows:
        by_type.setdefault(problem.type, []).append(problem)
    return by_type


def problem_of(error: Exception) -> Problem:
    """Return the problem of an error's class, or of its nearest base class."""
    problems = (PROBLEMS[base] for base in type(error).__mro__ if base in PROBLEMS)
    return next(problems, INTERNAL)


def help_url(type: str) -> str | None:
    """Return the URL that explains a type, or None if there is no such page."""
    page = settings.PROBLEM_DOCUMENTATION
    if settings.BROWSABLE_API:
        page = get_script_prefix() + HELP_PATH
    return f"{page}#{type}" if page else None


def body_of(problem: Problem, **members: Any) -> dict[str, Any]:
    """Return the JSON body of a problem."""
    return {
        "type": problem.type,
        "title": problem.title,
        "status": problem.status,
        **members,
    }


def plain_response(
    error: Exception, request: HttpRequest | None = None
) -> JsonResponse:
    """Return a problem outside a view, for middleware.

    Without a request it is in English.
    """
    problem = problem_of(error)
    members, headers = problem.facts(error, Answered(user_id="", now=0))
    meta = {} if request is None else request.META
    body, help_headers = _explained(body_of(problem, **members), meta)
    return JsonResponse(
        body,
        status=problem.status,
        headers={**headers, **help_headers},
        content_type=MEDIA_TYPE,
    )


def respond(error: Exception, context: Mapping[str, Any]) -> Response:
    """Handle an exception of a view: return a problem, or a page for a browser."""
    problem = problem_of(error)
    view = context["view"]
    # Only a denial shows the user. Other errors can precede the authentication.
    is_denial = isinstance(error, StreamLimitReached)
    user_id = view.user_id if is_denial else ""
    call = Answered(user_id=user_id, now=getattr(view, "now", 0))
    _log(problem, error)
    _record(error, call)

    members, headers = problem.facts(error, call)
    if isinstance(error, drf.APIException) and isinstance(error.detail, str):
        members = {"detail": error.detail, **members}

    request = context["request"]
    body, help_headers = _explained(body_of(problem, **members), request.META)
    renderer = getattr(request, "accepted_renderer", None)
    is_page = renderer is not None and renderer.format == "api"
    return Response(
        body,
        status=problem.status,
        headers={**headers, **help_headers},
        content_type=None if is_page else MEDIA_TYPE,
    )


def _explained(
    body: dict[str, Any], meta: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a problem in the caller's language, and the headers that say so.

    One of the headers links to the page that explains the problem.
    """
    language = languages.preferred(meta)
    if language != languages.ENGLISH:
        with languages.speaking(language):
            body = _translated(body)

    has_fields = "errors" in body
    shown = languages.languages_of(language, has_fields=has_fields)
    headers = {"Content-Language": ", ".join(shown), "Vary": "Accept-Language"}
    url = help_url(body["type"])
    if url is not None:
        headers["Link"] = f'<{url}>; rel="help"'
    return body, headers


def _translated(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a problem whose texts are in the active language."""
    texts = {
        name: languages.translated(body[name])
        for name in ("title", "detail")
        if name in body
    }
    changed: dict[str, Any] = {**body, **texts}
    if "errors" in body:
        changed["errors"] = _translated_errors(body["errors"])

    rule = body.get("rule")
    if rule and rule["message"]:
        changed["rule"] = {**rule, "message": languages.translated(rule["message"])}
    return changed


def _translated_errors(errors: Any) -> Any:
    """Return the messages of fields, of entries of fields, or one message."""
    if isinstance(errors, dict):
        return {name: _translated_errors(each) for name, each in errors.items()}
    if isinstance(errors, list):
        return [_translated_errors(each) for each in errors]
    return languages.translated(errors)


def _log(problem: Problem, error: Exception) -> None:
    if problem is INTERNAL:
        log.error("unexpected error", exc_info=error)
    elif problem.status == 503:
        log.warning("%s: %s", problem.type, error)


def _record(error: Exception, call: Answered) -> None:
    """Record that a caller's credentials are missing or were rejected."""
    if isinstance(error, drf.NotAuthenticated):
        events.record("credentials-missing", now=call.now)
    elif isinstance(error, drf.AuthenticationFailed):
        events.record(f"credentials-{error.get_codes()}", now=call.now)
