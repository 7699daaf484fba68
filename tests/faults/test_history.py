"""The history checker finds what cannot have happened, and finds nothing in what can."""

from dataclasses import replace
from typing import Any

import pytest

from tests.faults.history import Exchanged, History

LEASE = 5000


def history(*operations: Exchanged, limit: int = 2, **more: int) -> History:
    return History(limit=limit, lease_ms=LEASE, operations=list(operations), **more)


def start(id: str, at: float, *, took: float = 10, status: int = 201, epoch: int = 0, **more: Any) -> Exchanged:
    """An admitted start whose epoch is the instant of the call, as the service's are."""
    epoch = epoch or int((at + 100_000) * 1000)
    return Exchanged("start", at, id, at + took, status, epoch, expires_at=at + LEASE, **more)


def renew(of: Exchanged, at: float, *, status: int = 200, **more: Any) -> Exchanged:
    more = {"expires_at": at + LEASE} | more
    return Exchanged("renew", at, of.id, at + 10, status, of.epoch, **more)


def stop(of: Exchanged, at: float, *, status: int = 204) -> Exchanged:
    return Exchanged("stop", at, of.id, at + 10, status, of.epoch)


def denied(id: str, at: float, *names: str, limit: int = 2) -> Exchanged:
    return Exchanged("start", at, id, at + 10, 409, names=names, limit=limit)


def limit(to: int | None, at: float, *, status: int = 200, evicts: bool = False) -> Exchanged:
    return Exchanged("limit", at, "", at + 10, status, limit=to, evicts=evicts)


A, B, C = start("a", 0), start("b", 100), start("c", 200)

VIOLATIONS: dict[str, tuple[list[Exchanged], str]] = {
    "a third of two": ([A, B, C], "over the limit"),
    "a second of two at once with a first and a third": (
        [A, replace(B, called=150, answered=400), replace(C, called=500, answered=510)],
        "over the limit",
    ),
    "a start over a limit that was lowered": ([limit(1, -50), A, B], "over the limit"),
    "a denial with room": ([A, denied("c", 200, "a")], "a denial without a reason"),
    "a denial by a stream that was stopped": (
        [A, B, stop(B, 150), denied("c", 200, "a", "b")],
        "a denial without a reason: b",
    ),
    "a denial by a stream that ran out": ([A, B, denied("c", 20_000, "a", "b")], "a denial without a reason: a"),
    "a denial by a limit that never was": ([A, denied("c", 200, "a", limit=1)], "a denial by a limit"),
    "a denial by a limit that was lifted": (
        [limit(1, -90), limit(3, -50), A, denied("c", 200, "a", limit=1)],
        "a denial by a limit",
    ),
    "a holder that is told it was taken over": ([A, renew(A, 900, status=410, reason="taken-over")], "a holder could"),
    "a holder that is told it is not known": ([A, renew(A, 900, status=404)], "a holder could not renew"),
    "a holder whose newest token is refused": ([A, renew(A, 900), renew(A, 4000, status=400)], "a holder could not"),
    "a holder that cannot stop": ([A, stop(A, 900, status=410)], "a holder could not stop"),
    "a stopped stream that renews": ([A, stop(A, 500), renew(A, 900)], "a stream that was stopped renewed"),
    "a stream that an operator ended, that renews": (
        [A, Exchanged("end", 500, "a", 510, 204), renew(A, 900)],
        "a stream that was ended renewed",
    ),
    "a stream that was taken over, that renews": (
        [A, start("a", 500, status=200), renew(A, 900)],
        "a stream that was taken over renewed",
    ),
    "a stream that was replaced, that renews": (
        [A, start("b", 500, replaces=("a",)), renew(A, 900)],
        "a stream that was replaced renewed",
    ),
    "an untrue reason: nobody stopped it": ([A, renew(A, 9000, status=410, reason="stopped")], "a reason that is not"),
    "an untrue reason: another replaced it": (
        [A, start("b", 500, replaces=("a",)), renew(A, 900, status=410, reason="replaced", by="c")],
        "a reason that is not true",
    ),
    "an untrue reason: nothing evicts": (
        [A, B, stop(B, 200), start("c", 500), renew(A, 9000, status=410, reason="evicted", by="c")],
        "a reason that is not true",
    ),
    "an untrue reason: it had not run out": (
        [A, stop(A, 400, status=503), renew(A, 900, status=410, reason="expired")],
        "a reason that is not true: expired",
    ),
    "an epoch that goes back": ([A, start("a", 500, status=200, epoch=A.epoch - 1)], "an epoch went back"),
    "an end that moves back": ([A, renew(A, 900, expires_at=4000)], "an end moved back"),
    "201 for a take-over": ([A, start("a", 500)], "201, and its slot was live"),
    "200 for a first start": ([start("a", 0, status=200)], "200, and nothing was in its slot"),
    "a list without a holder": ([A, Exchanged("list", 500, "", 510, 200)], "a stream that lives is not listed"),
    "a list with a ghost": ([A, Exchanged("list", 9000, "", 9010, 200, names=("a",))], "a stream is listed"),
    "500": ([Exchanged("start", 0, "a", 10, 500)], "no documented answer"),
    "nine seconds": ([start("a", 0, took=9000)], "too slow"),
}


