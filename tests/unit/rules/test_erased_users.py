"""Erased users: an empty account, and a fence for calls that arrive late."""

from dataclasses import replace

from streams import rules
from streams.rules import MAX_SKEW_MS, Account, empty_account
from tests.builders import NOW, asking
from tests.unit.rules.builders import account, started, stopped


def test_an_erased_user_keeps_only_a_version_and_a_fence() -> None:
    before = replace(stopped(account("a", "b"), "a"), limit=2)
    after = rules.forget(before, now=NOW + 5)

    assert after == Account(
        version=before.version + 1,
        theoretical_arrival_at=NOW + 5 + MAX_SKEW_MS,
    )


def test_epochs_of_an_erased_user_continue_to_grow() -> None:
    before = account("a")
    erased = rules.forget(before, now=NOW + 5)
    again = started(erased, asking("a", now=NOW + 9), now=NOW + 9)

    assert again.leases["a"].epoch > before.leases["a"].epoch
    assert empty_account(NOW).leases == {}
