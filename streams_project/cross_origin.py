"""Cross-origin requests: origins of local development, and refused preflights."""

import logging
from collections.abc import Callable
from typing import override

from corsheaders.defaults import default_headers
from corsheaders.middleware import CorsMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

log = logging.getLogger(__name__)

LOOPBACK_ORIGINS = (
    r"^https?://(([a-z0-9-]+\.)*localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$"
)
"""Under open access, web players of this machine may call the service."""

ALLOWED_HEADERS = [
    *default_headers,
    "idempotency-key",
    # Tracing adds these to every request of a page. Without permission for them the
    # browser would not send the request.
    "baggage",
    "sentry-trace",
    "traceparent",
    "tracestate",
    "x-amzn-trace-id",
    "x-request-id",
]
MAX_LOGGED_CHARACTERS = 200
REQUEST_METHOD = "Access-Control-Request-Method"
"""The header that makes a request a preflight."""


class CrossOriginMiddleware(CorsMiddleware):
    """django-cors-headers, without its work for callers that are no web pages.

    To find `Origin`, it makes a mapping of all headers of a request. Apps, TVs and
    servers send no `Origin`.
    """

    @override
    def add_response_headers(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if "HTTP_ORIGIN" in request.META:
            return super().add_response_headers(request, response)

        if self.is_enabled(request):
            # A cache must not give this answer to a page.
            patch_vary_headers(response, ["origin"])
        return response


def log_refused_preflights(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Return a middleware that logs the setting which would permit a preflight."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.method == "OPTIONS" and REQUEST_METHOD in request.headers:
            _log_refusal(request, response)
        return response

    return middleware


def _log_refusal(request: HttpRequest, response: HttpResponse) -> None:
    origin = request.headers.get("Origin", "")[:MAX_LOGGED_CHARACTERS]
    if "Access-Control-Allow-Origin" not in response:
        log.warning(
            "the preflight of %r was refused. Add the origin to CORS_ALLOWED_ORIGINS",
            origin,
        )
        return

    refused = _names(request.headers.get("Access-Control-Request-Headers", ""))
    refused -= _names(response.get("Access-Control-Allow-Headers", ""))
    if refused:
        log.warning(
            "the preflight of %r asks for the headers %s. "
            "Add them to CORS_ALLOW_HEADERS",
            origin,
            ", ".join(sorted(refused))[:MAX_LOGGED_CHARACTERS],
        )


def _names(header: str) -> set[str]:
    return {name.strip().lower() for name in header.split(",") if name.strip()}
