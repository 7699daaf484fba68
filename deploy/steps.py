"""What a plan is made of."""

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from click import ClickException


class Busy(ClickException):
    """Another run is at the same thing at the same time."""


AT_ONCE = re.compile(
    r"AlreadyExists|Conflict|Concurrent|Duplicate|InUse|LimitExceeded|OptimisticLock|already enabled"
)
"""In the code or the message with which AWS refuses what another run does, or has just done."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change: what it is, the value before and after where there is one, and doing it."""

    what: str
    do: Callable[[], Any]
    before: Any = None
    after: Any = None

    @property
    def is_lower(self) -> bool:
        """Whether it takes something away: a number falls, or a thing goes."""
        if isinstance(self.before, (int, float)) and isinstance(
            self.after, (int, float)
        ):
            return self.after < self.before
        return self.before is not None and self.after is None

    def __str__(self) -> str:
        change = (
            ""
            if self.before is None and self.after is None
            else f": {_text(self.before)} -> {_text(self.after)}"
        )
        return f"{'LOWER ' if self.is_lower else ''}{self.what}{change}"


def _text(value: Any) -> str:
    return (
        "none"
        if value is None
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def carry_out(
    plan: Callable[[], list[Step]],
    *,
    say: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Do what is left to do, and whether anything was. Where another run does the same at the same time, what is left
    is planned anew."""
    is_anything, goes = False, TRIES
    while steps := plan():
        is_anything, goes = True, goes - 1
        try:
            for step in steps:
                say(f"{step} … ")
                step.do()
                say("done\n")
            return True
        except (Busy, ClientError) as exc:
            code = exc.response["Error"]["Code"] if isinstance(exc, ClientError) else ""
            if not goes or (code and not AT_ONCE.search(f"{code} {exc}")):
                raise
            say("another run is at it; looking again\n")
            sleep(random.uniform(1, WAIT_SECONDS))
    return is_anything


TRIES, WAIT_SECONDS = 20, 3


def patiently(
    do: Callable[[], object],
    *,
    until_no: type[Exception],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Try again, for a minute, while it raises that exception: what was made a moment ago is not ready at once."""
    for _ in range(TRIES - 1):
        try:
            do()
        except until_no:
            sleep(WAIT_SECONDS)
        else:
            return
    do()
