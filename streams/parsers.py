"""Request bodies: JSON, UTF-8, small."""

import json
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

BODY_AT_MOST_BYTES = 16 * 1024
"""A start with a hundred ids to replace fits."""


class PayloadTooLarge(APIException):
    """The body is over `BODY_AT_MOST_BYTES`."""

    status_code = 413
    default_detail = f"The body is over {BODY_AT_MOST_BYTES} bytes. Send less."


class StrictJSONParser(BaseParser):
    """JSON as RFC 8259 has it: UTF-8 only, no NaN, no nesting that runs the parser out of stack, nothing oversize."""

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """The value in the body, or `ParseError` or `PayloadTooLarge`."""
        body = stream.read(BODY_AT_MOST_BYTES + 1)
        if len(body) > BODY_AT_MOST_BYTES:
            raise PayloadTooLarge
        try:
            return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
        except UnicodeDecodeError as exc:
            raise ParseError(f"The body is not UTF-8 (byte {exc.start}).") from exc
        except RecursionError as exc:
            raise ParseError("The body is nested too deep.") from exc
        except ValueError as exc:
            raise ParseError(f"The body is not JSON: {exc}.") from exc


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
