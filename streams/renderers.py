"""Writes the JSON of answers."""

from collections.abc import Mapping
from typing import Any, override

import orjson
from rest_framework import renderers


class JSONRenderer(renderers.JSONRenderer):
    """Compact JSON in UTF-8, written by orjson."""

    @override
    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        if data is None:
            return b""

        # Field errors can have integer keys. Django's messages are lazy strings.
        return orjson.dumps(data, default=str, option=orjson.OPT_NON_STR_KEYS)
