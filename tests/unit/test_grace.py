"""Grace leases: how many a process grants."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from streams import grace
from streams.errors import TooManyStarts
from streams.rules import Entitlement, Lease, Reason, StartRate
from tests.builders import LEASE_MS, NOW

NO_START_RATE = StartRate()

NO_START_RATE = StartRate()


@pytest.fixture(autouse=True)
def open_and_empty(settings: Any) -> Iterator[None]:
    settings.WHEN_STORE_IS_DOWN, settings.MAX_GRACE_STREAMS = "open", 2
    grace.forget()
    yield
    grace.forget()


def lease(id: str, *, now: int = NOW, entitlement: int | None = None) -> Lease:
    granted = Entitlement(limit=entitlement)
    return Lease(
        id=id,
        stream_id="film",
        started_at=now,
        expires_at=now + LEASE_MS,
        epoch=1,
        entitlement=granted,
    )


def may_start(
    user_id: str,
    id: str,
    *,
    now: int = NOW,
    entitlement: int | None = None,
    start_rate: StartRate = NO_START_RATE,
) -> bool:
    return grace.may_start(
        user_id,
        lease(id, now=now, entitlement=entitlement),
        start_rate=start_rate,
        now=now,
    )


def test_each_user_gets_as_many_grace_leases_as_the_setting_allows() -> None:
    assert [may_start("ana", id) for id in "abc"] == [True, True, False]
    assert may_start("bob", "a")


def test_a_stream_that_starts_several_times_counts_once() -> None:
    assert [may_start("ana", id) for id in "aaabb"] == [True] * 5


def test_a_lease_counts_until_it_expires_and_while_it_is_renewed() -> None:
    assert may_start("ana", "a")
    assert may_start("ana", "b", now=NOW + 9)
    grace.may_continue(
        "ana",
        lease("a", now=NOW + LEASE_MS - 1),
        now=NOW + LEASE_MS - 1,
    )

    assert not may_start("ana", "c", now=NOW + LEASE_MS)
    assert may_start("ana", "c", now=NOW + LEASE_MS + 9)


def test_renewed_leases_count_and_always_continue() -> None:
    assert all(grace.may_continue("ana", lease(id), now=NOW) for id in "abcd")
    assert not may_start("ana", "e")


def test_the_limit_of_the_viewers_token_applies_if_it_is_lower() -> None:
    assert [may_start("ana", id, entitlement=1) for id in "ab"] == [
        True,
        False,
    ]
    assert [may_start("bob", id, entitlement=9) for id in "abc"] == [
        True,
        True,
        False,
    ]


def test_a_bounded_number_of_users_is_remembered_until_their_leases_expire(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grace, "MAX_USERS", 3)

    assert [may_start(user, "a") for user in "uvwx"] == [
        True,
        True,
        True,
        False,
    ]
    assert may_start("u", "b", now=NOW + 9)
    later = NOW + LEASE_MS
    assert [may_start(user, "a", now=later) for user in "xyz"] == [
        True,
        True,
        False,
    ]
    assert len(grace._users) == 3


def test_a_service_that_fails_closed_grants_none(settings: Any) -> None:
    settings.WHEN_STORE_IS_DOWN = "closed"

    assert not may_start("ana", "a")
    assert not grace.may_continue("ana", lease("a"), now=NOW)


def test_starts_in_an_outage_are_charged_to_the_start_rate() -> None:
    rate = StartRate(burst=2, interval_ms=1000)
    starts = [may_start("ana", "a", start_rate=rate) for _ in range(2)]

    assert starts == [True, True]
    with pytest.raises(TooManyStarts) as refused:
        may_start("ana", "a", start_rate=rate)
    assert refused.value.retry_at == NOW + 1000
    assert may_start("ana", "a", now=NOW + 1000, start_rate=rate)


def test_a_newer_playback_of_an_id_ends_the_older_one() -> None:
    older = lease("a")
    newer = replace(older, epoch=2, started_at=NOW + 9)

    assert grace.may_start("ana", newer, start_rate=NO_START_RATE, now=NOW + 9)

    ending = grace.ending_of("ana", older, now=NOW + 10)
    assert ending is not None
    assert (ending.reason, ending.at) == (Reason.TAKEN_OVER, NOW + 9)
    assert grace.ending_of("ana", newer, now=NOW + 10) is None
    assert grace.ending_of("ana", older, now=NOW + LEASE_MS) is None


def test_a_maximum_of_zero_grants_none(settings: Any) -> None:
    settings.MAX_GRACE_STREAMS = 0
    grace.may_continue("ana", lease("a"), now=NOW)

    assert not may_start("ana", "a")
