"""Players on two services whose clocks differ, while their store fails. `make soak`.

    SECONDS=600 USERS=2000 FAULTS=1 DEBUG=1 python -m tests.faults.soak

Players start, zap, replace, pause, crash, sleep and stop; operators end streams
and change limits and plans (`soak.toml`). The checker (`history.py`) compares each
answer with the history of its user. The run ends at the first impossible answer
and prints as few calls as show it.
"""

import http.client
import json
import os
import random
import subprocess
import sys
import threading
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.faults.exchanged import Exchanged
from tests.faults.history import History
from tests.faults.proxy import Proxy, proxying
from tests.faults.report import ready
from tests.servers import PROJECT

LEASE_SECONDS, LIMIT, SKEW_SECONDS = 5, 2, 2.0
LATE_SECONDS = 1.5
"""Time that the network keeps a late request."""
CALLS_AT_ONCE, USERS_AT_ONCE = 12, 24
"""The calls concentrate on a few users, so that calls of the same user race."""
ASLEEP_SECONDS = 2 * LEASE_SECONDS
"""Long enough for a late heartbeat to revive the stream."""
SILENT_SECONDS = 30
"""A player without an answer for this time has crashed."""
REMEMBERED_SECONDS = SILENT_SECONDS + 21
"""Longer than a silent player and a late call, so that each possible end is known."""
WAIT_SECONDS = 0.25
"""Pause after a 503. Without it most calls would meet an outage."""
IDS = ("tv", "phone", "web", "car")
"""Ids of devices. Each is also the type of its device."""
PLANS = Path(__file__).with_name("soak.toml")
FAULTS: Mapping[str, float] = {
    "reset before": 3,
    "reset after": 3,
    "late": 3,
    "twice": 3,
    "twice, first answer": 3,
    "delayed": 3,
    "truncated": 2,
    "500": 2,
    "500 after": 2,
    "503 after": 2,
    "throttled": 2,
    "null": 2,
    "list": 1,
    "HTML": 1,
    "lost answer": 0.05,
    "hung": 0.05,
    "dripped": 0.05,
}
"""Frequency of each fault per thousand requests.

Slow faults are rare, because a thread that waits makes no other call.
"""


def now_ms() -> float:
    return time.time() * 1000


@dataclass
class Soak:
    """A run: its users, its counts, and the first impossible answer."""

    urls: list[str]
    seconds: float
    users: int
    stop_after: float = float("inf")
    done: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    slowest_ms: float = 0
    violation: str = ""
    faults: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.people = [
            User(f"soak-{os.getpid()}-{number}") for number in range(self.users)
        ]
        self.until = time.monotonic() + self.seconds
        self.counting = threading.Lock()

    @property
    def is_over(self) -> bool:
        return (
            bool(self.violation)
            or time.monotonic() > self.until
            or self.done.total() >= self.stop_after
        )

    def play(self, seed: int) -> None:
        """Act for a few users for a while, then for others. One thread runs this."""
        dice = random.Random(seed)
        services = [
            http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
            for url in self.urls
        ]
        try:
            while not self.is_over:
                # All threads act for the same few users: rarely at first, so that
                # their streams live for certain, then often, so that calls race.
                place = int(time.monotonic() / 2) + int(
                    USERS_AT_ONCE * dice.random() ** 2
                )
                person = self.people[place % self.users]
                try:
                    self.act(person, dice.choice(services), dice)
                except (OSError, http.client.HTTPException) as exc:
                    self.violation = (
                        self.violation or f"a service does not answer: {exc!r}"
                    )
        except Exception as exc:
            self.violation = self.violation or f"the soak failed: {exc!r}"
            raise
        finally:
            for service in services:
                service.close()

    def act(
        self,
        person: "User",
        service: http.client.HTTPConnection,
        dice: random.Random,
    ) -> None:
        """Make one call for a user and check its answer."""
        id = dice.choice(IDS)
        held = person.holds(id)
        weights = [weight for weight, _ in ACTIONS.values()]
        verb = dice.choices(list(ACTIONS), weights)[0]
        call = ACTIONS[verb][1](person, id, held, dice)
        if call is None:
            return
        operation, method, path, body = call
        with person.recording:
            operation.called = now_ms()
            person.history.operations.append(operation)
        content = None if body is None else json.dumps(body)
        service.request(
            method,
            f"/users/{person.user_id}{path}",
            content,
            {"Content-Type": "application/json"},
        )
        response = service.getresponse()
        text = response.read()
        answer: dict[str, Any] = json.loads(text) if text else {}
        with person.recording:
            self.tell(person, operation, response.status, answer)
            wrong = person.history.wrong(operation)
            if wrong and not self.violation:
                if whole := os.environ.get("WHOLE"):
                    Path(whole).write_text(
                        "\n".join(map(str, person.history.operations))
                    )
                shortest = "\n".join(
                    str(one) for one in person.history.shortest(operation)
                )
                self.violation = (
                    f"{wrong}\n{operation}\n{text[:600]!r}\nshown by:\n{shortest}"
                )
            if len(person.history.operations) > 300:
                person.history.forget(now_ms() - 1000 * REMEMBERED_SECONDS)

        if response.status == 503:
            time.sleep(WAIT_SECONDS)
        with self.counting:
            self.done[verb] += 1
            self.statuses[f"{operation.verb} {response.status}"] += 1
            self.slowest_ms = max(
                self.slowest_ms, operation.answered - operation.called
            )

    def tell(
        self, person: "User", it: Exchanged, status: int, answer: dict[str, Any]
    ) -> None:
        """Record the answer, and update the tokens that the player holds."""
        it.answered, it.status = now_ms(), status
        if "expiresAt" in answer:
            it.expires_at, it.paused_at = (
                _ms(answer["expiresAt"]),
                _ms(answer["pausedAt"]),
            )

        held_epoch = person.held.get(it.id, (0,))[0]
        is_over = it.is_done or status in (404, 410)
        if it.verb == "start" and it.is_done:
            it.epoch = answer["epoch"]
            person.held[it.id] = (it.epoch, answer["token"], it.answered)
        elif it.verb == "renew" and it.is_done and held_epoch == it.epoch:
            person.held[it.id] = (it.epoch, answer["token"], it.answered)
        elif it.epoch and is_over and held_epoch == it.epoch:
            del person.held[it.id]
        if status == 409:
            it.limit = answer["limit"]
            it.plan = answer["plan"]
            it.rule = answer.get("rule", {}).get("name", "")

        if "streams" in answer:
            it.names = tuple(stream["id"] for stream in answer["streams"])
        it.reason = answer.get("reason", "")
        it.by = answer.get("endedBy")


