"""What every request meets before its view, and every answer after it."""

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse

from streams.errors import InvalidRequest
from streams.problems import plain_response

type Next = Callable[[HttpRequest], HttpResponse]


def bounded_path(get_response: Next) -> Next:
    """Refuses a path that is too long, before any route is tried."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if len(request.path_info) > settings.MAX_PATH_CHARACTERS:
            return plain_response(
                InvalidRequest(
                    path=f"Must be at most {settings.MAX_PATH_CHARACTERS} characters."
                )
            )
        return get_response(request)

    return middleware


def only_allowed_hosts(get_response: Next) -> Next:
    """Refuses a request for another host: links in pages and caches in front would otherwise carry it on. Not a health
    check: a load balancer sends its own to an address."""

    def middleware(request: HttpRequest) -> HttpResponse:
        try:
            if request.path_info not in ("/healthz", "/healthz/"):
                request.get_host()
        except DisallowedHost:
            return plain_response(
                InvalidRequest(
                    Host="Not a host of this service. Add it to ALLOWED_HOSTS if it is."
                )
            )
        return get_response(request)

    return middleware


def never_stored(get_response: Next) -> Next:
    """Says of every answer that no cache may keep it, unless it says itself for how long (a static file does): the
    others depend on the caller or the moment."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return middleware
