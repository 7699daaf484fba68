"""The endings that an account keeps."""

from dataclasses import replace

import pytest

from streams.rules import Ending, Reason, room_for_endings
from streams.rules.history import endings_of, keep_newest, late_before
from tests.builders import LEASE_MS, NOW, asking
from tests.model import ModelStore
from tests.unit.rules.builders import (
    EVICT,
    EXPIRED_AT,
    PLANS,
    account,
    ending,
    lease,
    started,
    stopped,
)

FULL = {f"s{number}": ending(NOW + number) for number in range(12)}
"""Endings of 26 or 27 bytes. Eleven of 27 bytes fit."""


def test_a_live_lease_ends_for_the_reason_and_now() -> None:
    ended = endings_of(
        [lease("a", epoch=7)],
        Reason.EVICTED,
        now=NOW + 5,
        by="b",
    )
    assert ended == {
        "a": Ending(
            reason=Reason.EVICTED,
            at=NOW + 5,
            epoch=7,
            by="b",
        ),
    }


def test_an_expired_lease_keeps_its_expiry() -> None:
    expired = lease("a", epoch=7)
    ended = endings_of([expired], Reason.STOPPED, now=EXPIRED_AT, by="b")

    assert ended == {"a": expired.expiry}
    assert ended["a"].at == NOW + LEASE_MS


@pytest.mark.parametrize(
    ("id", "by", "room"),
    [
        ("a" * 8, None, 10),
        ("a" * 9, None, 9),
        ("a" * 4, "b" * 4, 10),
        ("a" * 128, None, 2),
    ],
)
def test_an_ending_takes_24_bytes_and_its_ids(
    id: str, by: str | None, room: int
) -> None:
    assert room_for_endings((id, ending(by=by))) == room


def test_the_room_is_that_of_the_longest_ending() -> None:
    assert room_for_endings(("a" * 8, ending()), ("a" * 16, ending())) == 8


def test_endings_stay_until_they_no_longer_fit() -> None:
    kept = dict(list(FULL.items())[:10])
    after = keep_newest(kept, {"s10": FULL["s10"]})

    assert after == kept | {"s10": FULL["s10"]}


def test_no_ending_is_dropped_when_none_is_added() -> None:
    too_many = {f"s{number}": ending(NOW + number) for number in range(50)}
    assert keep_newest(too_many, {}) == too_many


def test_an_ending_that_replaces_one_of_its_id_needs_no_more_room() -> None:
    too_many = {f"s{number}": ending(NOW + number) for number in range(50)}
    again = keep_newest(too_many, {"s3": ending(NOW + 99)})

    assert again.keys() == too_many.keys()
    assert again["s3"].at == NOW + 99


def test_the_oldest_endings_are_dropped_until_two_thirds_are_left() -> None:
    after = keep_newest(FULL, {"new": ending(NOW + 50)})
    assert list(after) == [
        "new",
        "s11",
        "s10",
        "s9",
        "s8",
        "s7",
        "s6",
        "s5",
    ]


def test_an_ending_with_a_long_id_leaves_room_for_fewer() -> None:
    long_id = "i" * 100
    after = keep_newest(FULL, {long_id: ending(NOW + 50)})

    assert list(after) == [long_id, "s11", "s10", "s9"]


def test_every_added_ending_is_kept_even_above_the_size() -> None:
    added = {f"a{number:02}": ending(NOW - number) for number in range(20)}
    assert keep_newest(FULL, added).keys() == added.keys()


def test_endings_of_one_instant_are_dropped_in_the_order_of_their_ids() -> None:
    together = {f"s{number:02}": ending(NOW) for number in range(12)}
    after = keep_newest(together, {"new": ending(NOW)})

    assert list(after) == [
        "new",
        "s00",
        "s01",
        "s02",
        "s03",
        "s04",
        "s05",
    ]


def test_at_least_the_last_seven_endings_are_remembered_and_at_most_twelve() -> None:
    store = ModelStore(PLANS)
    for number in range(40):
        id = f"s{number}"
        store.start("ana", asking(id), now=NOW + number)
        store.stop("ana", id, hold=None, now=NOW + number)

        remembered = store.accounts["ana"].ended
        last_seven = {f"s{n}" for n in range(max(0, number - 6), number + 1)}
        assert last_seven <= remembered.keys()
        assert len(remembered) <= 12


@pytest.mark.parametrize(
    "id",
    ["tv", "x" * 128],
    ids=["short ids", "longest ids"],
)
def test_endings_take_a_bounded_part_of_the_item(
    id: str,
) -> None:
    after = account()
    for number in range(40):
        now = NOW + number
        name = f"{id[: 128 - 3]}{number}"
        after = started(
            after,
            asking(name, now=now),
            now=now,
            plans=EVICT,
        )
        after = stopped(after, name, now=now)
        assert sum(24 + len(id) for id in after.ended) <= 320


# --- a fence for dropped endings ----------------------------------------------------


def test_starts_from_before_an_ending_was_dropped_are_late() -> None:
    kept = {"a": ending(NOW), "b": ending(NOW + 7)}

    assert late_before(kept, kept, now=NOW + 5) == 0
    assert late_before(kept, {"b": kept["b"]}, now=NOW + 5) == NOW + 5
    assert late_before(kept, {"a": kept["a"]}, now=NOW + 5) == NOW + 7


def test_a_stop_that_drops_endings_makes_earlier_starts_late() -> None:
    before = replace(account("a"), ended=FULL)
    after = stopped(before, "a", now=NOW + 20)

    assert FULL.keys() - after.ended.keys()
    assert after.theoretical_arrival_at == NOW + 20


def test_a_start_that_drops_endings_makes_earlier_starts_late() -> None:
    before = replace(account("a", "b", "c"), ended=FULL)
    after = started(before, asking("d"), now=NOW + 20, plans=EVICT)

    assert FULL.keys() - after.ended.keys()
    assert after.theoretical_arrival_at == NOW + 20


def test_a_fence_does_not_move_the_arrival_time_back() -> None:
    arrival = NOW + 10_000
    before = replace(account("a"), ended=FULL, theoretical_arrival_at=arrival)
    after = stopped(before, "a", now=NOW + 20)

    assert after.theoretical_arrival_at == arrival
