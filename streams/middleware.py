"""Middleware: limits of requests, and the caching of answers."""

from collections.abc import Callable

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse

from streams.conf import settings
from streams.errors import InvalidRequest
from streams.problems import plain_response

type Next = Callable[[HttpRequest], HttpResponse]

HEALTH_CHECKS = ("/healthz", "/healthz/")
"""A load balancer sends them to an address, not to a host name."""


def bounded_path(get_response: Next) -> Next:
    """Reject a path that is too long before routing."""

    def middleware(request: HttpRequest) -> HttpResponse:
        longest = settings.MAX_PATH_CHARACTERS
        if len(request.path_info) > longest:
            error = f"Must have at most {longest} characters."
            return plain_response(InvalidRequest(path=error))

        return get_response(request)

    return middleware


def only_allowed_hosts(get_response: Next) -> Next:
    """Reject a request for another host.

    Links in pages, and caches between client and service, would otherwise repeat the
    host that the client sent.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path_info in HEALTH_CHECKS:
            return get_response(request)

        try:
            request.get_host()
        except DisallowedHost:
            error = (
                "This service does not serve this host. "
                "An operator can add it to ALLOWED_HOSTS."
            )
            return plain_response(InvalidRequest(Host=error))

        return get_response(request)

    return middleware


def never_stored(get_response: Next) -> Next:
    """Forbid caching of each answer that does not set Cache-Control itself.

    Static files set it. Other answers depend on the caller or the time.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return middleware
