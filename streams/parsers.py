"""Parses request bodies."""

import json
import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

MAX_BODY_BYTES = 16 * 1024
"""A start that replaces a hundred streams fits."""
SURROGATE = re.compile("[\ud800-\udfff]")


class PayloadTooLarge(APIException):
    """The body is larger than `MAX_BODY_BYTES`."""

    status_code = 413
    default_detail = f"The body is larger than {MAX_BODY_BYTES} bytes."


class StrictJSONParser(BaseParser):
    """Parses JSON (RFC 8259) and rejects what parsers interpret differently (RFC 7493).

    A byte order mark is skipped. Rejected are encodings other than UTF-8, NaN and
    infinity, duplicate names, unpaired surrogates in names, nesting that exhausts the
    stack, and large bodies.
    """

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the value in the body.

        Raises:
            ParseError, PayloadTooLarge
        """
        body = stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise PayloadTooLarge

        try:
            return DECODER.decode(body.removeprefix(BOM_UTF8).decode("utf-8"))
        except UnicodeDecodeError as exc:
            raise ParseError(f"The body is not UTF-8 (at byte {exc.start}).") from exc
        except RecursionError as exc:
            raise ParseError("The body is nested too deeply.") from exc
        except ValueError as exc:
            raise ParseError(f"The body is not JSON: {exc}.") from exc


class PlainTextJSONParser(StrictJSONParser):
    """Parses the same JSON sent as `text/plain`.

    A browser sends this type without a preflight request when a page closes.
    """

    media_type = "text/plain"


class CmcdParser(BaseParser):
    """Reads a post of CMCD. The service uses no character outside ASCII."""

    media_type = "application/cmcd"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the text of the body.

        Raises:
            PayloadTooLarge
        """
        body = stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise PayloadTooLarge
        return body.decode("utf-8", errors="replace")


class TextCmcdParser(CmcdParser):
    """Reads a post of CMCD by a player that implements CTA-5004-A."""

    media_type = "text/cmcd"


class PlainTextCmcdParser(CmcdParser):
    """Reads a report that an app sends with `navigator.sendBeacon`."""

    media_type = "text/plain"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("an object contains a name twice")

    if SURROGATE.search("".join(members)):
        raise ValueError("a name contains an unpaired surrogate")
    return members


DECODER = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_object)
