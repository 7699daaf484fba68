"""Players on two services whose clocks differ, while their store fails. `make soak`.

    SECONDS=600 USERS=2000 FAULTS=1 DEBUG=1 python -m tests.faults.soak

Players start, zap, replace, pause, crash, sleep and stop; operators end streams
and change limits and plans (`soak.toml`). The checker (`history.py`) compares each
answer with the history of its user. Other users make one call at a time; the model of
the contract explains their lives (`soak_singles.py`). The run ends at the first
impossible answer and prints as few calls as show it.
"""

import http.client
import json
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reporting.progress import progress
from tests.faults.exchanged import Exchanged
from tests.faults.proxy import proxying
from tests.faults.report import ready
from tests.faults.soak_actions import IDS, Prepared, choose_action
from tests.faults.soak_services import fail, services
from tests.faults.soak_users import LATE_SECONDS, User
from tests.servers import PROJECT

CALLS_AT_ONCE, USERS_AT_ONCE = 12, 24
"""The calls concentrate on a few users, so that calls of the same user race."""
SINGLES_AT_ONCE = 8
"""Further users, who make one call at a time."""
WAIT_SECONDS = 0.25
"""Pause after a 503. Without it most calls would meet an outage."""
JSON = {"Content-Type": "application/json"}


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
    lives: int = 0
    calls_in_lives: int = 0
    violation: str = ""
    faults: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        prefix = f"soak-{os.getpid()}"
        ids = [f"{prefix}-{number}" for number in range(self.users)]
        self.people = [User(user_id) for user_id in ids]
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
        services = [_connect(url) for url in self.urls]
        try:
            while not self.is_over:
                person = self._choose_user(dice)
                service = dice.choice(services)
                try:
                    self.act(person, service, dice)
                except (OSError, http.client.HTTPException) as exc:
                    self._end_run(f"a service does not answer: {exc!r}")
        except Exception as exc:
            self._end_run(f"the soak failed: {exc!r}")
            raise
        finally:
            for service in services:
                service.close()

    def live(self, seed: int) -> None:
        """Live the lives of users who make one call at a time. One thread runs this."""
        from tests.faults.soak_singles import live  # it needs the settings of `ready`

        dice = random.Random(seed)
        services = [_connect(url) for url in self.urls]
        try:
            while not self.is_over:
                try:
                    search = live(
                        lambda: dice.choice(services), dice, lambda: self.is_over
                    )
                except (OSError, http.client.HTTPException) as exc:
                    self._end_run(f"a service does not answer: {exc!r}")
                    return
                with self.counting:
                    self.lives += 1
                    self.calls_in_lives += len(search.events)
                if not search.finds_order():
                    self._end_run(f"no order explains a life:\n{search}")
        except Exception as exc:
            self._end_run(f"the soak failed: {exc!r}")
            raise
        finally:
            for service in services:
                service.close()

    def act(
        self,
        person: User,
        service: http.client.HTTPConnection,
        dice: random.Random,
    ) -> None:
        """Make one call for a user and check its answer."""
        id = dice.choice(IDS)
        held = person.holds(id)
        name, action = choose_action(dice)
        prepared = action(person, id, held, dice)
        if prepared is None:
            return

        call = prepared.call
        person.record_call(call)
        status, text = _send(prepared, person, service)
        answer: dict[str, Any] = json.loads(text) if text else {}
        with person.recording:
            person.record_answer(call, status, answer)
            self._check(person, call, text)
            person.forget()

        if status == 503:
            time.sleep(WAIT_SECONDS)
        self._count(name, call)

    def _choose_user(self, dice: random.Random) -> User:
        """Return a random user of the few that all threads act for at the moment.

        They act rarely at first, so that the streams of the user live for certain,
        then often, so that calls race.
        """
        first = int(time.monotonic() / 2)
        ahead = int(USERS_AT_ONCE * dice.random() ** 2)
        return self.people[(first + ahead) % self.users]

    def _check(self, person: User, call: Exchanged, text: bytes) -> None:
        """End the run if the answer to a call is impossible."""
        wrong = person.history.wrong(call)
        if wrong is None or self.violation:
            return

        if whole := os.environ.get("WHOLE"):
            operations = map(str, person.history.operations)
            Path(whole).write_text("\n".join(operations))

        shortest = person.history.shortest(call)
        lines = [
            wrong,
            str(call),
            repr(text[:600]),
            "shown by:",
            *map(str, shortest),
        ]
        self._end_run("\n".join(lines))

    def _end_run(self, violation: str) -> None:
        """End the run with a violation, unless another one has ended it."""
        self.violation = self.violation or violation

    def _count(self, name: str, call: Exchanged) -> None:
        took_ms = call.answered - call.called
        answer = f"{call.verb} {call.status}"
        with self.counting:
            self.done[name] += 1
            self.statuses[answer] += 1
            self.slowest_ms = max(self.slowest_ms, took_ms)


