"""The history checker finds what cannot have happened, and finds nothing in what can."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.faults.history import Exchanged, History, TomlTable

LEASE = 5000
PLANS: Mapping[str, TomlTable] = {
    "home": {
        "limit": 3,
        "relaxed_lease_seconds": 7,
        "paused_seconds": 9,
        "rules": [
            {"name": "one-tv", "where": {"deviceType": ["tv"]}, "limit": 1},
            {"name": "one-per-title", "per": "streamId", "limit": 1},
        ],
    },
    "kids": {
        "limit": 2,
        "rules": [
            {"name": "no-adults", "where": {"metadata.kids": [False]}, "limit": 0}
        ],
    },
    "hotel": {
        "limit": 4,
        "rules": [{"name": "two-rooms", "distinct": "metadata.room", "limit": 2}],
    },
}
ONE_TV: Mapping[str, Any] = {"plan": "home", "limit": 3, "rule": "one-tv"}
ONE_PER_TITLE: Mapping[str, Any] = {"plan": "home", "limit": 3, "rule": "one-per-title"}
TWO_ROOMS: Mapping[str, Any] = {"plan": "hotel", "limit": 4, "rule": "two-rooms"}


def history(*operations: Exchanged, limit: int = 2, **more: int) -> History:
    return History(
        {**PLANS, "default": {"limit": limit}},
        LEASE,
        operations=list(operations),
        **more,
    )


def start(
    id: str,
    at: float,
    *,
    took: float = 10,
    status: int = 201,
    epoch: int = 0,
    **more: Any,
) -> Exchanged:
    """An admitted start whose epoch is the instant of the call, as the service's are."""
    epoch = epoch or int((at + 100_000) * 1000)
    return Exchanged(
        "start", at, id, at + took, status, epoch, expires_at=at + LEASE, **more
    )


def renew(of: Exchanged, at: float, *, status: int = 200, **more: Any) -> Exchanged:
    more = {"expires_at": at + LEASE} | more
    return Exchanged("renew", at, of.id, at + 10, status, of.epoch, **more)


def stop(of: Exchanged, at: float, *, status: int = 204) -> Exchanged:
    return Exchanged("stop", at, of.id, at + 10, status, of.epoch)


def denied(
    id: str, at: float, *names: str, limit: int = 2, plan: str = "default", **more: Any
) -> Exchanged:
    return Exchanged(
        "start", at, id, at + 10, 409, names=names, limit=limit, plan=plan, **more
    )


def limit(
    to: int | None, at: float, *, status: int = 200, evicts: bool = False
) -> Exchanged:
    return Exchanged("limit", at, "", at + 10, status, limit=to, evicts=evicts)


def plan(name: str, at: float, **more: Any) -> Exchanged:
    return replace(limit(None, at), plan=name, **more)


def of(one: Exchanged, title: str = "", *, type: str = "", room: str = "") -> Exchanged:
    """A start, and what it says that rules look at."""
    facts = {"streamId": title or one.id, "deviceType": type, "metadata.room": room}
    return replace(one, facts={name: value for name, value in facts.items() if value})


def pause(
    of: Exchanged, at: float, *, since: float | None = None, **more: Any
) -> Exchanged:
    """A paused heartbeat under the plan `home`, of a player that paused then."""
    paused_at = at if since is None else since
    return renew(
        of,
        at,
        pauses=True,
        paused_at=paused_at,
        **{"expires_at": paused_at + 9000, **more},
    )


