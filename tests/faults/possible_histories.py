"""Histories whose answers are all possible, with the clocks that they need."""

from dataclasses import replace

from tests.faults.exchanged import Exchanged
from tests.faults.histories import (
    DEN,
    HALL,
    HOME,
    HOTEL,
    LATE_FILM,
    ONE_PER_TITLE,
    ONE_TV,
    OTHER_TV,
    TV,
    TWO_ROOMS,
    UNKNOWN_RAISE,
    A,
    B,
    C,
    denied,
    limit,
    of,
    pause,
    plan,
    renew,
    start,
    stop,
)

POSSIBLE: dict[str, tuple[list[Exchanged], dict[str, int]]] = {
    "two streams, and a third after a stop": ([A, B, stop(A, 150), C], {}),
    "a third stream during a stop": (
        [A, B, replace(stop(A, 190), answered=900), replace(C, answered=800)],
        {},
    ),
    "a third stream after one expired": ([A, B, start("c", 5200)], {}),
    "a third stream after one can have expired by another clock": (
        [A, B, start("c", 3500)],
        {"skew_ms": 2000},
    ),
    "a third stream after an unknown raise of the limit": (
        [A, B, limit(5, 150, status=503), C],
        {},
    ),
    "a denial after an unknown first start": (
        [replace(A, status=503), B, denied("c", 300, "a", "b")],
        {},
    ),
    "a denial by a late start": (
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
    "a takeover": (
        [
            A,
            start("a", 500, status=200),
            renew(A, 900, status=410, reason="taken-over", by="a"),
        ],
        {},
    ),
    "a takeover whose answer was lost": (
        [
            A,
            replace(start("a", 500), status=0, epoch=0),
            renew(A, 900, status=410, reason="taken-over", by="a"),
        ],
        {},
    ),
    "a renewal after an unknown one": (
        [A, replace(renew(A, 4000), status=503), renew(A, 4500)],
        {},
    ),
    "a revival": ([A, renew(A, 30_000)], {}),
    "a denial by a stream that can have been revived": (
        [
            A,
            B,
            replace(renew(A, 9000), status=503),
            renew(B, 9000),
            denied("c", 9500, "a", "b"),
        ],
        {},
    ),
    "an earlier end by an operator, by another clock": (
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
    "a title twice under a plan that can have been set": (
        [replace(HOME, status=503), of(A, "film"), of(B, "film")],
        {},
    ),
    "a second television while the plan is removed": (
        [HOME, TV, replace(limit(None, 90), answered=500), OTHER_TV],
        {},
    ),
    "a stream without a room, next to two rooms": ([HOTEL, HALL, DEN, C], {}),
    "the next episode in the same slot": (
        [HOME, TV, of(start("a", 300, status=200), "next", type="tv")],
        {},
    ),
    "a title after an unknown switch": (
        [
            HOME,
            of(A, "film"),
            replace(of(start("a", 50), "news"), status=503, epoch=0),
            of(B, "film"),
        ],
        {},
    ),
    "a switch to the title of an unknown start": (
        [
            HOME,
            of(A, "film"),
            of(B, "film2"),
            replace(of(start("b", 150), "film"), status=503, epoch=0),
            of(start("b", 300, status=200), "film"),
        ],
        {},
    ),
    "a denial of a device that becomes a television": (
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
    "a denial by the title of an unknown start": (
        [
            HOME,
            of(A, "film"),
            replace(of(start("a", 50), "news"), status=503, epoch=0),
            of(denied("b", 200, "a", **ONE_PER_TITLE), "news"),
        ],
        {},
    ),
    "a repeated pause, and a pause after a resumption": (
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
    "a pause after an unknown heartbeat": (
        [HOME, A, pause(A, 1000), replace(renew(A, 2000), status=503), pause(A, 4000)],
        {},
    ),
    "a relaxed lease that a pause does not shorten": (
        [
            HOME,
            A,
            renew(A, 4000, expires_at=11_000),
            pause(A, 4100, since=1000, expires_at=11_000),
        ],
        {},
    ),
    "a denial by a stream that can be paused": (
        [
            HOME,
            TV,
            replace(pause(TV, 1000), status=503),
            of(denied("b", 9500, "a", **ONE_TV), type="tv"),
        ],
        {},
    ),
    "a relaxed lease after its plan was removed": (
        [
            HOME,
            A,
            renew(A, 900, expires_at=7900),
            limit(None, 1000),
            renew(A, 2000, expires_at=9000),
        ],
        {},
    ),
    "a stream that a rule of zero does not count": (
        [plan("kids", -50), A],
        {},
    ),
    "a third stream in a room in use": ([HOTEL, HALL, DEN, of(C, room="den")], {}),
    "a holder above a lowered limit": ([A, B, limit(1, 150), renew(A, 900)], {}),
    "a late start from a server whose clock is ahead": (
        [
            LATE_FILM,
            of(start("a", 50), "news"),
            HOME,
            of(denied("b", 200, "a", **ONE_PER_TITLE), "film"),
        ],
        {"late_ms": 10_000, "skew_ms": 100},
    ),
    "a late start, after another one without an answer": (
        [
            LATE_FILM,
            replace(of(start("a", 50), "news"), status=503, epoch=0),
            HOME,
            of(denied("b", 200, "a", **ONE_PER_TITLE), "film"),
        ],
        {"late_ms": 10_000},
    ),
    "a late limit, after a start without an answer": (
        [
            UNKNOWN_RAISE,
            replace(start("z", -400), status=503, epoch=0),
            limit(1, -300),
            A,
            B,
        ],
        {"late_ms": 10_000},
    ),
    "a late limit": (
        [UNKNOWN_RAISE, limit(1, -300), A, B],
        {"late_ms": 10_000},
    ),
    "a late start": (
        [LATE_FILM, HOME, of(denied("b", 200, "a", **ONE_PER_TITLE), "film")],
        {"late_ms": 10_000},
    ),
    "a late heartbeat": (
        [HOME, A, replace(renew(A, 500), status=503), pause(A, 1000), pause(A, 2000)],
        {"late_ms": 10_000},
    ),
}
