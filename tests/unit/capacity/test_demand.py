"""The requests of a population, their calls and their units."""

import pytest

from capacity.demand import Demand, ItemSizes
from capacity.players import Players
from capacity.sizing import capacity_for
from tests.unit.capacity.builders import demand, rates


def test_the_capacity_to_provision_is_the_one_that_the_stage_file_sets() -> None:
    ordinary = demand(concurrent=20_000)

    assert ordinary.to_provision == capacity_for(20_000)

    longer = demand(concurrent=20_000, lease_seconds=120)

    assert longer.to_provision == capacity_for(20_000, lease_seconds=120)

    relaxed = demand(concurrent=20_000, relaxed_seconds=300)

    assert relaxed.to_provision.rate < capacity_for(20_000).rate


def test_the_calls_of_each_request_are_those_of_the_design() -> None:
    calls = {kind.name: kind.calls for kind in demand().request_kinds}
    assert calls == {
        "start": 1,
        "first start of a user": 2,
        "start over ghosts": 2,
        "start in its own slot": 1,
        "denial": 1,
        "heartbeat": 1,
        "heartbeat while paused": 2,
        "stop": 1,
        "stop that drops old endings": 2,
        "list": 1,
    }


def test_denials_are_the_named_share_of_the_new_streams() -> None:
    per_second = rates(demand(denial_share=0.2))
    starts = ("start", "first start of a user", "start over ghosts")
    admitted = sum(per_second[name] for name in starts)

    assert per_second["denial"] / (per_second["denial"] + admitted) == pytest.approx(
        0.2
    )


def test_a_larger_item_costs_more_units() -> None:
    players = Players(concurrent=1000)
    large = Demand(
        players, ItemSizes(bytes_of=lambda streams: 1025, forgetting_share=0.25)
    )
    small = Demand(
        players, ItemSizes(bytes_of=lambda streams: 1024, forgetting_share=0.25)
    )
    # The refused write of a first start finds no item and costs one unit.
    first = rates(small)["first start of a user"]

    assert large.write_units - first == pytest.approx(2 * (small.write_units - first))