A, B, C = start("a", 0), start("b", 100), start("c", 200)
HOME, HOTEL = plan("home", -50), plan("hotel", -50)
TV, OTHER_TV = of(A, type="tv"), of(B, type="tv")
HALL, DEN, ATTIC = of(A, room="hall"), of(B, room="den"), of(C, room="attic")

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
    "a denial by a stream that ran out": (
        [A, B, denied("c", 20_000, "a", "b")],
        "a denial without a reason: a",
    ),
    "a denial by a limit that never was": (
        [A, denied("c", 200, "a", limit=1)],
        "a denial by a limit",
    ),
    "a denial by a limit that was lifted": (
        [limit(1, -90), limit(3, -50), A, denied("c", 200, "a", limit=1)],
        "a denial by a limit",
    ),
    "a holder that is told it was taken over": (
        [A, renew(A, 900, status=410, reason="taken-over")],
        "a holder could",
    ),
    "a holder that is told it is not known": (
        [A, renew(A, 900, status=404)],
        "a holder could not renew",
    ),
    "a holder whose newest token is refused": (
        [A, renew(A, 900), renew(A, 4000, status=400)],
        "a holder could not",
    ),
    "a holder that cannot stop": (
        [A, stop(A, 900, status=410)],
        "a holder could not stop",
    ),
    "a stopped stream that renews": (
        [A, stop(A, 500), renew(A, 900)],
        "a stream that was stopped renewed",
    ),
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
    "an untrue reason: nobody stopped it": (
        [A, renew(A, 9000, status=410, reason="stopped")],
        "a reason that is not",
    ),
    "an untrue reason: another replaced it": (
        [
            A,
            start("b", 500, replaces=("a",)),
            renew(A, 900, status=410, reason="replaced", by="c"),
        ],
        "a reason that is not true",
    ),
    "an untrue reason: nothing evicts": (
        [
            A,
            B,
            stop(B, 200),
            start("c", 500),
            renew(A, 9000, status=410, reason="evicted", by="c"),
        ],
        "a reason that is not true",
    ),
    "an untrue reason: it had not run out": (
        [A, stop(A, 400, status=503), renew(A, 900, status=410, reason="expired")],
        "a reason that is not true: expired",
    ),
    "an epoch that goes back": (
        [A, start("a", 500, status=200, epoch=A.epoch - 1)],
        "an epoch went back",
    ),
    "an end that moves back": (
        [A, renew(A, 900, expires_at=4000)],
        "an end moved back",
    ),
    "201 for a take-over": ([A, start("a", 500)], "201, and its slot was live"),
    "200 for a first start": (
        [start("a", 0, status=200)],
        "200, and nothing was in its slot",
    ),
    "a list without a holder": (
        [A, Exchanged("list", 500, "", 510, 200)],
        "a stream that lives is not listed",
    ),
    "a list with a ghost": (
        [A, Exchanged("list", 9000, "", 9010, 200, names=("a",))],
        "a stream is listed",
    ),
    "a second of one television": ([HOME, TV, OTHER_TV], "over the rule one-tv"),
    "a title twice": (
        [HOME, of(A, "film"), of(B, "film")],
        "over the rule one-per-title",
    ),
    "a third room of two": ([HOTEL, HALL, DEN, ATTIC], "over the rule two-rooms"),
    "another title in its own slot that plays elsewhere": (
        [HOME, of(A, "film"), B, of(start("b", 300, status=200), "film")],
        "over the rule one-per-title",
    ),
    "a title twice, where it may have been in the slot, which was found empty": (
        [
            HOME,
            of(A, "film"),
            replace(of(start("b", 50), "film"), status=503, epoch=0),
            of(B, "film"),
        ],
        "over the rule one-per-title",
    ),
    "a start over a rule of each plan that may hold": (
        [
            plan("hotel", -90),
            plan("home", -60, status=503),
            of(A, "film", room="hall"),
            DEN,
            of(C, "film", room="attic"),
        ],
        "over the rule two-rooms",
    ),
    "a start over the limit of a plan": (
        [HOME, of(A), of(B), of(C), of(start("d", 300))],
        "over the limit of 3",
    ),
    "a start over a limit beside a plan": (
        [plan("home", -50, limit=1), of(A), of(B)],
        "over the limit of 1",
    ),
    "a revival over the limit": (
        [A, start("b", 5600), start("c", 5700), renew(A, 5800)],
        "over the limit of 2",
    ),
    "a revival over a rule": (
        [HOME, TV, of(start("b", 5600), type="tv"), renew(TV, 5800)],
        "over the rule one-tv",
    ),
    "a denial by a plan that does not hold": (
        [A, B, denied("c", 200, "a", "b", plan="home", limit=3)],
        "a denial by a limit that did not hold",
    ),
    "a denial by a rule of another plan": (
        [
            HOME,
            A,
            B,
            denied("c", 200, "a", "b", plan="home", limit=3, rule="two-rooms"),
        ],
        "a denial by a rule that did not hold",
    ),
    "a denial by a stream that the rule does not count": (
        [HOME, of(A), of(denied("b", 200, "a", **ONE_TV), type="tv")],
        "a denial without a reason: a",
    ),
    "a denial by a rule that does not count the stream": (
        [HOME, TV, of(denied("b", 200, "a", **ONE_TV), type="phone")],
        "a denial without a reason: a",
    ),
    "a denial by a rule that counts neither": (
        [HOME, of(A, type="phone"), of(denied("b", 200, "a", **ONE_TV), type="phone")],
        "a denial without a reason: a",
    ),
    "a denial by a stream that was another title": (
        [
            HOME,
            of(A, "film"),
            of(start("a", 50, status=200), "news"),
            of(denied("b", 200, "a", **ONE_PER_TITLE), "film"),
        ],
        "a denial without a reason: a",
    ),
    "a denial by one room of two": (
        [
            HOTEL,
            HALL,
            of(B, room="hall"),
            of(denied("c", 200, "a", "b", **TWO_ROOMS), room="den"),
        ],
        "a denial without a reason: ('a', 'b')",
    ),
    "a denial of a restart under a lowered limit": (
        [A, B, limit(1, 150), denied("a", 200, "b", limit=1)],
        "a denial of who has a place",
    ),
    "a denial of the next episode under a new rule": (
        [
            TV,
            OTHER_TV,
            plan("home", 150),
            of(denied("a", 200, "b", **ONE_TV), "next", type="tv"),
        ],
        "a denial of who has a place",
    ),
    "a pause that begins anew": (
        [HOME, A, pause(A, 1000), pause(A, 4000)],
        "a pause began anew",
    ),
    "a pause that lasts too long": (
        [HOME, A, pause(A, 1000), pause(A, 4000, since=1000, expires_at=13_000)],
        "an end that cannot",
    ),
    "a pause that is cut short": (
        [HOME, A, pause(A, 1000, expires_at=6000)],
        "an end that cannot be",
    ),
    "a pause whose plan was taken": (
        [HOME, plan("hotel", 500), A, pause(A, 1000)],
        "an end that cannot be",
    ),
    "an end that a pause moved back": (
        [HOME, A, renew(A, 3900, expires_at=10_900), pause(A, 4000, since=1000)],
        "an end moved back",
    ),
    "a paused stream that is over before its end": (
        [HOME, A, pause(A, 1000), renew(A, 9000, status=410, reason="expired")],
        "a holder could not renew",
    ),
    "a denial by a paused stream that ran out": (
        [HOME, TV, pause(TV, 1000), of(denied("b", 10_100, "a", **ONE_TV), type="tv")],
        "a denial without a reason: a",
    ),
    "a lease of a length that no plan gives": (
        [HOME, A, renew(A, 900, expires_at=9000)],
        "an end that cannot be",
    ),
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


