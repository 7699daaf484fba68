"""Simulates what relaxed leases save and what they cost.

    python -m bench.relaxed [USERS]

The simulation runs the pure rule over an evening of made-up households. A household has
a limit of four streams and six devices, and as many viewers at once as `VIEWERS` says.
A viewer plays for 45 minutes on average, pauses for ten minutes on average, and
continues on the same device or on another. Two playbacks in a hundred end in a crash,
after which the viewer returns within a minute. A denied viewer tries again a minute
later.
"""

import heapq
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count

from streams import rules
from streams.errors import StreamLimitReached
from streams.rules import Account, Hold, Lease, Plan, Plans, StartRequest

SECOND_MS = 1000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
EVENING_MS = 4 * HOUR_MS

LIMIT = 4
DEVICES = [f"device{number}" for number in range(6)]
VIEWERS = {1: 75, 2: 15, 3: 7, 4: 3}
"""Number of viewers at once, and how many users in a hundred have that number."""

CRASH_SHARE = 0.02
OTHER_DEVICE_SHARE = 0.5
PLAYS_FOR_MS = 45 * MINUTE_MS
PAUSES_FOR_MS = 10 * MINUTE_MS
RETURNS_WITHIN_MS = MINUTE_MS
RETRIES_AFTER_MS = MINUTE_MS

FIXED = Plan(limit=LIMIT, lease_ms=MINUTE_MS)
RELAXED_SECONDS = (120, 300, 600)
USERS = 2000
SEED = 7

type Act = Callable[[int], None]
"""An action at an instant, in milliseconds."""


@dataclass
class Household:
    """The evening of one user, and the counts of what happened."""

    plans: Plans
    dice: random.Random
    counts: Counter[str] = field(default_factory=Counter)
    crashed: dict[str, int] = field(default_factory=dict)
    """Devices whose player crashed, with the instant of its last renewal."""
    playing: set[str] = field(default_factory=set)
    account: Account = field(default_factory=lambda: rules.empty_account(1))
    queue: list[tuple[int, int, Act]] = field(default_factory=list)
    order: Iterator[int] = field(default_factory=count)

    def run(self, viewers: int) -> Counter[str]:
        """Simulate the evening and return the counts."""
        for _ in range(viewers):
            first_start = self.dice.uniform(1, 2 * PAUSES_FOR_MS)
            self.schedule(first_start, lambda now: self.start(now, None))

        while self.queue:
            now, _, act = heapq.heappop(self.queue)
            if now > EVENING_MS:
                break
            act(now)
        return self.counts

    def schedule(self, instant: float, act: Act) -> None:
        """Run an action at an instant."""
        heapq.heappush(self.queue, (int(instant), next(self.order), act))

    def start(self, now: int, device: str | None) -> None:
        """Start a stream on this device, or on a free one if it is busy."""
        device = self._free_device(device)
        request = StartRequest(
            id=device,
            stream_id="film",
            epoch=now * 1000 + self.dice.randrange(1000),
            nonce="",
        )
        self.counts["starts"] += 1
        is_blind_write = rules.is_plain_start(
            self.account, request, now=now, plans=self.plans
        )

        try:
            account, admission = rules.start(
                self.account, request, now=now, plans=self.plans
            )
        except StreamLimitReached as refusal:
            self._count_denial(refusal, is_blind_write, now=now)
            self.schedule(
                now + RETRIES_AFTER_MS,
                lambda later: self.start(later, device),
            )
            return

        self.account = account
        self.counts["units"] += 1 if is_blind_write else 2
        self.crashed.pop(device, None)
        self.playing.add(device)
        until = now + self.dice.expovariate(1 / PLAYS_FOR_MS)
        self.schedule_next(now, admission.lease, until)

    def schedule_next(self, now: int, lease: Lease, until: float) -> None:
        """Schedule the next heartbeat of a player, or the end of its playback."""
        interval = (lease.expires_at - now) / 3
        due = now + interval * self.dice.uniform(0.9, 1)
        if due < until:
            self.schedule(due, lambda later: self.send_heartbeat(later, lease, until))
        else:
            self.schedule(until, lambda later: self.end(later, lease, now))
        self.counts["played"] += int(min(due, until)) - now

    def send_heartbeat(self, now: int, lease: Lease, until: float) -> None:
        """Renew a lease."""
        hold = Hold(epoch=lease.epoch, expires_at=lease.expires_at, pace=lease.pace)
        stored_leases = len(self.account.leases)
        account = rules.renew(
            self.account,
            lease.id,
            hold=hold,
            now=now,
            plans=self.plans,
        )

        is_judged = (
            lease.pace is not None and stored_leases > lease.pace.max_stored_leases
        )
        is_second_write = is_judged and account is not self.account
        self.counts["heartbeats"] += 1
        self.counts["units"] += 1 + is_second_write

        self.account = account
        renewed = rules.with_pace(
            account,
            account.leases[lease.id],
            now=now,
            plans=self.plans,
        )
        self.schedule_next(now, renewed, until)

    def end(self, now: int, lease: Lease, last_renewal: int) -> None:
        """End a playback by a stop or a crash, and schedule the next start."""
        self.playing.discard(lease.id)
        if self.dice.random() < CRASH_SHARE:
            self.crashed[lease.id] = last_renewal
            wait = self.dice.uniform(0, RETURNS_WITHIN_MS)
        else:
            self.account = rules.stop(
                self.account,
                lease.id,
                hold=None,
                now=now,
                plans=self.plans,
            )
            self.counts["units"] += 1
            wait = self.dice.expovariate(1 / PAUSES_FOR_MS)

        is_other_device = self.dice.random() < OTHER_DEVICE_SHARE
        device = None if is_other_device else lease.id
        self.schedule(now + wait, lambda later: self.start(later, device))

    def _free_device(self, preferred: str | None) -> str:
        free = [device for device in DEVICES if device not in self.playing]
        if preferred in free:
            return preferred
        return self.dice.choice(free)

    def _count_denial(
        self, refusal: StreamLimitReached, is_blind_write: bool, *, now: int
    ) -> None:
        """Count a denial, and whether only a relaxed ghost caused it."""
        self.counts["denials"] += 1
        self.counts["units"] += 0 if is_blind_write else 1  # one failed write

        ghosts = 0
        for lease in refusal.holders:
            last_renewal = self.crashed.get(lease.id, now)
            ghosts += last_renewal + FIXED.lease_ms <= now
        self.counts["by a relaxed ghost"] += len(refusal.holders) - ghosts < LIMIT


