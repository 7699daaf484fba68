"""The headers that every answer has: those of Django's security middlewares and of django-cors-headers.

They depend on nothing but the origin that asks and whether it came by https. So the middlewares are asked once for
each, with an empty answer, and what they put on it is remembered: asked each time, they take a tenth of a request."""

from collections.abc import Callable
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string

type Next = Callable[[HttpRequest], HttpResponse]


def remembered(get_response: Next) -> Next:
    """The middlewares of `ANSWER_HEADERS_MIDDLEWARE`, in one."""

    def around(inner: Next) -> Next:
        for name in reversed(settings.ANSWER_HEADERS_MIDDLEWARE):
            inner = import_string(name)(inner)
        return inner

    in_full, on_nothing = around(get_response), around(lambda request: HttpResponse())

    @lru_cache(maxsize=64)  # of origins, which anyone may make up
    def headers(origin: str | None, is_secure: bool) -> list[tuple[str, str]]:
        request = HttpRequest()
        request.method = "GET"
        request.META = {"HTTP_X_FORWARDED_PROTO": "https" if is_secure else "http"}
        if origin is not None:
            request.META["HTTP_ORIGIN"] = origin
        answer = on_nothing(request)
        del answer.headers["Content-Type"]
        return list(answer.headers.items())

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.method == "OPTIONS":  # a preflight is django-cors-headers' to answer
            return in_full(request)
        response = get_response(request)
        for name, value in headers(request.META.get("HTTP_ORIGIN"), request.is_secure()):
            there = response.headers.get(name) if name == "Vary" else None
            response.headers[name] = f"{there}, {value}" if there else value
        return response

    return middleware
