"""The quotas that a population needs."""

from capacity.quotas import quotas
from capacity.sizing import capacity_for
from tests.unit.capacity.builders import IRELAND, demand


def test_the_default_quotas_are_enough_for_a_thousand_streams() -> None:
    needed = quotas(demand(concurrent=1_000), IRELAND.quotas)
    assert all(quota.is_enough for quota in needed)


def test_a_quota_names_the_need_and_when_to_request_an_increase() -> None:
    needed = quotas(demand(concurrent=10_000_000), IRELAND.quotas)
    missing = {quota.name: quota for quota in needed if not quota.is_enough}
    requests = missing["API Gateway: requests per second"]

    assert requests.needed == capacity_for(10_000_000).rate
    assert "weeks before" in requests.until
    assert "WarmThroughput" in missing["DynamoDB: warm write units per second"].until
