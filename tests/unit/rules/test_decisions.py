"""The pure rule, one sentence a test."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from streams import rules
from streams.errors import InvalidToken, StreamEnded, StreamLimitReached, StreamNotFound
from streams.rules import Account, Hold, Plans, Reason, WhenFull
from tests.builders import changed, plans_of
from tests.conftest import LEASE_MS, NOW, asking, held
from tests.model import ModelStore

PLANS = plans_of(limit=3, lease_ms=LEASE_MS)
EVICT = changed(PLANS, when_full=WhenFull.EVICT_OLDEST)


def account(*ids: str, plans: Plans = PLANS, now: int = NOW) -> Account:
    """An account with streams started a millisecond apart."""
    store = ModelStore(changed(plans, limit=100))
    for number, id in enumerate(ids):
        store.start("ana", asking(id, now=now + number), now=now + number)
    return store.read("ana", now=now)


def live(account: Account, now: int = NOW) -> list[str]:
    return [lease.id for lease in account.live(now)]


def test_a_start_under_the_limit_is_admitted() -> None:
    after, admission = rules.start(account("a", "b"), asking("c"), now=NOW, plans=PLANS)
    assert live(after) == ["a", "c", "b"]
    assert not admission.lease.took_over


def test_a_start_at_the_limit_is_refused_with_the_holders_and_the_first_expiry() -> (
    None
):
    with pytest.raises(StreamLimitReached) as refusal:
        rules.start(account("a", "b", "c"), asking("d"), now=NOW + 9, plans=PLANS)
    assert [holder.id for holder in refusal.value.holders] == ["a", "b", "c"]
    assert refusal.value.limit == 3
    assert refusal.value.retry_at == NOW + LEASE_MS


def test_a_limit_of_zero_admits_nobody_and_names_no_wait() -> None:
    with pytest.raises(StreamLimitReached) as refusal:
        rules.start(account(), asking("a"), now=NOW, plans=changed(EVICT, limit=0))
    assert refusal.value.retry_at is None


@pytest.mark.parametrize(
    ("now", "is_live"),
    [(NOW + LEASE_MS - 1, True), (NOW + LEASE_MS, False)],
    ids=["a millisecond before its end", "at its end"],
)
def test_a_lease_is_live_until_its_end_and_no_longer(now: int, is_live: bool) -> None:
    assert account("a").leases["a"].is_live(now) is is_live


def test_an_expired_stream_frees_its_slot() -> None:
    after, _ = rules.start(
        account("a", "b", "c"), asking("d"), now=NOW + LEASE_MS, plans=PLANS
    )
    assert live(after, NOW + LEASE_MS) == ["b", "c", "d"]
    assert after.ended["a"].reason is Reason.EXPIRED


def test_only_as_many_ghosts_go_as_are_in_the_way() -> None:
    later = NOW + 2 * LEASE_MS
    after, _ = rules.start(account("a", "b", "c"), asking("d"), now=later, plans=PLANS)
    assert after.leases.keys() == {"b", "c", "d"}


def test_the_same_id_takes_over_its_own_slot_with_a_higher_epoch() -> None:
    full = account("a", "b", "c")
    after, admission = rules.start(
        full, asking("b", now=NOW + 5), now=NOW + 5, plans=PLANS
    )
    assert live(after, NOW + 5) == ["a", "c", "b"]
    assert admission.lease.took_over
    assert admission.lease.epoch > full.leases["b"].epoch


def test_a_live_stream_takes_over_its_own_slot_above_a_lowered_limit() -> None:
    lowered = changed(PLANS, limit=1)
    assert rules.start(account("a", "b", "c"), asking("b"), now=NOW + 5, plans=lowered)[
        1
    ].lease.took_over


def test_an_expired_stream_does_not_come_back_above_a_lowered_limit() -> None:
    before = account("a", "b", "c")
    renewed = rules.renew(
        before, "b", hold=held(before.leases["b"]), now=NOW + 9, plans=PLANS
    )
    with pytest.raises(StreamLimitReached):
        rules.start(
            renewed,
            asking("a"),
            now=NOW + LEASE_MS + 2,
            plans=changed(PLANS, limit=1),
        )


def test_eviction_ends_the_oldest_and_says_for_whom() -> None:
    after, _ = rules.start(
        account("a", "b", "c"), asking("d"), now=NOW + 9, plans=EVICT
    )
    assert live(after) == ["b", "c", "d"]
    ending = after.ended["a"]
    assert (ending.reason, ending.at, ending.by) == (Reason.EVICTED, NOW + 9, "d")


def test_eviction_makes_room_under_a_lowered_limit() -> None:
    after, _ = rules.start(
        account("a", "b", "c"), asking("d"), now=NOW + 9, plans=changed(EVICT, limit=2)
    )
    assert live(after) == ["c", "d"]


def test_eviction_takes_ghosts_before_the_living() -> None:
    before = account("a", "b", "c")
    renewed = rules.renew(
        before, "a", hold=held(before.leases["a"]), now=NOW + 9, plans=PLANS
    )
    after, _ = rules.start(renewed, asking("d"), now=NOW + LEASE_MS + 1, plans=EVICT)
    assert after.leases.keys() == {"a", "c", "d"}
    assert after.ended["b"].reason is Reason.EXPIRED


def test_replace_ends_the_named_streams_and_starts_the_new_one() -> None:
    after, _ = rules.start(
        account("a", "b", "c"), asking("d", replace=("b",)), now=NOW + 9, plans=PLANS
    )
    assert live(after) == ["a", "c", "d"]
    assert (after.ended["b"].reason, after.ended["b"].by) == (Reason.REPLACED, "d")


def test_replace_ends_the_named_streams_even_when_there_is_room() -> None:
    after, _ = rules.start(
        account("a"), asking("d", replace=("a",)), now=NOW + 9, plans=PLANS
    )
    assert live(after, NOW + 9) == ["d"]


def test_replace_of_unknown_ended_or_own_ids_does_no_harm() -> None:
    first, _ = rules.start(
        account("a", "b", "c"), asking("d", replace=("b",)), now=NOW + 9, plans=PLANS
    )
    again, _ = rules.start(
        first, asking("d", replace=("b", "d", "zzz")), now=NOW + 10, plans=PLANS
    )
    assert live(again, NOW + 10) == ["a", "c", "d"]
    assert again.ended == first.ended


def test_a_refused_replace_ends_nothing() -> None:
    before = account("a", "b", "c")
    with pytest.raises(StreamLimitReached) as refusal:
        rules.start(
            before,
            asking("d", replace=("a",)),
            now=NOW + 9,
            plans=changed(PLANS, limit=1),
        )
    assert [holder.id for holder in refusal.value.holders] == ["a", "b", "c"]
    assert live(before) == ["a", "b", "c"]


def test_an_id_that_starts_again_is_live_whatever_ended_before() -> None:
    before = rules.stop(account("a"), "a", hold=None, now=NOW, plans=PLANS)
    again, admission = rules.start(before, asking("a"), now=NOW, plans=PLANS)
    assert rules.read(again, "a", now=NOW) == admission.lease
    stopped = rules.stop(again, "a", hold=None, now=NOW + 5, plans=PLANS)
    assert (stopped.leases, stopped.ended["a"].at) == ({}, NOW + 5)


def test_a_live_stream_renews_above_a_lowered_limit() -> None:
    before = account("a", "b", "c")
    after = rules.renew(
        before,
        "b",
        hold=held(before.leases["b"]),
        now=NOW + 1000,
        plans=changed(PLANS, limit=1),
    )
    assert after.leases["b"].expires_at == NOW + 1000 + LEASE_MS


def test_a_late_heartbeat_revives_a_stream_whose_slot_is_free() -> None:
    before, later = account("a"), NOW + LEASE_MS + 5000
    after = rules.renew(
        before, "a", hold=held(before.leases["a"]), now=later, plans=PLANS
    )
    assert live(after, later) == ["a"]


def test_a_late_heartbeat_finds_its_slot_taken() -> None:
    before, later = account("a", "b", "c"), NOW + LEASE_MS
    after, _ = rules.start(before, asking("d"), now=later, plans=PLANS)
    with pytest.raises(StreamEnded) as refusal:
        rules.renew(after, "a", hold=held(before.leases["a"]), now=later, plans=PLANS)
    assert refusal.value.ending.reason is Reason.EXPIRED
    assert refusal.value.ending.at == NOW + LEASE_MS


def test_a_late_heartbeat_is_not_revived_above_a_lowered_limit() -> None:
    before = account("a", "b")
    renewed = rules.renew(
        before, "b", hold=held(before.leases["b"]), now=NOW + 9, plans=PLANS
    )
    with pytest.raises(StreamEnded):
        rules.renew(
            renewed,
            "a",
            hold=held(before.leases["a"]),
            now=NOW + LEASE_MS,
            plans=changed(PLANS, limit=1),
        )


def test_a_fenced_player_neither_renews_nor_stops_the_new_holder() -> None:
    before = account("a")
    after, _ = rules.start(before, asking("a"), now=NOW + 7, plans=PLANS)
    old = held(before.leases["a"])
    verbs: tuple[Callable[[], Any], ...] = (
        lambda: rules.renew(after, "a", hold=old, now=NOW + 8, plans=PLANS),
        lambda: rules.stop(after, "a", hold=old, now=NOW + 8, plans=PLANS),
    )
    for verb in verbs:
        with pytest.raises(StreamEnded) as refusal:
            verb()
        assert (refusal.value.ending.reason, refusal.value.ending.at) == (
            Reason.TAKEN_OVER,
            NOW + 7,
        )


def test_a_stop_frees_the_slot_and_a_second_one_changes_nothing() -> None:
    stopped = rules.stop(account("a"), "a", hold=None, now=NOW, plans=PLANS)
    assert live(stopped) == []
    assert stopped.ended["a"].reason is Reason.STOPPED
    assert rules.stop(stopped, "a", hold=None, now=NOW, plans=PLANS) is stopped


def test_a_stop_after_the_lease_ended_is_told_as_expired() -> None:
    stopped = rules.stop(
        account("a"), "a", hold=None, now=NOW + 2 * LEASE_MS, plans=PLANS
    )
    assert (stopped.ended["a"].reason, stopped.ended["a"].at) == (
        Reason.EXPIRED,
        NOW + LEASE_MS,
    )


@pytest.mark.parametrize("verb", ["renew", "stop", "read"])
def test_an_id_nobody_knows_is_not_found(verb: str) -> None:
    calls: dict[str, Callable[[], Any]] = {
        "renew": lambda: rules.renew(
            account("a"), "zzz", hold=Hold(epoch=1), now=NOW, plans=PLANS
        ),
        "stop": lambda: rules.stop(
            account("a"), "zzz", hold=None, now=NOW, plans=PLANS
        ),
        "read": lambda: rules.read(account("a"), "zzz", now=NOW),
    }
    with pytest.raises(StreamNotFound):
        calls[verb]()


def test_at_least_the_last_seven_endings_are_remembered_and_never_many_more() -> None:
    store = ModelStore(PLANS)
    for number in range(40):
        store.start("ana", asking(f"s{number}"), now=NOW + number)
        store.stop("ana", f"s{number}", hold=None, now=NOW + number)
        remembered = store.accounts["ana"].ended
        assert {
            f"s{n}" for n in range(max(0, number - 6), number + 1)
        } <= remembered.keys()
        assert len(remembered) <= 12


def test_an_override_of_the_user_goes_before_the_default() -> None:
    own = replace(account("a"), limit=1, when_full=WhenFull.EVICT_OLDEST)
    assert (
        own.effective_plan(PLANS)
        == plans_of(limit=1, lease_ms=LEASE_MS, when_full=WhenFull.EVICT_OLDEST).default
    )


def test_epochs_of_a_forgotten_user_go_on_growing() -> None:
    before = account("a").leases["a"].epoch
    assert account("a", now=NOW + 86_400_000).leases["a"].epoch > before


@pytest.mark.parametrize("id", ["tv", "x" * 128], ids=["short", "the longest"])
def test_endings_take_a_bounded_part_of_the_item_whatever_their_ids(id: str) -> None:
    after = account()
    for number in range(40):
        name = f"{id[: 128 - 3]}{number}"
        after, _ = rules.start(
            after, asking(name, now=NOW + number), now=NOW + number, plans=EVICT
        )
        after = rules.stop(after, name, hold=None, now=NOW + number, plans=PLANS)
        assert sum(24 + len(id) for id in after.ended) <= 320


def test_the_wait_of_a_denial_ends_when_enough_leases_have_expired() -> None:
    with pytest.raises(StreamLimitReached) as refusal:
        rules.start(
            account("a", "b", "c"),
            asking("d"),
            now=NOW + 9,
            plans=changed(PLANS, limit=2),
        )
    assert refusal.value.retry_at == NOW + 1 + LEASE_MS, (
        "the second of three has to go too"
    )


def test_replace_with_an_epoch_ends_that_playback_and_no_later_one() -> None:
    full = account("a", "b", "c")
    epoch = full.leases["b"].epoch
    after, _ = rules.start(
        full, asking("d", replace={"b": epoch}), now=NOW + 9, plans=PLANS
    )
    assert live(after) == ["a", "c", "d"]
    again, _ = rules.start(full, asking("b", now=NOW + 5), now=NOW + 5, plans=PLANS)
    with pytest.raises(StreamLimitReached):
        rules.start(again, asking("d", replace={"b": epoch}), now=NOW + 9, plans=PLANS)
    after, _ = rules.start(again, asking("d", replace=("b",)), now=NOW + 9, plans=PLANS)
    assert live(after, NOW + 9) == ["a", "c", "d"]


def test_a_late_heartbeat_is_judged_by_the_limit_that_its_start_was_granted() -> None:
    before = account()
    for id in ("a", "b"):
        before, _ = rules.start(
            before,
            asking(id, entitlement=1 if id == "a" else 2),
            now=NOW,
            plans=PLANS,
        )
    late = NOW + LEASE_MS
    before = rules.renew(
        before, "b", hold=held(before.leases["b"]), now=NOW + 9, plans=PLANS
    )
    with pytest.raises(StreamEnded):
        rules.renew(before, "a", hold=held(before.leases["a"]), now=late, plans=PLANS)


def test_a_heartbeat_never_moves_the_end_back_whichever_clock_answers() -> None:
    before = account("a")
    ahead = rules.renew(
        before, "a", hold=held(before.leases["a"]), now=NOW + 2000, plans=PLANS
    )
    behind = rules.renew(
        ahead, "a", hold=held(before.leases["a"]), now=NOW + 5, plans=PLANS
    )
    assert behind is ahead


def test_a_token_that_newer_ones_replaced_a_lease_ago_is_good_for_nothing() -> None:
    first = account("a")
    old = held(first.leases["a"])
    after = first
    for beat in range(1, 5):
        after = rules.renew(
            after,
            "a",
            hold=held(after.leases["a"]),
            now=NOW + beat * LEASE_MS // 3,
            plans=PLANS,
        )
    now = NOW + 4 * LEASE_MS // 3
    with pytest.raises(InvalidToken):
        rules.renew(after, "a", hold=old, now=now, plans=PLANS)
    with pytest.raises(InvalidToken):
        rules.stop(after, "a", hold=old, now=now, plans=PLANS)


def test_a_late_heartbeat_whose_answer_was_lost_may_be_sent_again_and_no_older_one() -> (
    None
):
    first = account("a")
    hold = held(first.leases["a"])
    revived = rules.renew(first, "a", hold=hold, now=NOW + 3 * LEASE_MS, plans=PLANS)
    again = rules.renew(
        revived, "a", hold=hold, now=NOW + 3 * LEASE_MS + 9, plans=PLANS
    )
    assert again.leases["a"].expires_at == NOW + 4 * LEASE_MS + 9
    later = again
    for beat in range(1, 5):
        now = NOW + 3 * LEASE_MS + beat * LEASE_MS // 3
        later = rules.renew(
            later, "a", hold=held(later.leases["a"]), now=now, plans=PLANS
        )
    with pytest.raises(InvalidToken):
        rules.renew(later, "a", hold=hold, now=NOW + 5 * LEASE_MS, plans=PLANS)


def test_the_token_before_the_last_is_still_good_since_an_answer_may_be_lost() -> None:
    first = account("a")
    after = rules.renew(
        first, "a", hold=held(first.leases["a"]), now=NOW + LEASE_MS // 3, plans=PLANS
    )
    again = rules.renew(
        after, "a", hold=held(first.leases["a"]), now=NOW + LEASE_MS // 2, plans=PLANS
    )
    assert again.leases["a"].expires_at == NOW + LEASE_MS // 2 + LEASE_MS


def test_a_stop_that_comes_after_the_slot_was_taken_over_ends_nothing() -> None:
    sent, before = NOW + 5, account("a")
    again, _ = rules.start(before, asking("a", now=NOW + 9), now=NOW + 9, plans=PLANS)
    assert rules.stop(again, "a", hold=None, now=sent, plans=PLANS) is again


def test_a_stop_by_a_slow_clock_ends_what_began_by_a_fast_one() -> None:
    ahead = account("a", now=NOW + 2000)
    assert rules.stop(ahead, "a", hold=None, now=NOW, plans=PLANS).leases == {}


def test_a_start_from_before_a_stop_gets_a_later_epoch_all_the_same() -> None:
    stopped = rules.stop(account("a"), "a", hold=None, now=NOW + 5, plans=PLANS)
    _, admission = rules.start(stopped, asking("a", now=NOW), now=NOW + 6, plans=PLANS)
    assert admission.lease.epoch > stopped.ended["a"].epoch


def test_all_streams_but_one_end_at_once() -> None:
    after, ended = rules.end_all(account("a", "b", "c"), keep="b", now=NOW + 9)
    assert (ended, live(after)) == (["a", "c"], ["b"])
    assert {id: ending.reason for id, ending in after.ended.items()} == {
        "a": Reason.STOPPED,
        "c": Reason.STOPPED,
    }


def test_an_ended_stream_says_who_took_its_place() -> None:
    after, admission = rules.start(
        account("a", "b", "c"), asking("d"), now=NOW + 9, plans=EVICT
    )
    with pytest.raises(StreamEnded) as refusal:
        rules.read(after, "a", now=NOW + 9)
    assert refusal.value.by == admission.lease


@pytest.mark.parametrize("ended", ["alone", "with all"])
def test_a_player_whose_lease_ran_out_is_told_so_though_an_operator_ended_its_stream_after_that(
    ended: str,
) -> None:
    before, later = account("tv"), NOW + LEASE_MS + 5
    if ended == "alone":
        after = rules.stop(before, "tv", hold=None, now=later, plans=PLANS)
    else:
        after, _ = rules.end_all(before, keep=None, now=later)
    with pytest.raises(StreamEnded) as refusal:
        rules.renew(
            after, "tv", hold=held(before.leases["tv"]), now=later + 1, plans=PLANS
        )
    assert (refusal.value.ending.reason, refusal.value.ending.at) == (
        Reason.EXPIRED,
        NOW + LEASE_MS,
    )


@pytest.mark.parametrize("end", ["by its player", "by an eviction"])
def test_a_player_whose_slot_was_taken_over_is_told_so_though_the_later_playback_is_over_too(
    end: str,
) -> None:
    before = account("tv")
    after, admission = rules.start(
        before, asking("tv", now=NOW + 5), now=NOW + 5, plans=PLANS
    )
    if end == "by its player":
        after = rules.stop(
            after, "tv", hold=held(admission.lease), now=NOW + 9, plans=PLANS
        )
    else:
        after, _ = rules.start(
            after,
            asking("new", now=NOW + 9),
            now=NOW + 9,
            plans=changed(EVICT, limit=1),
        )
    with pytest.raises(StreamEnded) as refusal:
        rules.renew(
            after, "tv", hold=held(before.leases["tv"]), now=NOW + 10, plans=PLANS
        )
    assert refusal.value.ending.reason is Reason.TAKEN_OVER