@dataclass
class User:
    """A user, with a player on each device."""

    user_id: str
    held: dict[str, tuple[int, str, float]] = field(default_factory=dict)
    """By device: the epoch and the newest token of its playback, and its time (ms)."""
    asleep: dict[str, float] = field(default_factory=dict)
    """By device: the time (ms) until which it makes no call."""

    def __post_init__(self) -> None:
        self.recording = threading.Lock()
        self.history = History(
            plans={"default": {"limit": LIMIT}} | tomllib.loads(PLANS.read_text()),
            lease_ms=LEASE_SECONDS * 1000,
            skew_ms=int(SKEW_SECONDS * 1000) + 100,
            late_ms=int(LATE_SECONDS * 1000) + 9000,
            # A busy machine needs a higher limit.
            slowest_ms=float(os.environ.get("SLOWEST_SECONDS") or 8.5) * 1000,
        )

    def sleeps(self, id: str) -> bool:
        return now_ms() < self.asleep.get(id, 0)

    def holds(self, id: str) -> "Held":
        """Return the token of a device, or None while it sleeps or after a crash."""
        held = self.held.get(id)
        is_silent = (
            held is None
            or self.sleeps(id)
            or held[2] < now_ms() - 1000 * SILENT_SECONDS
        )
        return None if is_silent else held


type Prepared = tuple[Exchanged, str, str, Any]
type Held = tuple[int, str, float] | None
type Action = Callable[[User, str, Held, random.Random], Prepared | None]


def _start(person: User, id: str, held: Held, dice: random.Random) -> Prepared | None:
    if person.sleeps(id):
        return None
    replaces = (
        tuple(dice.sample([other for other in IDS if other != id], 1))
        if dice.random() < 0.1
        else ()
    )
    body: dict[str, Any] = {
        "streamId": dice.choice("1234"),
        "deviceType": dice.choice((id, id, id, None)),
    }
    room = dice.choice(("hall", "den", "attic", None))
    attributes = body | {"metadata.room": room}
    body |= {"deviceId": id, "replace": list(replaces), "metadata": {"room": room}}
    return (
        Exchanged("start", 0, id, replaces=replaces, attributes=attributes),
        "POST",
        "/streams",
        body,
    )


def _by_token(verb: str, path: str, *, pauses: bool = False) -> Action:
    def act(person: User, id: str, held: Held, dice: random.Random) -> Prepared | None:
        if held is None:
            return None
        body = {"token": held[1]} | ({"state": "paused"} if pauses else {})
        return (
            Exchanged(verb, 0, id, epoch=held[0], pauses=pauses),
            "POST",
            f"/streams/{id}/{path}",
            body,
        )

    return act


def _crash(person: User, id: str, held: Held, dice: random.Random) -> None:
    person.held.pop(id, None)


def _sleep(person: User, id: str, held: Held, dice: random.Random) -> None:
    person.asleep[id] = now_ms() + 1000 * ASLEEP_SECONDS


def _end(person: User, id: str, held: Held, dice: random.Random) -> Prepared:
    return Exchanged("end", 0, id), "DELETE", f"/streams/{id}", None


def _end_all(person: User, id: str, held: Held, dice: random.Random) -> Prepared:
    keep = dice.random() < 0.5
    path = f"/streams?except={id}" if keep else "/streams"
    return Exchanged("end all", 0, names=(id,) if keep else ()), "DELETE", path, None


