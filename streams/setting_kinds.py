"""Kinds of settings: the values that a setting may have, in Python and as text."""

import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any, override
from urllib.parse import SplitResult, urlsplit

QUOTES = "\"'`“”‘’«»"
BRACKETS = ("[", "(", "{", "<", "${")
"""Beginnings of a list, of an example, or of a variable that was not replaced."""
WRONG_ENDS = (";", "\\", ")", "}", ">")
INVISIBLE_CATEGORIES = ("Cc", "Cf", "Cs")
"""Unicode categories of control characters, format characters and surrogates."""
INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", re.ASCII)
HOST_NAME = re.compile(
    r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
    r"(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*",
    re.ASCII | re.IGNORECASE,
)
MIN_SECONDS = 0.001
"""The shortest time that is not 0: times are stored in milliseconds."""


class Fault(ValueError):
    """The fault of a value, as text that does not contain the value."""


class Kind[Value](ABC):
    """The values of a setting.

    `description` completes the sentence "Set it to …". An error never contains the
    value of a secret kind.
    """

    description: str
    is_secret = False

    @abstractmethod
    def check(self, value: Any) -> Value:
        """Return a valid value, or raise `ValueError`, which can be a `Fault`."""

    def parse(self, text: str) -> Value:
        """Return the value that a text stands for, or raise `ValueError`."""
        return self.check(text)


