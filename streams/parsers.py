"""Request bodies: JSON, UTF-8, small."""

import json
import re
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

MAX_BODY_BYTES = 16 * 1024
"""A start with a hundred ids to replace fits."""


class PayloadTooLarge(APIException):
    """The body is over `MAX_BODY_BYTES`."""

    status_code = 413
    default_detail = f"The body is over {MAX_BODY_BYTES} bytes. Send less."


class StrictJSONParser(BaseParser):
    """JSON as RFC 8259 has it, and stricter where parsers differ (RFC 7493): UTF-8 only, no NaN, no name twice, no half
    of a surrogate pair in a name, no nesting that runs the parser out of stack, nothing oversize."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The value in the body, or `ParseError` or `PayloadTooLarge`."""
        body = stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise PayloadTooLarge
        try:
            return _DECODER.decode(body.decode("utf-8"))
        except UnicodeDecodeError as exc:
            raise ParseError(f"The body is not UTF-8 (byte {exc.start}).") from exc
        except RecursionError as exc:
            raise ParseError("The body is nested too deep.") from exc
        except ValueError as exc:
            raise ParseError(f"The body is not JSON: {exc}.") from exc


class PlainTextJSONParser(StrictJSONParser):
    """The same JSON called text, as a page that is being left sends it: for that a browser asks no leave first."""

    media_type = "text/plain"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a name is there twice in one object")
    if _SURROGATE.search("".join(members)):
        raise ValueError("a name holds half of a surrogate pair")
    return members


_SURROGATE = re.compile("[\ud800-\udfff]")
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_object)
