"""Chooses between JSON and a page."""

import re
from collections.abc import Iterable
from functools import lru_cache
from operator import itemgetter
from typing import override

from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

MAX_ACCEPT_CHARACTERS = 1024
"""A browser sends about 150. A longer `Accept` is not parsed and counts as `*/*`."""
PAGE = "text/html"
TYPE = re.compile(r"[\w.+-]+/[\w.+-]+")
JSON = re.compile(r"(application|text)/([\w.-]+\+)?json")
QUALITY = re.compile(r"\bq\s*=\s*(1|0?\.\d{1,3}|0)")

type Ranges = tuple[tuple[str, float], ...]
"""The media ranges of an `Accept` in its order, each with its quality."""

EVERYTHING: Ranges = (("*/*", 1.0),)


class JSONOrPage(DefaultContentNegotiation):
    """Answers with a page if `Accept` names `text/html` and prefers it, else with JSON.

    A wildcard (`text/*`) or an invalid range counts as JSON. An `Accept` that names
    only other types is a 406. With pages, `?format=json` selects JSON.

    REST framework's own negotiation ignores `q`, and looks up each codec that a
    parameter names, which Python then caches without limit.
    """

    @override
    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        json, *others = renderers
        pages = [renderer for renderer in others if renderer.media_type == PAGE]
        page = pages[0] if pages else None

        if page and _is_json_requested(request, json.format):
            return json, str(json.media_type)

        candidates = _candidates(_ranges_of(request), json=json, page=page)
        # The first of equal candidates wins.
        renderer, quality = max(candidates, key=itemgetter(1), default=(json, 0.0))
        if quality == 0:
            raise NotAcceptable(available_renderers=[json, *pages])
        return renderer, str(renderer.media_type)


def _candidates(
    ranges: Ranges, *, json: BaseRenderer, page: BaseRenderer | None
) -> list[tuple[BaseRenderer, float]]:
    """Return the renderer and the quality of each range that has a renderer.

    A wildcard or an invalid range counts as JSON, unless a range names JSON.
    """
    is_json_named = any(JSON.fullmatch(name) for name, _ in ranges)
    candidates = []
    for name, quality in ranges:
        is_other_type = is_json_named or TYPE.fullmatch(name)
        if name == PAGE and page:
            candidates.append((page, quality))
        elif JSON.fullmatch(name) or not is_other_type:
            candidates.append((json, quality))

    return candidates


def _is_json_requested(request: Request, json_format: str | None) -> bool:
    """Return whether the query asks for JSON. Most queries need no parsing."""
    if "format=" not in request.META.get("QUERY_STRING", ""):
        return False
    return request.query_params.get("format") == json_format


def _ranges_of(request: Request) -> Ranges:
    accept: str = request.META.get("HTTP_ACCEPT", "")
    if len(accept) > MAX_ACCEPT_CHARACTERS:
        return EVERYTHING
    return _parse(accept)


@lru_cache(maxsize=128)  # clients send the same few
def _parse(accept: str) -> Ranges:
    ranges = []
    for part in accept.lower().split(","):
        name, _, parameters = part.partition(";")
        match = QUALITY.search(parameters)
        quality = float(match[1]) if match else 1.0
        ranges.append((name.strip(), quality))

    return tuple(ranges)
