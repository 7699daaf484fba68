"""Starts by tickets: each ticket starts an id once."""

from dataclasses import replace

import pytest

from streams import rules
from streams.errors import StreamEnded, StreamNotFound
from streams.rules import Account, Reason, StartRequest
from tests.builders import LEASE_MS, NOW, asking
from tests.unit.rules.builders import PLANS, ending, lease, live_ids

EPOCH = NOW * 1000
TICKET = replace(asking("tv"), epoch=EPOCH, nonce="ticket", is_by_ticket=True)
LATER = NOW + 9


def start(
    account: Account, request: StartRequest = TICKET, now: int = LATER
) -> Account:
    after, _ = rules.start(account, request, now=now, plans=PLANS)
    return after


def refusal(account: Account, *, now: int = LATER) -> StreamEnded:
    with pytest.raises(StreamEnded) as raised:
        start(account, now=now)
    return raised.value


def test_the_first_start_of_a_ticket_is_admitted_with_its_epoch() -> None:
    after = start(rules.empty_account(NOW))
    assert after.leases["tv"].epoch == EPOCH


def test_a_ticket_starts_several_ids() -> None:
    after = start(rules.empty_account(NOW))
    after = start(after, replace(TICKET, id="phone"))
    assert sorted(live_ids(after)) == ["phone", "tv"]


def test_a_ticket_takes_over_a_slot_that_was_started_before_it_was_issued() -> None:
    before = Account(version=1, leases={"tv": lease("tv", epoch=EPOCH - 1)})
    assert start(before).leases["tv"].epoch == EPOCH


def test_a_repeat_is_possible_while_the_stream_lives() -> None:
    after = start(rules.empty_account(NOW))
    assert live_ids(start(after, now=LATER + 1)) == ["tv"]


def test_a_repeat_after_the_stop_is_refused_with_the_reason() -> None:
    ended = {"tv": ending(LATER, epoch=EPOCH)}
    account = Account(version=1, ended=ended)
    assert refusal(account, now=LATER + 1).ending == ended["tv"]


def test_a_repeat_after_the_expiry_is_refused() -> None:
    after = start(rules.empty_account(NOW))
    error = refusal(after, now=LATER + LEASE_MS)
    assert error.ending.reason is Reason.EXPIRED


def test_a_ticket_is_refused_after_a_later_start_of_the_same_id() -> None:
    leases = {"tv": lease("tv", epoch=EPOCH + 1)}
    error = refusal(Account(version=1, leases=leases))
    assert error.ending.reason is Reason.TAKEN_OVER


def test_a_ticket_is_refused_when_its_own_ending_may_have_been_dropped() -> None:
    ended = {f"stream-{n}": ending(LATER, epoch=EPOCH) for n in range(4)}
    with pytest.raises(StreamNotFound):
        start(Account(version=1, ended=ended))


def test_a_ticket_starts_when_the_kept_endings_reach_back_before_it() -> None:
    ended = {f"stream-{n}": ending(LATER, epoch=EPOCH) for n in range(4)}
    ended["phone"] = ending(NOW - 1)
    assert live_ids(start(Account(version=1, ended=ended))) == ["tv"]


def test_a_ticket_starts_among_few_endings() -> None:
    ended = {"phone": ending(LATER, epoch=EPOCH)}
    assert live_ids(start(Account(version=1, ended=ended))) == ["tv"]
