"""What answers are written with."""

from collections.abc import Mapping
from typing import Any, override

import orjson
from rest_framework import renderers


class JSONRenderer(renderers.JSONRenderer):
    """JSON, compact and in UTF-8, by orjson."""

    @override
    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        if data is None:
            return b""
        # A field's errors have numbers for keys, and texts of Django's are made when they are read.
        return orjson.dumps(data, default=str, option=orjson.OPT_NON_STR_KEYS)
