"""What a plan is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Step:
    """One change: what it is, in words, and doing it."""

    what: str
    do: Callable[[], Any]
