"""Kinds of settings: the values that a setting may have, in Python and as text."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any, override

QUOTES = "\"'`“”‘’"
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
        "0": False,
        "false": False,
        "no": False,
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
        return self.check(float(text))


class Choice(Kind[str]):
    """One of several words."""

    def __init__(self, *choices: str) -> None:
        self.choices = choices
        self.description = f"one of {', '.join(choices)}"

    @override
    def check(self, value: Any) -> str:
        if value not in self.choices:
            raise ValueError
        return str(value)

    @override
    def parse(self, text: str) -> str:
        """Return the word that the text is in another case, such as `info`."""
        for choice in self.choices:
            if choice.lower() == text.lower():
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


class ExistingPath(Kind[str | None]):
    """The path of a file or folder that exists, or None."""

    def __init__(self, description: str) -> None:
        self.description = description

    @override
    def check(self, value: Any) -> str | None:
        path = OptionalText(Text(self.description)).check(value)
        if path is not None and not Path(path).exists():
            raise Fault(f"{path!r} does not exist. Set it to {self.description}")
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
            return texts

        texts = [text.strip() for text in texts]
        for text in texts:
            _check_quotes(text)
        return texts

    @override
    def parse(self, text: str) -> list[str]:
        return self.check(comma_separated(text))


class Accepted(Texts):
    """The accepted values of a claim: a list, or one text, separated by commas."""

    @override
    def check(self, value: Any) -> list[str]:
        entries = comma_separated(value) if isinstance(value, str) else value
        texts = super().check(entries)
        if any(text[:1] == "[" or text[-1:] == "]" for text in texts):
            raise Fault(
                "the list has brackets. Separate its values by commas, without "
                "brackets and quotes"
            )
        return [text for text in texts if text]


def comma_separated(text: str) -> list[str]:
    """Return the parts of a comma-separated text, without spaces and empty parts."""
    parts = [part.strip() for part in text.split(",")]
    return [part for part in parts if part]


def _check_quotes(text: str) -> None:
    """Refuse quotes around a value, which a shell or a file did not remove."""
    if text and (text[0] in QUOTES or text[-1] in QUOTES):
        raise Fault("the value begins or ends with a quote. Remove the quotes")


URL = r"https?://[^\s/\"'@]+(/\S*)?"
REGION = r"[a-z]{2,3}(-[a-z]+)+-\d+"
TABLE = r"[A-Za-z0-9_.-]{3,255}|arn:aws[\w-]*:dynamodb:\S+:table/[A-Za-z0-9_.-]+"