@pytest.mark.parametrize(("operations", "said"), VIOLATIONS.values(), ids=VIOLATIONS)
def test_what_cannot_have_happened_is_found_and_shown_in_as_few_calls_as_there_can_be(
    operations: list[Exchanged], said: str
) -> None:
    noise = [start("z", -20_000), Exchanged("list", -9000, "", -8990, 200)]
    whole = history(*noise, *operations)
    assert (whole.wrong(operations[-1]) or "").startswith(said)
    assert [one for one in operations[:-1] if whole.wrong(one)] == []
    assert set(map(id, whole.shortest(operations[-1]))) <= set(map(id, operations))


POSSIBLE: dict[str, tuple[list[Exchanged], dict[str, int]]] = {
    "two of two, and a third after a stop": ([A, B, stop(A, 150), C], {}),
    "a third while a stop is on its way": ([A, B, replace(stop(A, 190), answered=900), replace(C, answered=800)], {}),
    "a third after one ran out": ([A, B, start("c", 5200)], {}),
    "a third when one may have run out by another clock": ([A, B, start("c", 3500)], {"skew_ms": 2000}),
    "a third after an operator raised the limit, perhaps": ([A, B, limit(5, 150, status=503), C], {}),
    "a fourth where a first start is not known": ([replace(A, status=503), B, denied("c", 300, "a", "b")], {}),
    "a denial by a start that is late": (
        [replace(A, status=0), B, denied("c", 5050, "a", "b")],
        {"late_ms": 1000},
    ),
    "an eviction": ([limit(1, -50, evicts=True), A, B, renew(A, 300, status=410, reason="evicted", by="b")], {}),
    "a take-over": ([A, start("a", 500, status=200), renew(A, 900, status=410, reason="taken-over", by="a")], {}),
    "a take-over whose answer was lost": (
        [A, replace(start("a", 500), status=0, epoch=0), renew(A, 900, status=410, reason="taken-over", by="a")],
        {},
    ),
    "a renewal that is not known": ([A, replace(renew(A, 4000), status=503), renew(A, 4500)], {}),
    "a revival": ([A, renew(A, 30_000)], {}),
    "a denial while a stream may have been revived": (
        [A, B, replace(renew(A, 9000), status=503), renew(B, 9000), denied("c", 9500, "a", "b")],
        {},
    ),
    "an end by an operator that came before, by another clock": (
        [Exchanged("end", -500, "a", -490, 204), A, renew(A, 900, status=410, reason="stopped")],
        {"skew_ms": 2000},
    ),
}


@pytest.mark.parametrize(("operations", "clocks"), POSSIBLE.values(), ids=POSSIBLE)
def test_nothing_is_found_in_what_can_have_happened(operations: list[Exchanged], clocks: dict[str, int]) -> None:
    whole = history(*operations, **clocks)
    assert [(str(one), whole.wrong(one)) for one in operations if whole.wrong(one)] == []


def test_what_can_matter_no_more_is_forgotten_but_the_limit_is_not() -> None:
    whole = history(limit(5, -900), limit(3, -500), A, B, renew(B, 900))
    whole.forget(before=500)
    assert [one.verb for one in whole.operations] == ["limit", "renew"]
    assert whole._limits(denied("c", 1000)) == {3}