def evening(plan: Plan, users: int) -> Counter[str]:
    """Return the counts of all households together."""
    dice = random.Random(SEED)
    total: Counter[str] = Counter()
    for _ in range(users):
        [viewers] = dice.choices(list(VIEWERS), list(VIEWERS.values()))
        household = Household(Plans(default=plan), random.Random(dice.random()))
        total += household.run(viewers)
    return total


HEADINGS = (
    "leases",
    "heartbeats per stream-hour",
    "units per stream-hour",
    "relative to fixed",
    "denials",
    "by a relaxed ghost, per 1,000 starts",
)


def main(users: int) -> None:
    """Print a table with a row for each length of leases."""
    print(f"| {' | '.join(HEADINGS)} |")
    print("|---" * len(HEADINGS) + "|")

    fixed_units = 0.0
    for seconds in (None, *RELAXED_SECONDS):
        relaxed_lease_ms = seconds and seconds * SECOND_MS
        total = evening(replace(FIXED, relaxed_lease_ms=relaxed_lease_ms), users)

        hours = total["played"] / HOUR_MS
        units = total["units"] / hours
        fixed_units = fixed_units or units
        heartbeats = total["heartbeats"] / hours
        ghosts = 1000 * total["by a relaxed ghost"] / total["starts"]

        cells = (
            f"relaxed, {seconds} s" if seconds else "fixed, 60 s",
            f"{heartbeats:.1f}",
            f"{units:.1f}",
            f"{units / fixed_units:.2f}",
            str(total["denials"]),
            f"{ghosts:.2f}",
        )
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else USERS)
