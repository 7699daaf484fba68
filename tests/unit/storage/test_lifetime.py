"""How long an item is kept."""

from streams.storage.lifetime import (
    delete_forgotten_at,
    forget_at,
    keep_override_until,
)
from tests.builders import LEASE_MS, NOW, plans_of

DAY_SECONDS = 86_400


def test_an_item_is_kept_for_a_day_after_the_longest_lease_of_any_plan() -> None:
    plans = plans_of(named={"pausing": plans_of(paused_ms=10 * LEASE_MS)})
    assert forget_at(NOW, plans) == (NOW + 10 * LEASE_MS) // 1000 + DAY_SECONDS


def test_the_empty_item_of_an_erased_user_is_kept_for_a_quarter_of_an_hour() -> None:
    assert delete_forgotten_at(NOW) == NOW // 1000 + 15 * 60


def test_an_item_with_an_override_is_kept_for_a_century() -> None:
    assert keep_override_until(NOW) == NOW // 1000 + 36_500 * DAY_SECONDS


def test_an_erased_user_is_kept_for_less_time_than_any_other() -> None:
    assert delete_forgotten_at(NOW) < forget_at(NOW, plans_of())
