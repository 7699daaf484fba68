"""What relaxed leases save, and what they cost: the rule itself, over an evening of made-up households.

    python -m bench.relaxed [USERS]

A household has as many viewers at once as `VIEWERS` says, a limit of four, and six devices. A viewer plays for three
quarters of an hour on average, pauses for ten minutes, and goes on, on the same device or another; two playbacks in a
hundred end in a crash, after which the viewer is back within a minute. Whoever is denied tries again a minute later."""

import heapq
import random
import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from streams import rules
from streams.errors import StreamLimitReached
from streams.rules import Account, Hold, Lease, Policy, StartRequest

SECOND = 1000
EVENING = 4 * 3600 * SECOND
LIMIT, DEVICES = 4, 6
VIEWERS = {1: 75, 2: 15, 3: 7, 4: 3}
"""How many of a hundred users have so many viewers at once."""
CRASHES = 0.02
PLAYS_FOR, PAUSES_FOR, BACK_WITHIN, TRIES_AGAIN_AFTER = (
    45 * 60 * SECOND,
    600 * SECOND,
    60 * SECOND,
    60 * SECOND,
)
OTHER_DEVICE = 0.5
FIXED = Policy(limit=LIMIT, lease_ms=60 * SECOND)
RELAXED_SECONDS = (120, 300, 600)


@dataclass
class Household:
    """One user's evening, and what it came to."""

    policy: Policy
    dice: random.Random
    counts: Counter[str] = field(default_factory=Counter)
    crashed: dict[str, int] = field(default_factory=dict)
    """Devices whose player is gone without a word, and when its last renewal was."""
    playing: set[str] = field(default_factory=set)
    account: Account = field(default_factory=lambda: rules.empty_account(1))

    def run(self, viewers: int) -> Counter[str]:
        """Play it."""
        order, tasks = count(), list[tuple[int, int, Any]]()

        def later(at: float, act: Any) -> None:
            heapq.heappush(tasks, (int(at), next(order), act))

        self.later = later
        for _ in range(viewers):
            later(
                self.dice.uniform(1, PAUSES_FOR * 2), lambda now: self.start(now, None)
            )
        while tasks:
            now, _, act = heapq.heappop(tasks)
            if now > EVENING:
                break
            act(now)
        return self.counts

    def start(self, now: int, device: str | None) -> None:
        """A viewer presses play, on this device or on any that is free."""
        free = [
            f"device{number}"
            for number in range(DEVICES)
            if f"device{number}" not in self.playing
        ]
        device = device if device in free else self.dice.choice(free)
        request = StartRequest(
            id=device,
            stream_id="film",
            epoch=now * 1000 + self.dice.randrange(1000),
            nonce="",
        )
        self.counts["starts"] += 1
        is_plain = rules.is_plain_start(
            self.account, request, now=now, policy=self.policy
        )
        self.counts["units"] += 1 if is_plain else 2
        try:
            self.account, admission = rules.start(
                self.account, request, now=now, policy=self.policy
            )
        except StreamLimitReached as refusal:
            self.counts["units"] -= 1  # a denial is one failed write
            self.counts["denials"] += 1
            gone = [
                lease
                for lease in refusal.holders
                if self.crashed.get(lease.id, now) + FIXED.lease_ms <= now
            ]
            self.counts["by a relaxed ghost"] += (
                len(refusal.holders) - len(gone) < LIMIT
            )
            self.later(now + TRIES_AGAIN_AFTER, lambda at: self.start(at, device))
            return
        self.crashed.pop(device, None)
        self.playing.add(device)
        until = now + self.dice.expovariate(1 / PLAYS_FOR)
        self.beat_later(now, admission.lease, until)

    def beat_later(self, now: int, lease: Lease, until: float) -> None:
        """The next heartbeat of a player, or the end of its playback."""
        due = now + (lease.expires_at - now) / 3 * self.dice.uniform(0.9, 1)
        if due < until:
            self.later(due, lambda at: self.beat(at, lease, until))
        else:
            self.later(until, lambda at: self.end(at, lease, now))
        self.counts["played"] += int(min(due, until)) - now

    def beat(self, now: int, lease: Lease, until: float) -> None:
        """A heartbeat."""
        hold, stored = (
            Hold(epoch=lease.epoch, expires_at=lease.expires_at, pace=lease.pace),
            len(self.account.leases),
        )
        after = rules.renew(
            self.account, lease.id, hold=hold, now=now, policy=self.policy
        )
        is_judged = lease.pace is not None and stored > lease.pace.among
        self.counts["heartbeats"] += 1
        self.counts["units"] += 1 + (is_judged and after is not self.account)
        self.account = after
        renewed = rules.paced(
            after, after.leases[lease.id], now=now, policy=self.policy
        )
        self.beat_later(now, renewed, until)

    def end(self, now: int, lease: Lease, last: int) -> None:
        """The viewer has had enough, or the player crashes."""
        self.playing.discard(lease.id)
        if self.dice.random() < CRASHES:
            self.crashed[lease.id] = last
            wait = self.dice.uniform(0, BACK_WITHIN)
        else:
            self.account = rules.stop(
                self.account, lease.id, hold=None, now=now, policy=self.policy
            )
            self.counts["units"] += 1
            wait = self.dice.expovariate(1 / PAUSES_FOR)
        device = None if self.dice.random() < OTHER_DEVICE else lease.id
        self.later(now + wait, lambda at: self.start(at, device))


def evening(policy: Policy, users: int) -> Counter[str]:
    """What all households together came to."""
    dice, total = random.Random(7), Counter[str]()
    for _ in range(users):
        (viewers,) = dice.choices(list(VIEWERS), list(VIEWERS.values()))
        total += Household(policy, random.Random(dice.random())).run(viewers)
    return total


def main(users: int) -> None:
    """Print the table."""
    print(
        "| leases | heartbeats per stream-hour | units per stream-hour | of fixed | denials "
        "| by a relaxed ghost, of 1,000 starts |"
    )
    print("|---|---|---|---|---|---|")
    base = 0.0
    for seconds in (None, *RELAXED_SECONDS):
        policy = replace(FIXED, relaxed_lease_ms=seconds and seconds * SECOND)
        total = evening(policy, users)
        hours = total["played"] / 3600 / SECOND
        units = total["units"] / hours
        base = base or units
        ghosts = 1000 * total["by a relaxed ghost"] / total["starts"]
        name = f"relaxed, {seconds} s" if seconds else "fixed, 60 s"
        beats = total["heartbeats"] / hours
        print(
            f"| {name} | {beats:.1f} | {units:.1f} | {units / base:.2f} | {total['denials']} | {ghosts:.2f} |"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
