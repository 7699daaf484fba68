"""Changes that lower the cost."""

from capacity.costs import Hosting, monthly_cost
from capacity.levers import levers, sensitivity
from tests.unit.capacity.builders import IRELAND, demand, rates

LARGE = demand(concurrent=10_000_000)


def test_the_cost_depends_most_on_the_heartbeat() -> None:
    assert rates(LARGE)["heartbeat"] / LARGE.requests > 0.95
    changes = sensitivity(LARGE, IRELAND, Hosting())

    assert next(iter(changes)) == "lease_seconds"
    assert changes["lease_seconds"] < -5


def test_relaxed_leases_save_most_of_the_heartbeats_that_they_omit() -> None:
    traced = Hosting(is_traced=True)
    before = monthly_cost(LARGE, IRELAND, traced)
    saved = {
        lever.name: 1 - lever.cost / before for lever in levers(LARGE, IRELAND, traced)
    }

    assert saved["relaxed leases of 300 s"] > 0.3
    assert saved["all that keep Lambda"] > saved["function URL"] > saved["HTTP API"] > 0
    assert len(saved) == 11


def test_front_doors_that_this_project_does_not_deploy_are_estimates() -> None:
    disadvantages = {
        lever.name: lever.disadvantage
        for lever in levers(LARGE, IRELAND, Hosting())
        if lever.name in ("HTTP API", "function URL", "load balancer before Lambda")
    }

    assert len(disadvantages) == 3
    assert all(text.startswith("an estimate only") for text in disadvantages.values())
