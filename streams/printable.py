"""Text of others on a line of a terminal or of a table."""

import re

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters (Unicode category Cc) and unpaired surrogates."""


def printable(text: str) -> str:
    """Return the text with control characters as escapes, such as `\\x1b`.

    A terminal would obey them, and an unpaired surrogate has no encoding.
    """
    return CONTROL.sub(lambda match: _escape(match[0]), text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()
