"""The check of calls of one user at the same moment: one order explains both answers.

The orders of two calls are few, so each pair lists the answers that they allow, with
the slots that are held afterwards.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx

from deploy.verify.checks.check import promise
from deploy.verify.service import DeployedService, VerifiedUser, expect

PAIRS_OF_A_VIEWER = 3
"""A viewer's own account allows only a few starts at a time."""

type Deed = Callable[[VerifiedUser, Mapping[str, Any]], httpx.Response]
"""Makes a call of a user whose slots are all held, about the first stream."""


@dataclass(frozen=True)
class Outcome:
    """The answers and the slots after one order of two calls.

    `is_first_live` and `is_extra_live` are about the first stream and the new one.
    """

    first_status: int
    second_status: int
    is_first_live: bool
    is_extra_live: bool = False


@dataclass(frozen=True)
class Pair:
    """Two calls, and the outcomes of both orders."""

    name: str
    first: Deed
    second: Deed
    allowed: Collection[Outcome]


def zap(user: VerifiedUser, stream: Mapping[str, Any]) -> httpx.Response:
    """Start on the device of the stream."""
    return user.start(str(stream["id"]), streamId="next")


def renew(user: VerifiedUser, stream: Mapping[str, Any]) -> httpx.Response:
    """Send a heartbeat of the stream."""
    return user.renew(stream)


def stop(user: VerifiedUser, stream: Mapping[str, Any]) -> httpx.Response:
    """Stop the stream as its player does."""
    return user.stop(stream)


def start_extra(user: VerifiedUser, stream: Mapping[str, Any]) -> httpx.Response:
    """Start on one device more."""
    return user.start("extra")


def replace(user: VerifiedUser, stream: Mapping[str, Any]) -> httpx.Response:
    """Start on one device more, in place of the stream."""
    return user.start("extra", replace=[stream["id"]])


def replace_playback(user: VerifiedUser, stream: Mapping[str, Any]) -> httpx.Response:
    """Start on one device more, in place of this playback of the stream."""
    playback = {"id": stream["id"], "epoch": stream["epoch"]}
    return user.start("extra", replace=[playback])


PAIRS: tuple[Pair, ...] = (
    Pair(
        "a restart and the stop of the player before",
        zap,
        stop,
        [Outcome(200, 410, is_first_live=True), Outcome(201, 204, is_first_live=True)],
    ),
    Pair(
        "a heartbeat and a stop",
        renew,
        stop,
        [
            Outcome(200, 204, is_first_live=False),
            Outcome(410, 204, is_first_live=False),
        ],
    ),
    Pair(
        "one start too many and a stop",
        start_extra,
        stop,
        [
            Outcome(409, 204, is_first_live=False),
            Outcome(201, 204, is_first_live=False, is_extra_live=True),
        ],
    ),
    Pair(
        "a heartbeat and a restart",
        renew,
        zap,
        [
            Outcome(200, 200, is_first_live=True),
            Outcome(410, 200, is_first_live=True),
        ],
    ),
    Pair(
        "a replacement and a heartbeat of the replaced stream",
        replace,
        renew,
        [
            Outcome(201, 200, is_first_live=False, is_extra_live=True),
            Outcome(201, 410, is_first_live=False, is_extra_live=True),
        ],
    ),
    Pair(
        "a replacement and a stop of the replaced stream",
        replace,
        stop,
        [Outcome(201, 204, is_first_live=False, is_extra_live=True)],
    ),
    Pair(
        "a replacement of one playback and a restart",
        replace_playback,
        zap,
        [
            # The restart finds every slot held again.
            Outcome(201, 409, is_first_live=False, is_extra_live=True),
            # The playback that the viewer saw has gone.
            Outcome(409, 200, is_first_live=True),
        ],
    ),
)


@promise(
    "one order explains two calls at the same moment",
    "several tables or regions behind one address, or a proxy that repeats requests",
)
def one_order(service: DeployedService) -> str:
    """Let two calls of a user whose slots are all held meet, in each pair."""
    pairs = PAIRS[:PAIRS_OF_A_VIEWER] if service.is_viewer else PAIRS
    for pair in pairs:
        _meet(service, pair)
    return f"{len(pairs)} pairs"


def _meet(service: DeployedService, pair: Pair) -> None:
    """Raise `Wrong` unless one order explains the two answers and the list."""
    user = service.new_user()
    stream = user.fill()[0]
    calls = [partial(deed, user, stream) for deed in (pair.first, pair.second)]
    first, second = service.ask_concurrently(list(calls))

    held = user.listed_ids()
    outcome = Outcome(
        first.status_code,
        second.status_code,
        is_first_live=stream["id"] in held,
        is_extra_live="extra" in held,
    )
    expect(
        outcome in pair.allowed,
        f"{pair.name}: {first.status_code} and {second.status_code}, then {held}",
    )
