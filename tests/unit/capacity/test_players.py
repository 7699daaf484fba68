"""A population of players."""

import random

import pytest

from capacity.players import FREE_SLOTS_TO_RELAX, Players
from streams.rules.plans import MIN_FREE_SLOTS_TO_RELAX

HOURS = 3_000


def test_heartbeats_are_those_of_a_clock_that_each_start_sets_back() -> None:
    """Compare with one simulated clock over many hours."""
    players = Players(concurrent=1, starts_per_hour=30, zap_per_hour=60)
    generator = random.Random(1)
    now = 0.0
    heartbeats = 0
    reset = generator.expovariate(90 / 3600)
    while now < HOURS * 3600:
        due = now + 20 * generator.uniform(0.9, 1)
        if reset < due:
            now = reset
            reset += generator.expovariate(90 / 3600)
        else:
            now = due
            heartbeats += 1

    assert players.heartbeats() * HOURS * 3600 == pytest.approx(heartbeats, rel=0.01)


@pytest.mark.parametrize("streams_per_user", [1, 1.3, 2, 2.9, 3])
def test_users_have_the_named_number_of_streams_on_average(
    streams_per_user: float,
) -> None:
    shares = Players(concurrent=1, streams_per_user=streams_per_user).by_held

    assert sum(shares.values()) == pytest.approx(1)
    users = sum(share / held for held, share in shares.items())

    assert 1 / users == pytest.approx(streams_per_user, abs=1e-3)


def test_relaxed_leases_are_for_streams_whose_user_has_two_free_slots() -> None:
    players = Players(
        concurrent=1000,
        limit=4,
        streams_per_user=2,
        relaxed_seconds=300,
        paused_share=0.1,
        paused_seconds=600,
    )

    assert [players.lease_of(held) for held in range(1, 5)] == [300, 300, 60, 60]
    assert FREE_SLOTS_TO_RELAX == MIN_FREE_SLOTS_TO_RELAX
    assert sum(players.playing_by_lease.values()) == pytest.approx(900)
    assert players.paused_heartbeats() == pytest.approx(100 / (600 / 3 * 0.95))
