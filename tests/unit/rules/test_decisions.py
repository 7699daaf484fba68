"""The pure rule, one sentence a test."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from streams import rules
from streams.errors import StreamEnded, StreamLimitReached, StreamNotFound
from streams.rules import Account, Policy, Reason, WhenFull
from tests.conftest import LEASE_MS, NOW, asking
from tests.model import ModelStore

POLICY = Policy(limit=3, lease_ms=LEASE_MS)
EVICT = replace(POLICY, when_full=WhenFull.EVICT_OLDEST)


def account(*ids: str, policy: Policy = POLICY, now: int = NOW) -> Account:
    """An account with streams started a millisecond apart."""
    store = ModelStore(replace(policy, limit=100))
    for number, id in enumerate(ids):
        store.start("ana", asking(id), now=now + number)
    return store.read("ana", now=now)


def live(account: Account, now: int = NOW) -> list[str]:
    return [lease.id for lease in account.live(now)]


def test_a_start_under_the_limit_is_admitted() -> None:
    after, admission = rules.start(account("a", "b"), asking("c"), now=NOW, policy=POLICY)
    assert live(after) == ["a", "c", "b"]
    assert not admission.took_over


def test_a_start_at_the_limit_is_refused_with_the_holders_and_the_first_expiry() -> None:
    with pytest.raises(StreamLimitReached) as refusal:
        rules.start(account("a", "b", "c"), asking("d"), now=NOW + 9, policy=POLICY)
    assert [holder.id for holder in refusal.value.holders] == ["a", "b", "c"]
    assert refusal.value.limit == 3
    assert refusal.value.retry_at == NOW + LEASE_MS


def test_a_limit_of_zero_admits_nobody_and_names_no_wait() -> None:
    with pytest.raises(StreamLimitReached) as refusal:
        rules.start(account(), asking("a"), now=NOW, policy=replace(EVICT, limit=0))
    assert refusal.value.retry_at is None


@pytest.mark.parametrize(
    ("now", "is_live"),
    [(NOW + LEASE_MS - 1, True), (NOW + LEASE_MS, False)],
    ids=["a millisecond before its end", "at its end"],
)
def test_a_lease_is_live_until_its_end_and_no_longer(now: int, is_live: bool) -> None:
    assert account("a").leases["a"].is_live(now) is is_live


def test_an_expired_stream_frees_its_slot() -> None:
    after, _ = rules.start(account("a", "b", "c"), asking("d"), now=NOW + LEASE_MS, policy=POLICY)
    assert live(after, NOW + LEASE_MS) == ["b", "c", "d"]
    assert after.ended["a"].reason is Reason.EXPIRED


def test_only_as_many_ghosts_go_as_are_in_the_way() -> None:
    later = NOW + 2 * LEASE_MS
    after, _ = rules.start(account("a", "b", "c"), asking("d"), now=later, policy=POLICY)
    assert after.leases.keys() == {"b", "c", "d"}


def test_the_same_id_takes_over_its_own_slot_with_a_higher_epoch() -> None:
    full = account("a", "b", "c")
    after, admission = rules.start(full, asking("b"), now=NOW + 5, policy=POLICY)
    assert live(after, NOW + 5) == ["a", "c", "b"]
    assert admission.took_over
    assert admission.lease.epoch > full.leases["b"].epoch


def test_a_live_stream_takes_over_its_own_slot_above_a_lowered_limit() -> None:
    lowered = replace(POLICY, limit=1)
    assert rules.start(account("a", "b", "c"), asking("b"), now=NOW + 5, policy=lowered)[1].took_over


def test_an_expired_stream_does_not_come_back_above_a_lowered_limit() -> None:
    before = account("a", "b", "c")
    renewed = rules.renew(before, "b", epoch=before.leases["b"].epoch, now=NOW + 9, policy=POLICY)
    with pytest.raises(StreamLimitReached):
        rules.start(renewed, asking("a"), now=NOW + LEASE_MS + 2, policy=replace(POLICY, limit=1))


def test_eviction_ends_the_oldest_and_says_for_whom() -> None:
    after, _ = rules.start(account("a", "b", "c"), asking("d"), now=NOW + 9, policy=EVICT)
    assert live(after) == ["b", "c", "d"]
    ending = after.ended["a"]
    assert (ending.reason, ending.at, ending.by) == (Reason.EVICTED, NOW + 9, "d")


def test_eviction_makes_room_under_a_lowered_limit() -> None:
    after, _ = rules.start(account("a", "b", "c"), asking("d"), now=NOW + 9, policy=replace(EVICT, limit=2))
    assert live(after) == ["c", "d"]


def test_eviction_takes_ghosts_before_the_living() -> None:
    before = account("a", "b", "c")
    renewed = rules.renew(before, "a", epoch=before.leases["a"].epoch, now=NOW + 9, policy=POLICY)
    after, _ = rules.start(renewed, asking("d"), now=NOW + LEASE_MS + 1, policy=EVICT)
    assert after.leases.keys() == {"a", "c", "d"}
    assert after.ended["b"].reason is Reason.EXPIRED


def test_replace_ends_the_named_streams_and_starts_the_new_one() -> None:
    after, _ = rules.start(account("a", "b", "c"), asking("d", replace=("b",)), now=NOW + 9, policy=POLICY)
    assert live(after) == ["a", "c", "d"]
    assert (after.ended["b"].reason, after.ended["b"].by) == (Reason.REPLACED, "d")


def test_replace_ends_the_named_streams_even_when_there_is_room() -> None:
    after, _ = rules.start(account("a"), asking("d", replace=("a",)), now=NOW + 9, policy=POLICY)
    assert live(after, NOW + 9) == ["d"]


def test_replace_of_unknown_ended_or_own_ids_does_no_harm() -> None:
    first, _ = rules.start(account("a", "b", "c"), asking("d", replace=("b",)), now=NOW + 9, policy=POLICY)
    again, _ = rules.start(first, asking("d", replace=("b", "d", "zzz")), now=NOW + 10, policy=POLICY)
    assert live(again, NOW + 10) == ["a", "c", "d"]
    assert again.ended == first.ended


def test_a_refused_replace_ends_nothing() -> None:
    before = account("a", "b", "c")
    with pytest.raises(StreamLimitReached) as refusal:
        rules.start(before, asking("d", replace=("a",)), now=NOW + 9, policy=replace(POLICY, limit=1))
    assert [holder.id for holder in refusal.value.holders] == ["b", "c"]
    assert live(before) == ["a", "b", "c"]


def test_an_id_that_starts_again_is_live_whatever_ended_before() -> None:
    before = rules.stop(account("a"), "a", epoch=None, now=NOW)
    again, admission = rules.start(before, asking("a"), now=NOW, policy=POLICY)
    assert rules.read(again, "a", now=NOW) == admission.lease
    stopped = rules.stop(again, "a", epoch=None, now=NOW + 5)
    assert (stopped.leases, stopped.ended["a"].at) == ({}, NOW + 5)


def test_a_live_stream_renews_above_a_lowered_limit() -> None:
    before = account("a", "b", "c")
    after = rules.renew(before, "b", epoch=before.leases["b"].epoch, now=NOW + 1000, policy=replace(POLICY, limit=1))
    assert after.leases["b"].expires_at == NOW + 1000 + LEASE_MS


def test_a_late_heartbeat_revives_a_stream_whose_slot_is_free() -> None:
    before, later = account("a"), NOW + LEASE_MS + 5000
    after = rules.renew(before, "a", epoch=before.leases["a"].epoch, now=later, policy=POLICY)
    assert live(after, later) == ["a"]


def test_a_late_heartbeat_finds_its_slot_taken() -> None:
    before, later = account("a", "b", "c"), NOW + LEASE_MS
    after, _ = rules.start(before, asking("d"), now=later, policy=POLICY)
    with pytest.raises(StreamEnded) as refusal:
        rules.renew(after, "a", epoch=before.leases["a"].epoch, now=later, policy=POLICY)
    assert refusal.value.ending.reason is Reason.EXPIRED
    assert refusal.value.ending.at == NOW + LEASE_MS


def test_a_late_heartbeat_is_not_revived_above_a_lowered_limit() -> None:
    before = account("a", "b")
    held = rules.renew(before, "b", epoch=before.leases["b"].epoch, now=NOW + 9, policy=POLICY)
    with pytest.raises(StreamEnded):
        rules.renew(held, "a", epoch=before.leases["a"].epoch, now=NOW + LEASE_MS, policy=replace(POLICY, limit=1))


def test_a_fenced_player_neither_renews_nor_stops_the_new_holder() -> None:
    before = account("a")
    after, _ = rules.start(before, asking("a"), now=NOW + 7, policy=POLICY)
    old = before.leases["a"].epoch
    verbs: list[Callable[[], object]] = [
        lambda: rules.renew(after, "a", epoch=old, now=NOW + 8, policy=POLICY),
        lambda: rules.stop(after, "a", epoch=old, now=NOW + 8),
    ]
    for verb in verbs:
        with pytest.raises(StreamEnded) as refusal:
            verb()
        assert (refusal.value.ending.reason, refusal.value.ending.at) == (Reason.TAKEN_OVER, NOW + 7)


def test_a_stop_frees_the_slot_and_a_second_one_changes_nothing() -> None:
    stopped = rules.stop(account("a"), "a", epoch=None, now=NOW)
    assert live(stopped) == []
    assert stopped.ended["a"].reason is Reason.STOPPED
    assert rules.stop(stopped, "a", epoch=None, now=NOW) is stopped


def test_a_stop_after_the_lease_ended_is_told_as_expired() -> None:
    stopped = rules.stop(account("a"), "a", epoch=None, now=NOW + 2 * LEASE_MS)
    assert (stopped.ended["a"].reason, stopped.ended["a"].at) == (Reason.EXPIRED, NOW + LEASE_MS)


@pytest.mark.parametrize("verb", ["renew", "stop", "read"])
def test_an_id_nobody_knows_is_not_found(verb: str) -> None:
    calls: dict[str, Callable[[], object]] = {
        "renew": lambda: rules.renew(account("a"), "zzz", epoch=1, now=NOW, policy=POLICY),
        "stop": lambda: rules.stop(account("a"), "zzz", epoch=None, now=NOW),
        "read": lambda: rules.read(account("a"), "zzz", now=NOW),
    }
    with pytest.raises(StreamNotFound):
        calls[verb]()


def test_at_least_the_last_eight_endings_are_remembered_and_never_many_more() -> None:
    store = ModelStore(POLICY)
    for number in range(40):
        store.start("ana", asking(f"s{number}"), now=NOW + number)
        store.stop("ana", f"s{number}", epoch=None, now=NOW + number)
        remembered = store.accounts["ana"].ended
        assert {f"s{n}" for n in range(max(0, number - 7), number + 1)} <= remembered.keys()
        assert len(remembered) <= rules.ENDINGS_AT_MOST


def test_an_override_of_the_user_goes_before_the_default() -> None:
    own = replace(account("a"), limit=1, when_full=WhenFull.EVICT_OLDEST)
    assert own.policy(POLICY) == Policy(limit=1, lease_ms=LEASE_MS, when_full=WhenFull.EVICT_OLDEST)


def test_epochs_of_a_forgotten_user_go_on_growing() -> None:
    before = account("a").leases["a"].epoch
    assert account("a", now=NOW + 86_400_000).leases["a"].epoch > before
