"""Histories whose last answer is impossible, with the checker's message."""

from dataclasses import replace

from tests.faults.exchanged import Exchanged
from tests.faults.histories import (
    ATTIC,
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

VIOLATIONS: dict[str, tuple[list[Exchanged], str]] = {
    "a third stream under a limit of two": ([A, B, C], "over the limit"),
    "a third stream while the second starts slowly": (
        [A, replace(B, called=150, answered=400), replace(C, called=500, answered=510)],
        "over the limit",
    ),
    "a start above a lowered limit": ([limit(1, -50), A, B], "over the limit"),
    "a denial with room": ([A, denied("c", 200, "a")], "a denial without a reason"),
    "a denial by a stream that was stopped": (
        [A, B, stop(B, 150), denied("c", 200, "a", "b")],
        "a denial without a reason: b",
    ),
    "a denial by an expired stream": (
        [A, B, denied("c", 20_000, "a", "b")],
        "a denial without a reason: a",
    ),
    "a denial by a limit that was never set": (
        [A, denied("c", 200, "a", limit=1)],
        "a denial by a limit",
    ),
    "a denial by a limit that was raised": (
        [limit(1, -90), limit(3, -50), A, denied("c", 200, "a", limit=1)],
        "a denial by a limit",
    ),
    "a holder that gets 410 taken-over": (
        [A, renew(A, 900, status=410, reason="taken-over")],
        "a holder could",
    ),
    "a holder that gets 404": (
        [A, renew(A, 900, status=404)],
        "a holder could not renew",
    ),
    "a holder whose newest token is rejected": (
        [A, renew(A, 900), renew(A, 4000, status=400)],
        "a holder could not",
    ),
    "a holder that cannot stop": (
        [A, stop(A, 900, status=410)],
        "a holder could not stop",
    ),
    "a renewal after a stop": (
        [A, stop(A, 500), renew(A, 900)],
        "a stream that was stopped renewed",
    ),
    "a renewal after an operator ended the stream": (
        [A, Exchanged("end", 500, "a", 510, 204), renew(A, 900)],
        "a stream that was ended renewed",
    ),
    "a renewal after a takeover": (
        [A, start("a", 500, status=200), renew(A, 900)],
        "a stream that was taken over renewed",
    ),
    "a renewal after a replacement": (
        [A, start("b", 500, replaces=("a",)), renew(A, 900)],
        "a stream that was replaced renewed",
    ),
    "an untrue reason: no call stopped it": (
        [A, renew(A, 9000, status=410, reason="stopped")],
        "an untrue reason",
    ),
    "an untrue reason: another stream replaced it": (
        [
            A,
            start("b", 500, replaces=("a",)),
            renew(A, 900, status=410, reason="replaced", by="c"),
        ],
        "an untrue reason",
    ),
    "an untrue reason: no limit evicts": (
        [
            A,
            B,
            stop(B, 200),
            start("c", 500),
            renew(A, 9000, status=410, reason="evicted", by="c"),
        ],
        "an untrue reason",
    ),
    "an untrue reason: it had not expired": (
        [A, stop(A, 400, status=503), renew(A, 900, status=410, reason="expired")],
        "an untrue reason: expired",
    ),
    "an epoch that decreases": (
        [A, start("a", 500, status=200, epoch=A.epoch - 1)],
        "an epoch decreased",
    ),
    "an expiry that decreases": (
        [A, renew(A, 900, expires_at=4000)],
        "an expiry decreased",
    ),
    "201 for a takeover": ([A, start("a", 500)], "201, but its slot was live"),
    "200 for a first start": (
        [start("a", 0, status=200)],
        "200, but its slot was free",
    ),
    "a list without a holder": (
        [A, Exchanged("list", 500, "", 510, 200)],
        "a live stream is not listed",
    ),
    "a list with a ghost": (
        [A, Exchanged("list", 9000, "", 9010, 200, names=("a",))],
        "a listed stream is not live",
    ),
    "a second television under a rule of one": (
        [HOME, TV, OTHER_TV],
        "over the rule one-tv",
    ),
    "a title twice": (
        [HOME, of(A, "film"), of(B, "film")],
        "over the rule one-per-title",
    ),
    "a third room under a rule of two": (
        [HOTEL, HALL, DEN, ATTIC],
        "over the rule two-rooms",
    ),
    "a switch to a title that plays on another device": (
        [HOME, of(A, "film"), B, of(start("b", 300, status=200), "film")],
        "over the rule one-per-title",
    ),
    "a title twice, after a 201 for its slot": (
        [
            HOME,
            of(A, "film"),
            replace(of(start("b", 50), "film"), status=503, epoch=0),
            of(B, "film"),
        ],
        "over the rule one-per-title",
    ),
    "a start above a rule of each plan that can apply": (
        [
            plan("hotel", -90),
            plan("home", -60, status=503),
            of(A, "film", room="hall"),
            DEN,
            of(C, "film", room="attic"),
        ],
        "over the rule two-rooms",
    ),
    "a start above the limit of a plan": (
        [HOME, of(A), of(B), of(C), of(start("d", 300))],
        "over the limit of 3",
    ),
    "a start above a limit next to a plan": (
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
    "a denial by a plan that does not apply": (
        [A, B, denied("c", 200, "a", "b", plan="home", limit=3)],
        "a denial by a limit that did not apply",
    ),
    "a denial by a rule of another plan": (
        [
            HOME,
            A,
            B,
            denied("c", 200, "a", "b", plan="home", limit=3, rule="two-rooms"),
        ],
        "a denial by a rule that did not apply",
    ),
    "a denial by a stream that the rule does not count": (
        [HOME, of(A), of(denied("b", 200, "a", **ONE_TV), type="tv")],
        "a denial without a reason: a",
    ),
    "a denial by a rule that does not count the stream": (
        [HOME, TV, of(denied("b", 200, "a", **ONE_TV), type="phone")],
        "a denial without a reason: a",
    ),
    "a denial by a rule that counts neither stream": (
        [HOME, of(A, type="phone"), of(denied("b", 200, "a", **ONE_TV), type="phone")],
        "a denial without a reason: a",
    ),
    "a denial by a stream with another title": (
        [
            HOME,
            of(A, "film"),
            of(start("a", 50, status=200), "news"),
            of(denied("b", 200, "a", **ONE_PER_TITLE), "film"),
        ],
        "a denial without a reason: a",
    ),
    "a denial with one of two rooms in use": (
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
        "a denial of a holder",
    ),
    "a denial of the next episode under a new rule": (
        [
            TV,
            OTHER_TV,
            plan("home", 150),
            of(denied("a", 200, "b", **ONE_TV), "next", type="tv"),
        ],
        "a denial of a holder",
    ),
    "a pause that begins again": (
        [HOME, A, pause(A, 1000), pause(A, 4000)],
        "a pause began again",
    ),
    "a pause that lasts too long": (
        [HOME, A, pause(A, 1000), pause(A, 4000, since=1000, expires_at=13_000)],
        "an impossible expiry",
    ),
    "a pause that is cut short": (
        [HOME, A, pause(A, 1000, expires_at=6000)],
        "an impossible expiry",
    ),
    "a pause whose plan was removed": (
        [HOME, plan("hotel", 500), A, pause(A, 1000)],
        "an impossible expiry",
    ),
    "an expiry that a pause decreases": (
        [HOME, A, renew(A, 3900, expires_at=10_900), pause(A, 4000, since=1000)],
        "an expiry decreased",
    ),
    "a paused stream that ends before its expiry": (
        [HOME, A, pause(A, 1000), renew(A, 9000, status=410, reason="expired")],
        "a holder could not renew",
    ),
    "a denial by an expired paused stream": (
        [HOME, TV, pause(TV, 1000), of(denied("b", 10_100, "a", **ONE_TV), type="tv")],
        "a denial without a reason: a",
    ),
    "a lease of a length that no plan grants": (
        [HOME, A, renew(A, 900, expires_at=9000)],
        "an impossible expiry",
    ),
    "500": ([Exchanged("start", 0, "a", 10, 500)], "no documented answer"),
    "nine seconds": ([start("a", 0, took=9000)], "too slow"),
}


TOO_LATE: dict[str, tuple[list[Exchanged], str]] = {
    "a late limit, after a start was written": (
        [UNKNOWN_RAISE, start("a", -400), limit(1, -300), B],
        "over the limit of 1",
    ),
    "a late start, after another start of its slot": (
        [
            HOME,
            LATE_FILM,
            of(start("a", 50), "news"),
            of(denied("b", 200, "a", **ONE_PER_TITLE), "film"),
        ],
        "a denial without a reason: a",
    ),
    "a late start, after the next start was answered": (
        [A, start("a", 20, status=200), B, C],
        "over the limit of 2",
    ),
    "a late heartbeat, after a start was written": (
        [
            HOME,
            A,
            replace(renew(A, 500), status=503),
            start("b", 600),
            pause(A, 1000),
            pause(A, 2000),
        ],
        "a pause began again",
    ),
}
