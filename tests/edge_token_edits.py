"""Tokens that no library makes: their parts change before or after the signature."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def encoded(content: bytes) -> str:
    """Return content in base64url, without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@dataclass(frozen=True)
class Parts:
    """The parts of a token before they are encoded, and the way to sign them."""

    header: bytes
    payload: bytes
    sign: Callable[[bytes], bytes]

    def signed(self, *, padding: str = "") -> str:
        """Return the encoded header and payload."""
        return f"{encoded(self.header)}.{encoded(self.payload)}{padding}"

    def token(self, *, padding: str = "") -> str:
        """Return the signed token."""
        text = self.signed(padding=padding)
        return f"{text}.{encoded(self.sign(text.encode()))}"


def _without_signature_part(parts: Parts) -> str:
    return parts.signed()


def _with_fourth_part(parts: Parts) -> str:
    return f"{parts.token()}.e30"


def _with_altered_signature(parts: Parts) -> str:
    signed, _, signature = parts.token().rpartition(".")
    other = "A" if signature[9] != "A" else "B"
    return f"{signed}.{signature[:9]}{other}{signature[10:]}"


def _with_other_last_bits(parts: Parts) -> str:
    """Return a token whose signature decodes to the same bytes."""
    text = parts.token()
    return text[:-1] + ALPHABET[ALPHABET.index(text[-1]) + 1]


def _in_base64(parts: Parts) -> str:
    """Return a token whose signature has `+` and `/` instead of `-` and `_`."""
    signed, _, signature = parts.token().rpartition(".")
    number = 0
    while not {"-", "_"} & set(signature):
        number += 1
        spaces = b" " * number
        longer = replace(parts, payload=parts.payload + spaces)
        signed, _, signature = longer.token().rpartition(".")
    return f"{signed}.{signature.replace('-', '+').replace('_', '/')}"


def _with_foreign_character(parts: Parts) -> str:
    text = parts.token()
    return f"{text[:-9]}~{text[-9:]}"


def _truncated(parts: Parts) -> str:
    text = parts.token()
    return text[: text.rindex(".") + 41]


def _without_json_header(parts: Parts) -> str:
    return f"film.{parts.token().partition('.')[2]}"


def _with_nested_header(parts: Parts) -> str:
    return replace(parts, header=b"[" * 2000).token()


def _with_other_encoding(parts: Parts) -> str:
    return replace(
        parts, payload=parts.payload.replace(b"film-1", b"film-\xff")
    ).token()


def _too_long(parts: Parts) -> str:
    return replace(parts, payload=parts.payload + b" " * 3100).token()


EDITS: Mapping[str, Callable[[Parts], str]] = {
    "without a signature part": _without_signature_part,
    "with a fourth part": _with_fourth_part,
    "an altered signature": _with_altered_signature,
    "a padded signature": lambda parts: f"{parts.token()}=",
    "a padded payload": lambda parts: parts.token(padding="=="),
    "other bits at the end": _with_other_last_bits,
    "a signature in the alphabet of base64": _in_base64,
    "a character of no alphabet": _with_foreign_character,
    "truncated": _truncated,
    "a header that is not JSON": _without_json_header,
    "a deeply nested header": _with_nested_header,
    "a payload that is not UTF-8": _with_other_encoding,
    "too long": _too_long,
}
"""Edits by their name in the table."""