class Flag(Kind[bool]):
    """Yes or no."""

    description = "1 or 0"
    WORDS = {  # noqa: RUF012
        "1": True,
        "true": True,
        "yes": True,
        "on": True,
        "0": False,
        "false": False,
        "no": False,
        "off": False,
    }

    @override
    def check(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError
        return value

    @override
    def parse(self, text: str) -> bool:
        if text.lower() not in self.WORDS:
            raise ValueError
        return self.WORDS[text.lower()]


class Integer(Kind[int]):
    """An integer between two bounds, which it may equal."""

    def __init__(self, low: int, high: int) -> None:
        self.low = low
        self.high = high
        self.description = f"an integer from {low} to {high}"

    @override
    def check(self, value: Any) -> int:
        if type(value) is not int or not self.low <= value <= self.high:
            raise ValueError
        return value

    @override
    def parse(self, text: str) -> int:
        if not INTEGER.fullmatch(text):
            raise ValueError
        return self.check(int(text))


class Seconds(Kind[float]):
    """A number of seconds between two bounds, which it may equal."""

    def __init__(self, low: int, high: int) -> None:
        self.low = low
        self.high = high
        self.description = f"a number of seconds from {low} to {high}"

    @override
    def check(self, value: Any) -> float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not self.low <= value <= self.high:
            raise ValueError
        if 0 < value < MIN_SECONDS:
            raise Fault(
                f"{value} is too short. Set it to 0, or to {MIN_SECONDS} or more"
            )
        return float(value)

    @override
    def parse(self, text: str) -> float:
        if not NUMBER.fullmatch(text):
            raise ValueError
        return self.check(float(text))


class Choice(Kind[str]):
    """One of several words."""

    def __init__(self, *choices: str, aliases: Mapping[str, str] | None = None) -> None:
        self.choices = choices
        self.aliases = aliases or {}
        self.description = f"one of {', '.join(choices)}"

    @override
    def check(self, value: Any) -> str:
        if value not in self.choices:
            raise ValueError
        return str(value)

    @override
    def parse(self, text: str) -> str:
        """Return the word that the text is in another case, such as `info`."""
        word = self.aliases.get(text.lower(), text)
        for choice in self.choices:
            if choice.lower() == word.lower():
                return choice
        raise ValueError


class Text(Kind[str]):
    """Text of one line without quotes, in a form that a pattern describes."""

    def __init__(
        self,
        description: str = "text",
        pattern: str = r"[^\n]*",
        *,
        is_secret: bool = False,
    ) -> None:
        self.description = description
        self.is_secret = is_secret
        self.pattern = re.compile(pattern)

    @override
    def check(self, value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError
        text = value.strip()
        _check_quotes(text)
        if not self.is_secret:
            _check_characters(text)
        if text and not self.pattern.fullmatch(text):
            raise ValueError
        return text


class OptionalText(Kind[str | None]):
    """Text, or None."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self.description = text.description

    @override
    def check(self, value: Any) -> str | None:
        return None if value is None else self.text.check(value) or None


class Name(Text):
    """A name, or a URL that serves as one: compared exactly, and without blanks."""

    def __init__(self, description: str) -> None:
        super().__init__(description, r"\S+")

    @override
    def check(self, value: Any) -> str:
        text = super().check(value)
        _check_brackets(text)
        if text.startswith(("https:", "http:")):
            check_url(text)
        return text


class UrlOrFile(Text):
    """A URL, or the path of a file."""

    def __init__(self, description: str) -> None:
        super().__init__(description, r"\S+")

    @override
    def check(self, value: Any) -> str:
        text = super().check(value)
        if "://" in text:
            check_url(text)
        return text


class Url(Text):
    """The URL of a server."""

    def __init__(self, description: str) -> None:
        super().__init__(description, r"\S+")

    @override
    def check(self, value: Any) -> str:
        text = super().check(value)
        if not text:
            return text

        parts = check_url(text)
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise Fault("the URL has a path, a query or a fragment. Remove it")
        return text


class PageUrl(Text):
    """The URL of a page."""

    def __init__(self, description: str) -> None:
        super().__init__(description, r"\S+")

    @override
    def check(self, value: Any) -> str:
        text = super().check(value)
        if text and check_url(text).fragment:
            raise Fault("the URL has a fragment. Remove it")
        return text


class ExistingFile(Kind[str | None]):
    """The path of a file that exists, or None."""

    def __init__(self, description: str) -> None:
        self.description = description

    @override
    def check(self, value: Any) -> str | None:
        path = OptionalText(Text(self.description)).check(value)
        if path is not None and not Path(path).is_file():
            raise Fault(f"{path!r} is not a file. Set it to {self.description}")
        return path


class Texts(Kind[list[str]]):
    """A list of texts; as one text, separated by commas."""

    def __init__(
        self, description: str = "a comma-separated list", *, is_secret: bool = False
    ) -> None:
        self.description = description
        self.is_secret = is_secret

    @override
    def check(self, value: Any) -> list[str]:
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise ValueError
        texts = list(value)
        if not all(isinstance(text, str) for text in texts):
            raise ValueError
        if self.is_secret:
            for text in texts:
                _check_wrapping_quotes(text)
            return texts

        texts = [text.strip() for text in texts]
        for text in texts:
            _check_quotes(text)
            _check_characters(text)
        return texts

    @override
    def parse(self, text: str) -> list[str]:
        return self.check(comma_separated(text))


class Names(Texts):
    """A list of names, or one text with names that are separated by commas."""

    @override
    def check(self, value: Any) -> list[str]:
        entries = comma_separated(value) if isinstance(value, str) else value
        name = Name(self.description)
        names = [name.check(text) for text in super().check(entries)]
        return [text for text in names if text]


def comma_separated(text: str) -> list[str]:
    """Return the parts of a comma-separated text, without spaces and empty parts."""
    parts = [part.strip() for part in text.split(",")]
    return [part for part in parts if part]


def _check_quotes(text: str) -> None:
    """Refuse quotes around a value, which a shell or a file did not remove."""
    if text and (text[0] in QUOTES or text[-1] in QUOTES):
        raise Fault("the value begins or ends with a quote. Remove the quotes")


def _check_wrapping_quotes(text: str) -> None:
    """Refuse a secret in quotes. One quote can be a part of a secret."""
    if len(text) > 1 and text[0] in QUOTES and text[-1] in QUOTES:
        raise Fault("a value begins and ends with a quote. Remove the quotes")


def _check_characters(text: str) -> None:
    """Refuse characters that a reader does not see."""
    if any(unicodedata.category(each) in INVISIBLE_CATEGORIES for each in text):
        raise Fault("the value contains an invisible character. Type it again")


def _check_brackets(text: str) -> None:
    """Refuse brackets around a value, and what follows it in another notation."""
    if text.startswith(BRACKETS) or text.endswith(WRONG_ENDS):
        raise Fault(
            "the value has a bracket, a semicolon or a backslash around it. Write "
            "only the value, and commas between several"
        )


def check_url(text: str) -> SplitResult:
    """Return the parts of a URL of a server.

    Raises:
        Fault: the scheme, the host or the port cannot be right.
    """
    _check_brackets(text)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as exc:
        raise Fault("the URL has no valid host and port") from exc

    if not text.startswith(("https://", "http://")):
        raise Fault("the URL does not begin with https:// or http:// in lower case")
    if "@" in parts.netloc or not is_host(parts.hostname or "") or port == 0:
        raise Fault("the URL has no valid host and port")
    return parts


def is_host(text: str) -> bool:
    """Return whether a text is a host name or an address."""
    if ":" not in text:
        return bool(HOST_NAME.fullmatch(text))
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return "%" not in text


REGION = r"[a-z]{2,3}(-[a-z]+)+-\d+"
TABLE = r"[A-Za-z0-9_.-]{3,255}|arn:aws[\w-]*:dynamodb:\S+:table/[A-Za-z0-9_.-]+"
