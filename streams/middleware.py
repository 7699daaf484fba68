"""What every request meets before its view."""

from collections.abc import Callable

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse

from streams.errors import InvalidRequest
from streams.problems import plain_response

type Next = Callable[[HttpRequest], HttpResponse]


def only_allowed_hosts(get_response: Next) -> Next:
    """Refuses a request for another host: links in pages and caches in front would otherwise carry it on."""

    def middleware(request: HttpRequest) -> HttpResponse:
        try:
            request.get_host()
        except DisallowedHost:
            return plain_response(InvalidRequest(Host="Not a host of this service. Add it to ALLOWED_HOSTS if it is."))
        return get_response(request)

    return middleware
