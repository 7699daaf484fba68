"""Named calls of a user with the streams a, b and c."""

from collections.abc import Callable
from typing import Any

from streams.rules import Hold, WhenFull
from tests.builders import asking

Verb = Callable[[Any, str, dict[str, Hold], int], Any]


VERBS: dict[str, Verb] = {
    "start": lambda store, user, holds, now: store.start(
        user, asking("new", now=now, nonce="n"), now=now
    ),
    "start in its own slot": lambda store, user, holds, now: store.start(
        user, asking("a", now=now, nonce="n"), now=now
    ),
    "start that replaces": lambda store, user, holds, now: store.start(
        user,
        asking("new", now=now, nonce="n", replace=("b",)),
        now=now,
    ),
    "renew": lambda store, user, holds, now: store.renew(
        user, "a", hold=holds["a"], now=now
    ),
    "stop": lambda store, user, holds, now: store.stop(
        user, "a", hold=holds["a"], now=now
    ),
    "end": lambda store, user, holds, now: store.stop(user, "b", hold=None, now=now),
    "end all": lambda store, user, holds, now: store.end_all(user, keep="c", now=now),
    "set limit": lambda store, user, holds, now: store.set_limit(
        user,
        limit=1,
        when_full=WhenFull.DENY,
        now=now,
    ),
    "clear limit": lambda store, user, holds, now: store.clear_limit(user, now=now),
    "forget": lambda store, user, holds, now: store.forget(user, now=now),
}
