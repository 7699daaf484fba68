"""Middleware: limits of requests, and the caching of answers."""

import re
from collections.abc import Callable
from ipaddress import ip_address

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse

from streams.conf import settings
from streams.errors import InvalidRequest
from streams.problems import plain_response

type Next = Callable[[HttpRequest], HttpResponse]

ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<v4>[0-9.]+))(?::\d{1,5})?")
LIVENESS = ("/healthz", "/healthz/")
"""Answered under every name: a load balancer may send any."""
PROBES = ("/readyz", "/readyz/", "/metrics", "/metrics/")
"""Answered at the address of an instance too, as Kubernetes and Prometheus ask."""


def bounded_path(get_response: Next) -> Next:
    """Reject a path that is too long before routing."""

    def middleware(request: HttpRequest) -> HttpResponse:
        longest = settings.MAX_PATH_CHARACTERS
        if len(request.path_info) > longest:
            error = f"Must have at most {longest} characters."
            return plain_response(InvalidRequest(path=error), request)

        return get_response(request)

    return middleware


def only_allowed_hosts(get_response: Next) -> Next:
    """Reject a request for another host.

    Links in pages, and caches between client and service, would otherwise repeat the
    host that the client sent.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path_info in LIVENESS:
            return get_response(request)
        if request.path_info in PROBES and _names_an_address(request):
            return get_response(request)

        try:
            request.get_host()
        except DisallowedHost:
            error = (
                "This service does not serve this host. "
                "An operator can add it to ALLOWED_HOSTS."
            )
            return plain_response(InvalidRequest(Host=error), request)

        return get_response(request)

    return middleware


def _names_an_address(request: HttpRequest) -> bool:
    """Return whether the host is an IP address. No DNS name can point to it."""
    meta = request.META
    host = ADDRESS.fullmatch(meta.get("HTTP_HOST") or meta.get("SERVER_NAME", ""))
    if host is None:
        return False
    try:
        ip_address(host["v6"] or host["v4"])
    except ValueError:
        return False
    return True


def never_stored(get_response: Next) -> Next:
    """Forbid caching of each answer that does not set Cache-Control itself.

    Static files set it. Other answers depend on the caller or the time.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return middleware
