"""A user's time-line, of events alone."""

from typing import Any

import pytest

from insights.timeline import Bar, Timeline, timeline
from insights.words import drawn, told

AT = 1_800_000_000_000
LEASE = 60_000


def event(
    kind: str, second: int, id: str | None = None, **facts: Any
) -> dict[str, Any]:
    at = AT + second * 1000
    expiry = (
        {"expiresAt": at + LEASE}
        if kind in ("admitted", "took-over", "renewed", "revived")
        else {}
    )
    return {
        "v": 1,
        "kind": kind,
        "at": at,
        **({} if id is None else {"id": id}),
        **expiry,
        **facts,
    }


def denied(
    second: int, id: str, *holders: tuple[str, int], limit: int = 2, **facts: Any
) -> dict[str, Any]:
    named = [{"id": holder, "expiresAt": AT + end * 1000} for holder, end in holders]
    return event(
        "denied", second, id, limit=limit, held=len(named), holders=named, **facts
    )


def of(*events: dict[str, Any], until: int = 600) -> Timeline:
    return timeline(events, since=AT, until=AT + until * 1000)


def bars(line: Timeline) -> list[tuple[Any, ...]]:
    """Id, start, end and reason, in seconds."""
    return [
        (bar.id, _seconds(bar.started_at), _seconds(bar.ended_at), bar.reason)
        for bar in line.bars
    ]


def _seconds(at: int | None) -> int | None:
    return None if at is None else (at - AT) // 1000


ENDED: dict[str, tuple[tuple[dict[str, Any], ...], tuple[Any, ...]]] = {
    "stopped by its player": (
        (event("stopped", 30, "tv", reason="stopped", by="player"),),
        ("tv", 0, 30, "stopped"),
    ),
    "ended by an operator": (
        (event("ended", 30, "tv", reason="stopped", by="key x"),),
        ("tv", 0, 30, "stopped"),
    ),
    "evicted": (
        (event("ended", 30, "tv", reason="evicted", by="stream b"),),
        ("tv", 0, 30, "evicted"),
    ),
    "never heard of again": ((), ("tv", 0, 60, "expired")),
    "renewed, then silent": ((event("renewed", 20, "tv"),), ("tv", 0, 80, "expired")),
    "found over by a start": (
        (event("ended", 400, "tv", reason="expired", expiresAt=AT + 100_000),),
        ("tv", 0, 100, "expired"),
    ),
    "found over by a stop": (
        (event("ended", 400, "tv", reason="expired"),),
        ("tv", 0, 60, "expired"),
    ),
    "revived, then silent": ((event("revived", 90, "tv"),), ("tv", 0, 150, "expired")),
    "seen at a denial": ((denied(50, "b", ("tv", 110)),), ("tv", 0, 110, "expired")),
    "forgotten": ((event("forgotten", 30),), ("tv", 0, 30, "forgotten")),
    "still playing": ((event("renewed", 590, "tv"),), ("tv", 0, None, "live")),
}


@pytest.mark.parametrize(("then", "bar"), ENDED.values(), ids=ENDED)
def test_a_playback_lasts_until_what_is_known_of_its_end(
    then: tuple[dict[str, Any], ...], bar: tuple[Any, ...]
) -> None:
    assert bars(of(event("admitted", 0, "tv"), *then)) == [bar]


def test_the_same_id_starting_again_ends_the_playback_before() -> None:
    line = of(
        event("admitted", 0, "tv"),
        event("took-over", 30, "tv"),
        event("admitted", 300, "tv"),
    )
    assert bars(line) == [
        ("tv", 0, 30, "taken-over"),
        ("tv", 30, 90, "expired"),
        ("tv", 300, 360, "expired"),
    ]


def test_a_playback_that_began_before_what_is_known_has_no_start() -> None:
    line = of(
        event("renewed", 10, "tv"),
        event("stopped", 30, "tv", reason="stopped", by="player"),
        until=60,
    )
    assert bars(line) == [("tv", None, 30, "stopped")]


def test_what_is_outside_of_the_time_line_plays_no_part() -> None:
    assert bars(
        of(
            event("admitted", -1, "a"),
            event("admitted", 1, "b"),
            event("admitted", 100, "c"),
            until=30,
        )
    ) == [("b", 1, None, "live")]


