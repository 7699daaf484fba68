"""Writes the items and the tokens of a release for later tests.

    python -m tests.releases.record COMMIT

They go into `tests/e2e/items/`, for `tests/e2e/test_items_of_other_releases.py`. The
release runs under the contract's virtual clock, so that they always have the same
instants.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import django

django.setup()

from tests.contract.run import running_engine  # noqa: E402
from tests.contract.scenes import (  # noqa: E402
    FILM,
    NEWS,
    OTHER_FILM,
    SHOW,
    Scene,
    catalogue_of,
    done_unanswered,
    silent,
    start,
)
from tests.contract.world import NOW, World  # noqa: E402
from tests.releases.checkout import checked_out, releases  # noqa: E402
from tests.releases.mixed import MixedWorld, workers  # noqa: E402
from tests.servers import PROJECT  # noqa: E402

ITEMS = PROJECT / "tests" / "e2e" / "items"
KEY = "recorded-tokens-0c1f8a5e7b9d4e62a3c5"
"""Signs the tokens. It must stay, because no code of these releases signs again."""


def full(world: World) -> None:
    """Fill the limit of two streams."""
    start(world, "tv", FILM)
    start(world, "phone", SHOW)


def stopped(world: World) -> None:
    """Stop a stream by its player, and end another as an operator."""
    full(world)
    world.call("stop", id="tv", token=1)
    world.call("end", id="phone")


def replaced(world: World) -> None:
    """Replace a stream, and take over the slot of the other."""
    full(world)
    start(world, "pc", NEWS, replaces=(("tv", None),))
    start(world, "phone", OTHER_FILM)


def evicting(world: World) -> None:
    """Evict the oldest stream under an operator's override."""
    world.call("set limit", limit=2, when_full="evict-oldest")
    full(world)
    start(world, "pc", NEWS)


def paused(world: World) -> None:
    """Pause a stream under a plan with rules."""
    world.call("set limit", plan="ruled")
    full(world)
    world.call("heartbeat", id="tv", token=2, is_paused=True)


def paced(world: World) -> None:
    """Renew a stream under a plan with relaxed leases."""
    world.call("set limit", plan="relaxed")
    world.now += 90_000
    start(world, "tv", FILM)
    world.call("heartbeat", id="tv", token=2)


def suspended(world: World) -> None:
    """Suspend a user who plays two streams."""
    full(world)
    world.call("set limit", limit=0, ends_surplus=True)


def revived(world: World) -> None:
    """Revive a stream after its lease, without an answer."""
    start(world, "tv", FILM)
    world.now += 70_000
    world.call("heartbeat", id="tv", token=1, fault=done_unanswered)


def grace(world: World) -> None:
    """Start a stream while the store is silent, next to a stored one."""
    start(world, "phone", SHOW)
    start(world, "tv", FILM, fault=silent)


USERS: Mapping[str, Callable[[World], None]] = {
    "full": full,
    "stopped": stopped,
    "replaced": replaced,
    "evicting": evicting,
    "paused": paused,
    "paced": paced,
    "suspended": suspended,
    "revived": revived,
    "grace": grace,
}


def main() -> int:
    """Record a release and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit", choices=[r.short_commit for r in releases()])
    commit = parser.parse_args().commit
    [release] = [each for each in releases() if each.short_commit == commit]
    with running_engine(is_direct=False), checked_out(release) as folder:
        recorded = record(folder)
    path = ITEMS / f"{release.short_commit}.json"
    path.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n")
    return 0


def record(folder: Path) -> dict[str, Any]:
    """Return the items and the tokens of users who play on a release."""
    users = []
    variables = {"WHEN_STORE_IS_DOWN": "open", "LEASE_TOKEN_KEYS": KEY}
    with workers({"release": folder}, **variables) as running:
        worker = running["release"]
        for name, play in USERS.items():
            catalogue = catalogue_of(Scene(play))
            world = MixedWorld(catalogue, name, choose=lambda number: worker, now=NOW)
            world.restore(None)
            play(world)
            user = {
                "name": name,
                "item": world.item(),
                "recorded_at": world.now,
                "tokens": tokens_of(world),
            }
            users.append(user)
    return {"key": KEY, "users": users}


def tokens_of(world: World) -> list[dict[str, Any]]:
    """Return the tokens of a user's players, with their streams, the latest last."""
    return [
        {"id": event.call.id, "token": world.known.tokens[event.call.number]}
        for event in world.history
        if event.call.number in world.known.tokens
    ]


if __name__ == "__main__":
    sys.exit(main())