UNKNOWN_RAISE, LATE_FILM = (
    limit(5, -500, status=503),
    replace(of(A, "film"), status=503, epoch=0),
)
TOO_LATE: dict[str, tuple[list[Exchanged], str]] = {
    "a limit that comes late, after a start was written": (
        [UNKNOWN_RAISE, start("a", -400), limit(1, -300), B],
        "over the limit of 1",
    ),
    "a start that comes late, after another of its slot": (
        [
            HOME,
            LATE_FILM,
            of(start("a", 50), "news"),
            of(denied("b", 200, "a", **ONE_PER_TITLE), "film"),
        ],
        "a denial without a reason: a",
    ),
    "a start that comes late, after the one that followed it was told of": (
        [A, start("a", 20, status=200), B, C],
        "over the limit of 2",
    ),
    "a heartbeat that comes late, after a start was written": (
        [
            HOME,
            A,
            replace(renew(A, 500), status=503),
            start("b", 600),
            pause(A, 1000),
            pause(A, 2000),
        ],
        "a pause began anew",
    ),
}


@pytest.mark.parametrize(("operations", "said"), TOO_LATE.values(), ids=TOO_LATE)
def test_what_comes_too_late_to_change_anything_explains_nothing(
    operations: list[Exchanged], said: str
) -> None:
    whole = history(*operations, late_ms=10_000, skew_ms=30)
    assert (whole.wrong(operations[-1]) or "").startswith(said)