def _list(person: User, id: str, held: Held, dice: random.Random) -> Prepared:
    return Exchanged("list", 0), "GET", "/streams", None


def _limit(person: User, id: str, held: Held, dice: random.Random) -> Prepared:
    if dice.random() < 0.3:
        return Exchanged("limit", 0), "DELETE", "/limit", None
    plan, evicts = dice.choice((None, "household", "hotel")), dice.random() < 0.2
    limit = dice.choice((1, 2, 3)) if plan is None or dice.random() < 0.3 else None
    body = {
        "limit": limit,
        "plan": plan,
        "whenFull": "evict-oldest" if evicts else "deny",
    }
    return (
        Exchanged("limit", 0, limit=limit, plan=plan, evicts=evicts),
        "PUT",
        "/limit",
        body,
    )


ACTIONS: Mapping[str, tuple[float, Action]] = {
    "start or zap": (10, _start),
    "heartbeat": (45, _by_token("renew", "heartbeat")),
    "pause": (6, _by_token("renew", "heartbeat", pauses=True)),
    "stop": (4, _by_token("stop", "stop")),
    "crash": (2, _crash),
    "sleep": (0.6, _sleep),
    "end by an operator": (1, _end),
    "end all": (0.5, _end_all),
    "list": (3, _list),
    "change of the limit": (2, _limit),
}


def _ms(instant: str | None) -> int:
    return round(datetime.fromisoformat(instant).timestamp() * 1000) if instant else 0


@contextmanager
def services(endpoint: str) -> Iterator[list[str]]:
    """Run two services and yield their URLs. The clock of the second is ahead."""
    environment = os.environ | {
        "DYNAMODB_ENDPOINT": endpoint,
        "LEASE_SECONDS": str(LEASE_SECONDS),
        "STREAM_LIMIT": str(LIMIT),
        "PLANS": str(PLANS),
        "LOG_LEVEL": "ERROR",
        "EVENTS": "off",
        "MINT_INTERVAL_SECONDS": "0",
    }
    with ExitStack() as running:
        urls = []
        for offset in (0.0, SKEW_SECONDS):
            process = running.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "tests.faults.served", str(offset)],
                    cwd=PROJECT,
                    env=environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,  # audit records have every level
                    text=True,
                )
            )
            assert process.stdout is not None
            urls.append(process.stdout.readline().strip())
        yield urls


def fail(proxy: Proxy, dice: random.Random) -> None:
    """Make the proxy cause each fault with its frequency."""
    kinds, weights = ["", *FAULTS], [1000 - sum(FAULTS.values()), *FAULTS.values()]

    def choose() -> str:
        """Return a random fault. For half a second out of 20, each request fails."""
        if time.monotonic() % 20 < 0.5:
            return dice.choice(("500", "reset before", "reset after", "late"))
        return dice.choices(kinds, weights)[0]

    proxy.choose = choose


def soak(
    *,
    seconds: float,
    users: int,
    faults: bool,
    seed: int = 1,
    operations: float = float("inf"),
) -> Soak:
    """Run the soak and return it."""
    with ready() as engine, proxying(engine) as proxy, services(proxy.url) as urls:
        if faults:
            fail(proxy, random.Random(seed))
        run = Soak(urls, seconds, users, operations)
        threads = [
            threading.Thread(target=run.play, args=(seed * 100 + n,))
            for n in range(CALLS_AT_ONCE)
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            time.sleep(LATE_SECONDS / 2)
            proxy.deliver()
        for thread in threads:
            thread.join()
        run.faults = +proxy.done
        return run


def main() -> int:
    """Run the soak and print its report. Return 1 after an impossible answer."""
    seconds, users = (
        float(os.environ.get("SECONDS") or 60),
        int(os.environ.get("USERS") or 200),
    )
    faults = os.environ.get("FAULTS", "1") == "1"
    began = time.monotonic()
    run = soak(
        seconds=seconds,
        users=users,
        faults=faults,
        seed=int(os.environ.get("SEED") or 1),
        operations=float(os.environ.get("OPERATIONS") or "inf"),
    )
    took = time.monotonic() - began
    sys.stdout.write("\n".join(_report(run, users=users, seconds=took)) + "\n")
    return 1 if run.violation else 0


def _report(run: Soak, *, users: int, seconds: float) -> list[str]:
    """Return the lines of a report."""
    slowest = run.slowest_ms / 1000
    return [
        f"{run.done.total()} operations of {users} users in {seconds:.0f} s; "
        f"slowest answer {slowest:.2f} s",
        f"operations: {_counts(run.done.most_common())}",
        f"answers: {_counts(sorted(run.statuses.items()))}",
        f"faults: {_counts(run.faults.most_common())}",
        f"violations: {f'1\n{run.violation}' if run.violation else 0}",
    ]


def _counts(items: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {count}" for name, count in items)


if __name__ == "__main__":
    sys.exit(main())
