"""The cost of a month."""

import pytest

from capacity.costs import Hosting, cost_by_part, log_gb
from tests.unit.capacity.builders import IRELAND, demand, rates

SECONDS_PER_MONTH = 730 * 3600


def test_the_writes_of_a_month_are_the_average_of_its_seconds() -> None:
    half_loaded = demand(average=0.5)
    writes = cost_by_part(half_loaded, IRELAND, Hosting())["DynamoDB: writes"]
    units = half_loaded.write_units * 0.5 * SECONDS_PER_MONTH

    assert writes == pytest.approx(units * 0.705e-6)


def test_the_log_has_every_decision_and_a_sample_of_the_heartbeats() -> None:
    always_loaded = demand(concurrent=1000, average=1)
    heartbeats = rates(always_loaded)["heartbeat"]
    lines = always_loaded.requests - heartbeats + heartbeats / 50

    quiet = log_gb(always_loaded, Hosting(renewals_per_line=50, logs_platform=False))

    assert quiet == pytest.approx(lines * 476 * SECONDS_PER_MONTH / 1e9)
    assert log_gb(always_loaded, Hosting()) > 10 * quiet, "most are Lambda's own lines"
