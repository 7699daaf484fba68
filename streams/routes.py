"""The routes of the service, derived from Django's URL resolver.

Code that needs the routes reads them here, so that no second list exists.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
"""A parameter of a Django route, such as `<str:user_id>`."""


@dataclass(frozen=True, slots=True)
class Route:
    """One route.

    `path` begins with a slash and has its parameters in braces:
    `/users/{user_id}/streams`. A route that is reachable with and without a trailing
    slash is two routes.
    """

    name: str | None
    path: str
    callback: Callable[..., Any]

    @property
    def methods(self) -> frozenset[str]:
        """The HTTP methods that the view handles, in upper case.

        Empty for a plain function, which does not declare them.
        """
        # A viewset maps methods to actions. Other class-based views define them.
        actions = getattr(self.callback, "actions", None)
        if actions:
            # REST framework adds HEAD when the view serves its first request.
            return frozenset(name.upper() for name in actions if name != "head")

        view = getattr(self.callback, "view_class", None)
        view = view or getattr(self.callback, "cls", None)
        options = getattr(self.callback, "view_initkwargs", None) or {}
        names = options.get("http_method_names", getattr(view, "http_method_names", ()))
        return frozenset(name.upper() for name in names if hasattr(view, name))

    @property
    def first_segment(self) -> str:
        """The part of the path before the second slash. Empty for the root."""
        return self.path.split("/")[1]


def routes(urlconf: str | None = None) -> list[Route]:
    """Return every route of the project, or of another URLconf, in its order.

    The pattern that answers unknown URLs is not a route.
    """
    return list(_routes(get_resolver(urlconf).url_patterns, prefix="/"))


def first_segments(urlconf: str | None = None) -> set[str]:
    """Return the first segment of every path that is served, static files included."""
    segments = {route.first_segment for route in routes(urlconf)}
    static = (settings.STATIC_URL or "").strip("/").split("/")[-1]
    return {segment for segment in (*segments, static) if segment}


def _routes(
    patterns: list[URLPattern | URLResolver], *, prefix: str
) -> Iterator[Route]:
    for entry in patterns:
        is_unknown_url = not isinstance(entry.pattern, RoutePattern) and not str(
            entry.pattern
        )
        if is_unknown_url:
            continue

        path = prefix + _path(entry)
        if isinstance(entry, URLResolver):
            yield from _routes(entry.url_patterns, prefix=path)
        else:
            yield Route(entry.name, path, entry.callback)


def _path(entry: URLPattern | URLResolver) -> str:
    """Return the path of one entry, without its first slash."""
    text = str(entry.pattern)
    if not isinstance(entry.pattern, RoutePattern):
        # Only routers use regular expressions, and few callers need their routes.
        from django.contrib.admindocs.views import simplify_regex

        text = simplify_regex(text).removeprefix("/")
    return PARAMETER.sub(r"{\1}", text)
