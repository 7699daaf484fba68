"""Kinds of settings: the values that a setting may have, in Python and as text."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, override


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


class Text(Kind[str]):
    """Text of one line."""

    def __init__(self, description: str = "text") -> None:
        self.description = description

    @override
    def check(self, value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError
        return value.strip()


class OptionalText(Kind[str | None]):
    """Text of one line, or None."""

    def __init__(self, description: str = "text") -> None:
        self.description = description

    @override
    def check(self, value: Any) -> str | None:
        if value is not None and not isinstance(value, str):
            raise ValueError
        return (value or "").strip() or None


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
        return texts

    @override
    def parse(self, text: str) -> list[str]:
        return self.check(comma_separated(text))


def comma_separated(text: str) -> list[str]:
    """Return the parts of a comma-separated text, without spaces and empty parts."""
    parts = [part.strip() for part in text.split(",")]
    return [part for part in parts if part]
