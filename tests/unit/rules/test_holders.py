"""Holders: which caller may act on a stream, and the errors for the others."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from streams import rules
from streams.errors import InvalidToken, StreamEnded, StreamNotFound
from streams.rules import Hold, Reason, last_epoch_of
from streams.rules.holders import held_lease
from tests.builders import LEASE_MS, NOW, asking, changed, held, plans_of
from tests.unit.rules.builders import (
    EVICT,
    EXPIRED_AT,
    PLANS,
    account,
    ending,
    holding,
    lease,
    renewed,
    started,
    stopped,
)


def refusal_of(call: Callable[[], Any]) -> StreamEnded:
    with pytest.raises(StreamEnded) as refusal:
        call()
    return refusal.value


@pytest.mark.parametrize("verb", ["renew", "stop", "read"])
def test_an_unknown_id_is_not_found(verb: str) -> None:
    before = account("a")
    calls: dict[str, Callable[[], Any]] = {
        "renew": lambda: rules.renew(
            before,
            "zzz",
            hold=Hold(epoch=1),
            now=NOW,
            plans=PLANS,
        ),
        "stop": lambda: stopped(before, "zzz"),
        "read": lambda: rules.read(before, "zzz", now=NOW),
    }

    with pytest.raises(StreamNotFound):
        calls[verb]()


def test_a_read_returns_the_live_lease() -> None:
    before = account("a")
    assert rules.read(before, "a", now=EXPIRED_AT - 1) == before.leases["a"]


def test_a_read_of_an_expired_stream_is_refused_with_its_expiry() -> None:
    before = account("a")
    refusal = refusal_of(lambda: rules.read(before, "a", now=EXPIRED_AT))

    assert refusal.ending == before.leases["a"].expiry
    assert refusal.by is None


def test_an_ended_stream_names_the_live_stream_that_took_its_place() -> None:
    after, admission = rules.start(
        account("a", "b", "c"),
        asking("d"),
        now=NOW + 9,
        plans=EVICT,
    )
    refusal = refusal_of(lambda: rules.read(after, "a", now=NOW + 9))

    assert refusal.by == admission.lease


def test_a_player_that_lost_its_slot_cannot_renew_or_stop_the_new_holder() -> None:
    before = account("a")
    old = held(before.leases["a"])
    after = started(before, asking("a"), now=NOW + 7)
    verbs: tuple[Callable[[], Any], ...] = (
        lambda: rules.renew(after, "a", hold=old, now=NOW + 8, plans=PLANS),
        lambda: rules.stop(after, "a", hold=old, now=NOW + 8, plans=PLANS),
    )
    for verb in verbs:
        refusal = refusal_of(verb)
        assert refusal.ending.reason is Reason.TAKEN_OVER
        assert refusal.ending.at == NOW + 7
        assert refusal.ending.epoch == old.epoch
        assert refusal.by == after.leases["a"]


@pytest.mark.parametrize("end", ["by its player", "by an eviction"])
def test_a_player_learns_of_a_takeover_even_after_the_later_playback_ended(
    end: str,
) -> None:
    before = account("tv")
    after = started(before, asking("tv", now=NOW + 5), now=NOW + 5)
    if end == "by its player":
        hold = held(after.leases["tv"])
        after = rules.stop(
            after,
            "tv",
            hold=hold,
            now=NOW + 9,
            plans=PLANS,
        )
    else:
        newcomer = asking("new", now=NOW + 9)
        after = started(
            after,
            newcomer,
            now=NOW + 9,
            plans=changed(EVICT, limit=1),
        )

    old = held(before.leases["tv"])
    refusal = refusal_of(
        lambda: rules.renew(
            after,
            "tv",
            hold=old,
            now=NOW + 10,
            plans=PLANS,
        )
    )

    assert refusal.ending.reason is Reason.TAKEN_OVER
    assert refusal.ending.at == NOW + 9


# --- endings that fence late starts -----------------------------------------------


@pytest.mark.parametrize("ended", ["alone", "with all"])
def test_a_player_learns_that_its_lease_expired_before_an_operator_ended_it(
    ended: str,
) -> None:
    before, later = account("tv"), NOW + LEASE_MS + 5
    if ended == "alone":
        after = stopped(before, "tv", now=later)
    else:
        after, _ = rules.end_all(before, keep=None, now=later)

    hold = held(before.leases["tv"])
    refusal = refusal_of(
        lambda: rules.renew(
            after,
            "tv",
            hold=hold,
            now=later + 1,
            plans=PLANS,
        )
    )

    assert refusal.ending.reason is Reason.EXPIRED
    assert refusal.ending.at == NOW + LEASE_MS


@pytest.mark.parametrize(
    ("reason", "epoch", "is_takeover"),
    [
        (Reason.STOPPED, last_epoch_of(NOW), False),
        (Reason.STOPPED, last_epoch_of(NOW) - 1, True),
        (Reason.STOPPED, last_epoch_of(NOW) + 1, True),
        (Reason.SUSPENDED, last_epoch_of(NOW), False),
        (Reason.EXPIRED, last_epoch_of(NOW), False),
        (Reason.EXPIRED, last_epoch_of(NOW) + 1, False),
        (Reason.EXPIRED, last_epoch_of(NOW) - 1, True),
    ],
)
def test_an_ending_with_a_later_epoch_is_a_takeover_unless_it_fences_late_starts(
    reason: Reason, epoch: int, is_takeover: bool
) -> None:
    """A fence has the last epoch of the millisecond when an operator ended it.

    For a lease that had expired, that millisecond is later than the expiry.
    """
    ended = ending(NOW, reason=reason, epoch=epoch)
    hold = Hold(epoch=NOW * 1000)
    refusal = refusal_of(
        lambda: held_lease(
            holding(ended={"a": ended}),
            "a",
            hold=hold,
            now=EXPIRED_AT,
            plans=PLANS,
        )
    )

    assert (refusal.ending.reason is Reason.TAKEN_OVER) is is_takeover


def test_a_player_learns_how_its_own_playback_ended() -> None:
    ended = ending(NOW, reason=Reason.EVICTED, epoch=7)
    refusal = refusal_of(
        lambda: held_lease(
            holding(ended={"a": ended}),
            "a",
            hold=Hold(epoch=7),
            now=EXPIRED_AT,
            plans=PLANS,
        )
    )

    assert refusal.ending == ended


def test_an_ending_of_an_earlier_playback_does_not_concern_the_holder() -> None:
    current = lease("a", epoch=9)
    before = holding(current, ended={"a": ending(epoch=99)})

    assert (
        held_lease(before, "a", hold=Hold(epoch=9), now=EXPIRED_AT, plans=PLANS)
        == current
    )


@pytest.mark.parametrize("hold", [None, Hold(epoch=8), Hold(epoch=7)])
def test_a_hold_is_valid_for_its_epoch_only(
    hold: Hold | None,
) -> None:
    """An unknown, higher epoch is that of a grace lease that was never stored."""
    before = holding(lease("a", epoch=7))
    if hold == Hold(epoch=8):
        with pytest.raises(StreamNotFound):
            held_lease(before, "a", hold=hold, now=EXPIRED_AT, plans=PLANS)
    else:
        assert (
            held_lease(before, "a", hold=hold, now=EXPIRED_AT, plans=PLANS).epoch == 7
        )


def test_a_grace_lease_that_follows_an_ending_is_not_found() -> None:
    before = holding(ended={"a": ending(epoch=7)})
    with pytest.raises(StreamNotFound):
        held_lease(before, "a", hold=Hold(epoch=8), now=EXPIRED_AT, plans=PLANS)


# --- old tokens -------------------------------------------------------------------


def test_the_previous_token_is_valid_because_an_answer_may_be_lost() -> None:
    first = account("a")
    after = renewed(first, "a", now=NOW + LEASE_MS // 3)
    hold = held(first.leases["a"])
    again = rules.renew(
        after,
        "a",
        hold=hold,
        now=NOW + LEASE_MS // 2,
        plans=PLANS,
    )

    assert again.leases["a"].expires_at == NOW + LEASE_MS // 2 + LEASE_MS


@pytest.mark.parametrize("verb", [rules.renew, rules.stop])
def test_a_token_that_newer_ones_replaced_a_lease_ago_is_invalid(
    verb: Any,
) -> None:
    first = account("a")
    after = first
    for beat in range(1, 5):
        after = renewed(after, "a", now=NOW + beat * LEASE_MS // 3)

    old = held(first.leases["a"])

    with pytest.raises(InvalidToken):
        verb(
            after,
            "a",
            hold=old,
            now=NOW + 4 * LEASE_MS // 3,
            plans=PLANS,
        )


@pytest.mark.parametrize(
    ("later_ms", "is_valid"),
    [(LEASE_MS, True), (LEASE_MS + 1, False)],
)
def test_a_token_is_valid_until_the_lease_expires_a_lease_after_the_tokens(
    later_ms: int, is_valid: bool
) -> None:
    stored = lease("a", expires_at=NOW + later_ms)
    hold = Hold(epoch=stored.epoch, expires_at=NOW)
    if is_valid:
        assert (
            held_lease(
                holding(stored),
                "a",
                hold=hold,
                now=EXPIRED_AT,
                plans=PLANS,
            )
            == stored
        )
    else:
        with pytest.raises(InvalidToken):
            held_lease(
                holding(stored),
                "a",
                hold=hold,
                now=EXPIRED_AT,
                plans=PLANS,
            )


@pytest.mark.parametrize("later_ms", [-1, 0], ids=["live", "expired"])
def test_a_token_with_a_live_lease_was_not_replaced_a_lease_ago(later_ms: int) -> None:
    """A heartbeat that overtook this call has moved the expiry."""
    stored = lease("a", expires_at=NOW + LEASE_MS + 2)
    hold = Hold(epoch=stored.epoch, expires_at=NOW)
    read = partial(
        held_lease, holding(stored), "a", hold=hold, now=NOW + later_ms, plans=PLANS
    )
    if later_ms < 0:
        assert read() == stored
    else:
        with pytest.raises(InvalidToken):
            read()


def test_a_long_pause_in_another_plan_keeps_no_old_token_valid() -> None:
    pausing = plans_of(paused_ms=86_400_000)
    plans = plans_of(named={"pausing": pausing})

    assert plans.longest_playing_ms == LEASE_MS

    stored = lease("a", expires_at=NOW + 2 * LEASE_MS)
    hold = Hold(epoch=stored.epoch, expires_at=NOW)
    with pytest.raises(InvalidToken):
        held_lease(holding(stored), "a", hold=hold, now=EXPIRED_AT, plans=plans)


def test_the_token_that_revived_a_stream_is_valid_once_more() -> None:
    """Its answer may be lost. Then the player has no other token."""
    first = account("a")
    hold = held(first.leases["a"])
    revived_at = NOW + 3 * LEASE_MS
    revived = rules.renew(first, "a", hold=hold, now=revived_at, plans=PLANS)

    again = rules.renew(
        revived,
        "a",
        hold=hold,
        now=revived_at + 9,
        plans=PLANS,
    )

    assert again.leases["a"].expires_at == NOW + 4 * LEASE_MS + 9

    for beat in range(1, 5):
        again = renewed(
            again,
            "a",
            now=revived_at + beat * LEASE_MS // 3,
        )

    with pytest.raises(InvalidToken):
        rules.renew(
            again,
            "a",
            hold=hold,
            now=NOW + 5 * LEASE_MS,
            plans=PLANS,
        )


def test_an_older_token_than_the_one_that_revived_a_stream_is_invalid() -> None:
    revived = lease(
        "a",
        expires_at=NOW + 9 * LEASE_MS,
        revived_from=NOW,
        revived_to=NOW + 9 * LEASE_MS,
    )
    older = Hold(epoch=revived.epoch, expires_at=NOW - 1)
    NOW + 8 * LEASE_MS

    with pytest.raises(InvalidToken):
        held_lease(
            holding(revived), "a", hold=older, now=NOW + 8 * LEASE_MS, plans=PLANS
        )


def test_a_hold_by_epoch_alone_is_not_a_token_and_does_not_grow_old() -> None:
    stored = lease("a", expires_at=NOW + 100 * LEASE_MS)
    hold = Hold(epoch=stored.epoch)

    assert (
        held_lease(holding(stored), "a", hold=hold, now=EXPIRED_AT, plans=PLANS)
        == stored
    )
