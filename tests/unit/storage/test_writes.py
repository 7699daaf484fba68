"""The register of a call's writes."""

import pytest

from streams.rules import Account
from streams.storage.writes import SentWrites

EMPTY = Account(version=1)


def account(*write_ids: str, version: int = 1) -> Account:
    return Account(version=version, recent_writes=write_ids)


def test_each_write_gets_its_own_id() -> None:
    writes: SentWrites[str] = SentWrites()
    first = writes.add("one", expected_version=None)
    second = writes.add("two", expected_version=None)

    assert first != second
    assert {first[:-1], second[:-1]} == {writes.prefix}


def test_writes_of_other_calls_have_other_ids() -> None:
    ids = {SentWrites[str]().add("one", expected_version=1) for _ in range(100)}
    assert len(ids) == 100


def test_the_write_that_took_effect_is_found_with_its_outcome() -> None:
    writes: SentWrites[str] = SentWrites()
    writes.add("one", expected_version=None)
    second = writes.add("two", expected_version=None)

    assert writes.find(account("other", second)) == second
    assert writes.outcomes[second] == "two"


def test_the_latest_of_two_writes_of_a_call_is_found() -> None:
    writes: SentWrites[str] = SentWrites()
    first = writes.add("one", expected_version=None)
    second = writes.add("two", expected_version=None)

    assert writes.find(account(second, first)) == second


@pytest.mark.parametrize("recent", [(), ("other",)])
def test_a_write_that_did_not_take_effect_is_not_found(
    recent: tuple[str, ...],
) -> None:
    writes: SentWrites[str] = SentWrites()
    writes.add("one", expected_version=None)

    assert writes.find(account(*recent)) is None


@pytest.mark.parametrize(
    ("changes_since", "may_be_forgotten"),
    [(3, False), (4, True)],
)
def test_a_write_may_be_forgotten_after_more_changes_than_the_item_keeps(
    changes_since: int, may_be_forgotten: bool
) -> None:
    writes: SentWrites[str] = SentWrites(has_unanswered=True)
    writes.add("one", expected_version=10)
    writes.add("two", expected_version=12)
    later = account(version=10 + changes_since)

    assert writes.may_be_forgotten(later, kept=3) is may_be_forgotten


def test_no_write_is_forgotten_if_each_was_answered() -> None:
    writes: SentWrites[str] = SentWrites()
    writes.add("one", expected_version=10)

    assert not writes.may_be_forgotten(account(version=99), kept=3)


def test_a_blind_write_expects_no_version() -> None:
    writes: SentWrites[str] = SentWrites(has_unanswered=True)
    writes.add("one", expected_version=None)

    assert not writes.may_be_forgotten(account(version=99), kept=3)
