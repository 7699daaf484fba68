"""Alarms, usage plans with keys, and limits of viewers, on an emulated AWS."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from deploy.alarms import Watched, alarms, plan_alarms
from deploy.consumers import Consumer, plan_consumers
from deploy.rehearse import REGION, emulated_aws
from deploy.steps import Step, patiently
from deploy.viewers import plan_viewers
from tests.e2e.test_deployment import client as clients_of

pytestmark = pytest.mark.xdist_group("provisioning")  # of one emulated AWS

WATCHED = Watched(function="limits-test", api="limits-test", api_stage="test", table="UserStreams-test")
BILLING = Consumer(name="billing", rate=50, burst=100)


@pytest.fixture(scope="module")
def client() -> Iterator[Callable[[str], Any]]:
    with emulated_aws("apigateway", "cloudwatch", "wafv2") as url:
        yield clients_of(url)


def carry_out(plan: Iterable[Step]) -> list[str]:
    steps = list(plan)
    for step in steps:
        step.do()
    return [step.what for step in steps]


@pytest.fixture
def cloudwatch(client: Callable[[str], Any]) -> Iterator[Any]:
    cloudwatch = client("cloudwatch")
    yield cloudwatch
    cloudwatch.delete_alarms(AlarmNames=[alarm["AlarmName"] for alarm in alarms(WATCHED)])


def test_every_alarm_is_set_once(cloudwatch: Any) -> None:
    assert len(carry_out(plan_alarms(WATCHED, cloudwatch))) == 6
    assert carry_out(plan_alarms(WATCHED, cloudwatch)) == []


def test_planning_alarms_sets_none(cloudwatch: Any) -> None:
    assert list(plan_alarms(WATCHED, cloudwatch))
    assert cloudwatch.describe_alarms()["MetricAlarms"] == []


def test_an_alarm_changed_by_hand_is_put_right(cloudwatch: Any) -> None:
    carry_out(plan_alarms(WATCHED, cloudwatch))
    errors = alarms(WATCHED)[0]
    cloudwatch.put_metric_alarm(**errors | {"Threshold": 1000.0})
    assert carry_out(plan_alarms(WATCHED, cloudwatch)) == ["set the alarm limits-test-function-errors"]
    (found,) = cloudwatch.describe_alarms(AlarmNames=[errors["AlarmName"]])["MetricAlarms"]
    assert found["Threshold"] == 0


def test_a_topic_is_told_of_every_alarm(cloudwatch: Any) -> None:
    topic = "arn:aws:sns:eu-west-1:000000000000:operators"
    carry_out(plan_alarms(WATCHED, cloudwatch))
    carry_out(plan_alarms(replace(WATCHED, topic=topic), cloudwatch))
    assert all(alarm["AlarmActions"] == [topic] for alarm in cloudwatch.describe_alarms()["MetricAlarms"])


@pytest.fixture
def apigateway(client: Callable[[str], Any]) -> Any:
    return client("apigateway")


@pytest.fixture
def api_id(apigateway: Any) -> str:
    """An API with a deployed stage `test`."""
    id: str = apigateway.create_rest_api(name="limits-test")["id"]
    root = apigateway.get_resources(restApiId=id)["items"][0]["id"]
    method = {"restApiId": id, "resourceId": root, "httpMethod": "GET"}
    apigateway.put_method(**method, authorizationType="NONE")
    apigateway.put_integration(**method, type="MOCK")
    apigateway.create_deployment(restApiId=id, stageName="test")
    return id


def plan(apigateway: Any, api_id: str, *consumers: Consumer) -> Iterator[Step]:
    return plan_consumers(list(consumers), api_id=api_id, api_stage="test", apigateway=apigateway)


def plan_of(apigateway: Any, api_id: str, consumer: Consumer) -> dict[str, Any]:
    plans = apigateway.get_usage_plans()["items"]
    (found,) = [plan for plan in plans if plan["name"] == f"{api_id}-test-{consumer.name}"]
    return dict(found)


def test_a_consumer_gets_a_key_in_a_plan_of_its_own(apigateway: Any, api_id: str) -> None:
    carry_out(plan(apigateway, api_id, BILLING))
    found = plan_of(apigateway, api_id, BILLING)
    assert found["throttle"] == {"rateLimit": 50, "burstLimit": 100}
    assert [(stage["apiId"], stage["stage"]) for stage in found["apiStages"]] == [(api_id, "test")]
    (key,) = apigateway.get_usage_plan_keys(usagePlanId=found["id"])["items"]
    assert key["name"] == f"{api_id}-test-billing"


def test_a_consumer_is_introduced_once(apigateway: Any, api_id: str) -> None:
    assert len(carry_out(plan(apigateway, api_id, BILLING))) == 1
    assert carry_out(plan(apigateway, api_id, BILLING)) == []


def test_a_changed_rate_changes_the_plan_and_keeps_the_key(apigateway: Any, api_id: str) -> None:
    carry_out(plan(apigateway, api_id, BILLING))
    before = apigateway.get_usage_plan_keys(usagePlanId=plan_of(apigateway, api_id, BILLING)["id"])["items"]
    faster = replace(BILLING, rate=75.5, burst=150)
    assert carry_out(plan(apigateway, api_id, faster)) == ["let billing send 75.5 requests a second, 150 at once"]
    found = plan_of(apigateway, api_id, faster)
    assert found["throttle"] == {"rateLimit": 75.5, "burstLimit": 150}
    assert apigateway.get_usage_plan_keys(usagePlanId=found["id"])["items"] == before
    assert carry_out(plan(apigateway, api_id, faster)) == []


def test_a_consumer_no_longer_named_keeps_its_key(apigateway: Any, api_id: str) -> None:
    carry_out(plan(apigateway, api_id, BILLING))
    carry_out(plan(apigateway, api_id, Consumer(name="support", rate=1, burst=2)))
    assert apigateway.get_usage_plan_keys(usagePlanId=plan_of(apigateway, api_id, BILLING)["id"])["items"]


@pytest.fixture
def wafv2(client: Callable[[str], Any]) -> Any:
    return client("wafv2")


def plan_of_viewers(wafv2: Any, api_id: str, per_minute: int) -> Iterator[Step]:
    return plan_viewers(
        per_minute, name=f"limits-{api_id}", api_id=api_id, api_stage="test", region=REGION, wafv2=wafv2
    )


def rules_in_front(wafv2: Any, api_id: str) -> dict[str, Any]:
    """By name: what counts, and what is answered beyond the limit."""
    stage = f"arn:aws:apigateway:{REGION}::/restapis/{api_id}/stages/test"
    rules = wafv2.get_web_acl_for_resource(ResourceArn=stage)["WebACL"]["Rules"]
    return {
        rule["Name"]: (rule["Statement"]["RateBasedStatement"], rule["Action"]["Block"]["CustomResponse"])
        for rule in rules
    }


def test_one_viewer_and_one_address_have_limits_of_their_own(wafv2: Any, api_id: str) -> None:
    carry_out(plan_of_viewers(wafv2, api_id, 120))
    rules = rules_in_front(wafv2, api_id)
    counted, refusal = rules["one-viewer"]
    assert (counted["Limit"], counted["EvaluationWindowSec"]) == (120, 60)
    assert [key["Header"]["Name"] for key in counted["CustomKeys"]] == ["authorization"]
    assert refusal["ResponseCode"] == 429
    headers = {header["Name"]: header["Value"] for header in refusal["ResponseHeaders"]}
    assert headers["Retry-After"] == "60"
    assert headers["Access-Control-Expose-Headers"] == "Retry-After"
    counted, refusal = rules["one-address"]
    assert (counted["Limit"], counted["AggregateKeyType"], refusal["ResponseCode"]) == (12_000, "IP", 429)


def test_limits_of_viewers_are_set_once_and_changed_in_place(wafv2: Any, api_id: str) -> None:
    assert len(carry_out(plan_of_viewers(wafv2, api_id, 120))) == 1
    assert carry_out(plan_of_viewers(wafv2, api_id, 120)) == []
    assert carry_out(plan_of_viewers(wafv2, api_id, 60)) == ["let a viewer send 60 requests a minute, an address 6000"]
    assert rules_in_front(wafv2, api_id)["one-viewer"][0]["Limit"] == 60


def test_limits_of_viewers_taken_from_the_api_by_hand_are_put_back(wafv2: Any, api_id: str) -> None:
    carry_out(plan_of_viewers(wafv2, api_id, 120))
    wafv2.disassociate_web_acl(ResourceArn=f"arn:aws:apigateway:{REGION}::/restapis/{api_id}/stages/test")
    assert carry_out(plan_of_viewers(wafv2, api_id, 120)) == [f"put limits-{api_id} in front of the API"]


def test_a_web_acl_of_somebody_elses_is_left_in_front(wafv2: Any, api_id: str) -> None:
    carry_out(plan_viewers(120, name=f"theirs-{api_id}", api_id=api_id, api_stage="test", region=REGION, wafv2=wafv2))
    with pytest.raises(LookupError, match=f"theirs-{api_id}"):
        list(plan_of_viewers(wafv2, api_id, 120))


def test_a_limit_that_waf_does_not_take_is_refused(wafv2: Any, api_id: str) -> None:
    with pytest.raises(LookupError, match="under 10"):
        list(plan_of_viewers(wafv2, api_id, 9))


def test_what_is_not_ready_is_tried_again_and_a_real_failure_is_not_hidden() -> None:
    class NotReady(Exception):
        pass

    tries: list[Exception] = [NotReady(), NotReady()]

    def associate() -> None:
        if tries:
            raise tries.pop()

    waits: list[float] = []
    patiently(associate, until_no=NotReady, sleep=waits.append)
    assert waits == [3, 3]
    tries.append(ValueError())
    with pytest.raises(ValueError):  # noqa: PT011
        patiently(associate, until_no=NotReady, sleep=waits.append)