def test_a_playback_goes_on_through_an_outage() -> None:
    started = {"expiresAt": AT + 70_000}
    line = of(
        event("admitted", 0, "tv"),
        event("grace-renewed", 20, "tv", expiresAt=AT + 80_000),
        event("grace-started", 10, "phone", **started),
        event("grace-started", 10, "web", **started),
        event("grace-admitted", 40, "phone", expiresAt=AT + 100_000),
        event("grace-refused", 40, "web", reason="over-limit"),
    )
    assert bars(line) == [
        ("tv", 0, 80, "expired"),
        ("phone", 10, 100, "expired"),
        ("web", 10, 40, "over-limit"),
    ]
    words = list(told(line))
    assert "08:00:10  phone started by a grace lease: DynamoDB did not answer" in words
    assert not any("phone started, until" in text for text in words)


FULL = (
    event("admitted", 0, "tv"),
    event("admitted", 1, "phone"),
    denied(10, "web", ("tv", 60), ("phone", 61)),
)
POSSIBLE: dict[str, tuple[tuple[dict[str, Any], ...], int | None, str | None]] = {
    "a stream stopped": (
        (event("stopped", 30, "phone", reason="stopped", by="player"),),
        30,
        "phone",
    ),
    "a lease ended": ((event("renewed", 20, "phone"),), 60, "tv"),
    "another start was faster": (
        (
            event("stopped", 30, "phone", reason="stopped"),
            event("admitted", 30, "car"),
            event("renewed", 50, "tv"),
        ),
        90,
        "car",
    ),
    "not by the end of the time-line": (
        (event("renewed", 55, "tv"), event("renewed", 55, "phone")),
        None,
        None,
    ),
}


@pytest.mark.parametrize(("then", "second", "freed"), POSSIBLE.values(), ids=POSSIBLE)
def test_a_denied_start_would_have_been_possible_when_a_slot_was_free(
    then: tuple[dict[str, Any], ...], second: int | None, freed: str | None
) -> None:
    (refusal,) = of(*FULL, *then, until=100).refusals
    assert (_seconds(refusal.possible_at), refusal.freed and refusal.freed.id) == (
        second,
        freed,
    )


def test_no_wait_helps_where_the_limit_is_none() -> None:
    (refusal,) = of(denied(10, "web", limit=0)).refusals
    assert (refusal.possible_at, refusal.freed) == (None, None)


def test_who_played_at_a_moment_is_known() -> None:
    line = of(*FULL, event("stopped", 30, "phone", reason="stopped"))

    def playing(second: int) -> list[str]:
        return [bar.id for bar in line.holders(AT + second * 1000)]

    assert [playing(second) for second in (0, 1, 29, 30, 60)] == [
        ["tv"],
        ["tv", "phone"],
        ["tv", "phone"],
        ["tv"],
        [],
    ]


def test_a_time_line_is_told_in_words() -> None:
    line = of(
        *FULL[:2],
        denied(
            10,
            "web",
            ("tv", 60),
            ("phone", 61),
            deviceType="browser",
            rule="two",
            plan="family",
            request="r-1",
        ),
        event("stopped", 30, "phone", reason="stopped", by="player"),
        event("limit-set", 31, limit=5, by="key billing"),
        event("revived", 70, "tv"),
        event("unknown-plan", 80, "x"),
        until=100,
    )
    assert list(told(line)) == [
        "08:00:00  tv started, lease until 08:02:10",
        "08:00:01  phone started, until 08:00:30",
        "08:00:10  web (browser) was denied: 2 of 2 slots were held",
        "          by rule two, plan family",
        "          - tv, since 08:00:00, lease until 08:01:00",
        "          - phone, since 08:00:01, lease until 08:01:01",
        "          request r-1",
        "08:00:30  phone was over: stopped",
        "08:00:31  the limit was set to 5 by key billing",
        "08:01:10  tv was back after its lease had ended",
        "08:01:20  unknown-plan",
    ]


def test_a_time_line_is_drawn() -> None:
    line = of(
        *FULL,
        event("stopped", 30, "phone", reason="stopped", by="player"),
        event("renewed", 55, "car"),
        until=100,
    )
    assert list(drawn(line, width=20)) == [
        "       08:00:0008:00:2508:00:5008:01:15",
        "car    ╌──────────────────▶",
        "tv     ├───────────┊",
        "phone  ├─────┤",
        "web      ✗",
    ]


def test_bars_know_nothing_of_the_ones_beside_them() -> None:
    bar = Bar(id="tv", started_at=None, expires_at=AT)
    assert (bar.is_live(AT - 1), bar.is_live(AT)) == (True, False)