def _connect(url: str) -> http.client.HTTPConnection:
    host = url.removeprefix("http://")
    return http.client.HTTPConnection(host, timeout=30)


def _send(
    prepared: Prepared, person: User, service: http.client.HTTPConnection
) -> tuple[int, bytes]:
    """Send the request of a call. Return the status and the body of its answer."""
    path = f"/users/{person.user_id}{prepared.path}"
    body = prepared.body
    content = None if body is None else json.dumps(body)

    service.request(prepared.method, path, content, JSON)
    response = service.getresponse()
    return response.status, response.read()


def soak(
    *,
    seconds: float,
    users: int,
    faults: bool,
    seed: int = 1,
    operations: float = float("inf"),
    folders: Sequence[Path] = (PROJECT, PROJECT),
) -> Soak:
    """Run the soak and return it. `folders` contain the code of the two services."""
    with (
        ready() as engine,
        proxying(engine) as proxy,
        services(proxy.url, folders) as urls,
    ):
        if faults:
            fail(proxy, random.Random(seed))

        run = Soak(urls, seconds, users, operations)
        threads = []
        for number in range(CALLS_AT_ONCE):
            own_seed = seed * 100 + number
            thread = threading.Thread(target=run.play, args=(own_seed,))
            threads.append(thread)
        # The contract explains this release. Another one may have other faults.
        is_this_release = set(folders) == {PROJECT}
        for number in range(SINGLES_AT_ONCE if is_this_release else 0):
            own_seed = seed * 1000 + number
            threads.append(threading.Thread(target=run.live, args=(own_seed,)))
        for thread in threads:
            thread.start()

        began = time.monotonic()
        with progress("soak", total=int(seconds)) as advance:
            while any(thread.is_alive() for thread in threads):
                time.sleep(LATE_SECONDS / 2)
                proxy.deliver()
                elapsed = int(time.monotonic() - began)
                advance(elapsed, f"{run.done.total():,} operations")
        for thread in threads:
            thread.join()

        run.faults = +proxy.done
        return run


def main(folders: Sequence[Path] = (PROJECT, PROJECT)) -> int:
    """Run the soak and print its report. Return 1 after an impossible answer."""
    faults = os.environ.get("FAULTS", "1")
    began = time.monotonic()
    run = soak(
        seconds=_number("SECONDS", default=60),
        users=int(_number("USERS", default=200)),
        faults=faults == "1",
        seed=int(_number("SEED", default=1)),
        operations=_number("OPERATIONS", default=float("inf")),
        folders=folders,
    )
    took = time.monotonic() - began

    report = _report(run, seconds=took)
    sys.stdout.write("\n".join(report))
    sys.stdout.write("\n")
    return 1 if run.violation else 0


def _number(name: str, *, default: float) -> float:
    """Return a number from the environment."""
    text = os.environ.get(name)
    return float(text) if text else default


def _report(run: Soak, *, seconds: float) -> list[str]:
    """Return the lines of a report."""
    operations = run.done.total()
    slowest = run.slowest_ms / 1000
    violations = f"1\n{run.violation}" if run.violation else "0"
    return [
        f"{operations} operations of {run.users} users in {seconds:.0f} s; "
        f"slowest answer {slowest:.2f} s",
        f"operations: {_counts(run.done.most_common())}",
        f"answers: {_counts(sorted(run.statuses.items()))}",
        f"faults: {_counts(run.faults.most_common())}",
        f"lives of single users: {run.lives} with {run.calls_in_lives} calls",
        f"violations: {violations}",
    ]


def _counts(items: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {count}" for name, count in items)


if __name__ == "__main__":
    sys.exit(main())