POSSIBLE: dict[str, tuple[list[Exchanged], dict[str, int]]] = {
    "two of two, and a third after a stop": ([A, B, stop(A, 150), C], {}),
    "a third while a stop is on its way": (
        [A, B, replace(stop(A, 190), answered=900), replace(C, answered=800)],
        {},
    ),
    "a third after one ran out": ([A, B, start("c", 5200)], {}),
    "a third when one may have run out by another clock": (
        [A, B, start("c", 3500)],
        {"skew_ms": 2000},
    ),
    "a third after an operator raised the limit, perhaps": (
        [A, B, limit(5, 150, status=503), C],
        {},
    ),
    "a fourth where a first start is not known": (
        [replace(A, status=503), B, denied("c", 300, "a", "b")],
        {},
    ),
    "a denial by a start that is late": (
        [replace(A, status=0), B, denied("c", 5050, "a", "b")],
        {"late_ms": 1000},
    ),
    "an eviction": (
        [
            limit(1, -50, evicts=True),
            A,
            B,
            renew(A, 300, status=410, reason="evicted", by="b"),
        ],
        {},
    ),
    "a take-over": (
        [
            A,
            start("a", 500, status=200),
            renew(A, 900, status=410, reason="taken-over", by="a"),
        ],
        {},
    ),
    "a take-over whose answer was lost": (
        [
            A,
            replace(start("a", 500), status=0, epoch=0),
            renew(A, 900, status=410, reason="taken-over", by="a"),
        ],
        {},
    ),
    "a renewal that is not known": (
        [A, replace(renew(A, 4000), status=503), renew(A, 4500)],
        {},
    ),
    "a revival": ([A, renew(A, 30_000)], {}),
    "a denial while a stream may have been revived": (
        [
            A,
            B,
            replace(renew(A, 9000), status=503),
            renew(B, 9000),
            denied("c", 9500, "a", "b"),
        ],
        {},
    ),
    "an end by an operator that came before, by another clock": (
        [
            Exchanged("end", -500, "a", -490, 204),
            A,
            renew(A, 900, status=410, reason="stopped"),
        ],
        {"skew_ms": 2000},
    ),
    "one television, and a phone": ([HOME, TV, of(B, type="phone")], {}),
    "a second television after one was replaced": (
        [HOME, TV, replace(OTHER_TV, replaces=("a",))],
        {},
    ),
    "a title twice, evicting": (
        [replace(HOME, evicts=True), of(A, "film"), of(B, "film")],
        {},
    ),
    "two titles under a plan that may have been set": (
        [replace(HOME, status=503), of(A, "film"), of(B, "film")],
        {},
    ),
    "a second television while the plan is taken": (
        [HOME, TV, replace(limit(None, 90), answered=500), OTHER_TV],
        {},
    ),
    "a third room, of a stream that says none": ([HOTEL, HALL, DEN, C], {}),
    "the next episode in its own place": (
        [HOME, TV, of(start("a", 300, status=200), "next", type="tv")],
        {},
    ),
    "a title that was changed, perhaps": (
        [
            HOME,
            of(A, "film"),
            replace(of(start("a", 50), "news"), status=503, epoch=0),
            of(B, "film"),
        ],
        {},
    ),
    "the title that an unknown start had": (
        [
            HOME,
            of(A, "film"),
            of(B, "film2"),
            replace(of(start("b", 150), "film"), status=503, epoch=0),
            of(start("b", 300, status=200), "film"),
        ],
        {},
    ),
    "a denial of what is a television only now": (
        [
            of(A, type="phone"),
            OTHER_TV,
            plan("home", 150),
            of(denied("a", 200, "b", **ONE_TV), type="tv"),
        ],
        {},
    ),
    "a denial by each kind of rule": (
        [
            HOME,
            TV,
            of(denied("b", 100, "a", **ONE_TV), type="tv"),
            of(denied("b", 200, "a", **ONE_PER_TITLE), "a"),
            plan("hotel", 300),
            of(start("c", 400), room="hall"),
            of(start("d", 500), room="den"),
            of(denied("b", 600, "c", "d", **TWO_ROOMS), room="attic"),
            plan("home", 700, limit=2),
            denied("b", 800, "a", "c", "d", plan="home"),
        ],
        {},
    ),
    "a denial by a title that an unknown start brought": (
        [
            HOME,
            of(A, "film"),
            replace(of(start("a", 50), "news"), status=503, epoch=0),
            of(denied("b", 200, "a", **ONE_PER_TITLE), "news"),
        ],
        {},
    ),
    "a pause, told of again, and one after the player went on": (
        [
            HOME,
            A,
            pause(A, 1000),
            pause(A, 4000, since=1000),
            renew(A, 7000, expires_at=12_000),
            pause(A, 7500),
        ],
        {},
    ),
    "a pause that may have been ended by a heartbeat without an answer": (
        [HOME, A, pause(A, 1000), replace(renew(A, 2000), status=503), pause(A, 4000)],
        {},
    ),
    "a relaxed lease that a pause does not move back": (
        [
            HOME,
            A,
            renew(A, 4000, expires_at=11_000),
            pause(A, 4100, since=1000, expires_at=11_000),
        ],
        {},
    ),
    "a denial by a stream that may be paused": (
        [
            HOME,
            TV,
            replace(pause(TV, 1000), status=503),
            of(denied("b", 9500, "a", **ONE_TV), type="tv"),
        ],
        {},
    ),
    "a pace that outlives its plan": (
        [
            HOME,
            A,
            renew(A, 900, expires_at=7900),
            limit(None, 1000),
            renew(A, 2000, expires_at=9000),
        ],
        {},
    ),
    "a rule that admits none, of a stream that it does not count": (
        [plan("kids", -50), A],
        {},
    ),
    "a third stream in its own room": ([HOTEL, HALL, DEN, of(C, room="den")], {}),
    "a holder above a lowered limit": ([A, B, limit(1, 150), renew(A, 900)], {}),
    "a start that comes late, from a server whose clock is ahead": (
        [
            LATE_FILM,
            of(start("a", 50), "news"),
            HOME,
            of(denied("b", 200, "a", **ONE_PER_TITLE), "film"),
        ],
        {"late_ms": 10_000, "skew_ms": 100},
    ),
    "a start that comes late, after another without an answer": (
        [
            LATE_FILM,
            replace(of(start("a", 50), "news"), status=503, epoch=0),
            HOME,
            of(denied("b", 200, "a", **ONE_PER_TITLE), "film"),
        ],
        {"late_ms": 10_000},
    ),
    "a limit that comes late, after a start without an answer": (
        [
            UNKNOWN_RAISE,
            replace(start("z", -400), status=503, epoch=0),
            limit(1, -300),
            A,
            B,
        ],
        {"late_ms": 10_000},
    ),
    "a limit that comes late": (
        [UNKNOWN_RAISE, limit(1, -300), A, B],
        {"late_ms": 10_000},
    ),
    "a start that comes late": (
        [LATE_FILM, HOME, of(denied("b", 200, "a", **ONE_PER_TITLE), "film")],
        {"late_ms": 10_000},
    ),
    "a heartbeat that comes late": (
        [HOME, A, replace(renew(A, 500), status=503), pause(A, 1000), pause(A, 2000)],
        {"late_ms": 10_000},
    ),
}


@pytest.mark.parametrize(("operations", "clocks"), POSSIBLE.values(), ids=POSSIBLE)
def test_nothing_is_found_in_what_can_have_happened(
    operations: list[Exchanged], clocks: dict[str, int]
) -> None:
    whole = history(*operations, **clocks)
    assert [
        (str(one), whole.wrong(one)) for one in operations if whole.wrong(one)
    ] == []


def test_what_can_matter_no_more_is_forgotten_but_not_the_limit_nor_a_start_whose_stream_may_live() -> (
    None
):
    at_once, last, of_b = limit(4, -505), limit(3, -500), renew(B, 900)
    whole = history(limit(5, -900), at_once, last, A, B, of_b)
    whole.forget(before=500)
    assert whole.operations == [at_once, last, B, of_b]
