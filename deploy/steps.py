"""What a plan is made of."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Step:
    """One change: what it is, in words, and doing it."""

    what: str
    do: Callable[[], Any]


TRIES, WAIT_SECONDS = 20, 3


def patiently(
    do: Callable[[], object], *, until_no: type[Exception], sleep: Callable[[float], None] = time.sleep
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
