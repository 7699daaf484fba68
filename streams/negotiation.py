"""Whether an answer is JSON or a page."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import override

from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

MAX_ACCEPT_CHARACTERS = 1024
"""A browser's has about 150. A longer one is answered in JSON, unread."""
PAGE = "text/html"
TYPE = re.compile(r"[\w.+-]+/[\w.+-]+")
JSON = re.compile(r"(application|text)/([\w.-]+\+)?json")
QUALITY = re.compile(r"\bq\s*=\s*(1|0?\.\d{1,3}|0)")


class JSONOrPage(DefaultContentNegotiation):
    """JSON, or the page that an `Accept` names and wants more, as browsers do.

    A family (`text/*`), or what is no type at all, is answered in JSON; only an `Accept` that names nothing but other
    types is refused. DRF's own negotiation takes no notice of `q`, and looks up whatever codec a parameter of a type
    names, which Python remembers for good.
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
        accept = request.META.get("HTTP_ACCEPT", "")
        ranges = (
            _ranges(accept) if len(accept) <= MAX_ACCEPT_CHARACTERS else (("*/*", 1.0),)
        )
        is_json_named = any(JSON.fullmatch(name) for name, _ in ranges)
        wanted: BaseRenderer | None = None
        most = 0.0
        for name, quality in ranges:
            if quality > most:
                if name == PAGE and pages:
                    wanted, most = pages[0], quality
                elif JSON.fullmatch(name) or not (
                    is_json_named or TYPE.fullmatch(name)
                ):
                    wanted, most = json, quality
        if wanted is None:
            raise NotAcceptable(available_renderers=[json, *pages])
        return wanted, str(wanted.media_type)


@lru_cache(maxsize=128)  # taken apart once: clients send the same few
def _ranges(accept: str) -> tuple[tuple[str, float], ...]:
    """The media ranges of an `Accept`, in its order, each with its quality."""
    ranges = []
    for part in accept.lower().split(","):
        name, _, parameters = part.partition(";")
        quality = QUALITY.search(parameters)
        ranges.append((name.strip(), float(quality[1]) if quality else 1.0))
    return tuple(ranges)
