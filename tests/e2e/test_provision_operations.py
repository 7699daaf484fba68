"""What a stage has beside its function: as its file says, and what that does not name is left alone."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from rest_framework.exceptions import Throttled

from capacity.sizing import capacity_for
from deploy import steps
from deploy.alarms import alarms, plan_alarms, there
from deploy.consumers import plan_consumers
from deploy.emulator import emulated_aws
from deploy.function import plan_concurrency, plan_log
from deploy.gateway import ANSWERS, TITLES, plan_answers, plan_throttling
from deploy.scaling import plan_scaling
from deploy.state import Consumer, Wanted, wanted_of
from deploy.steps import Busy, Step, patiently
from deploy.table import EXPIRY, SCHEMA, plan_table
from deploy.web_acl import plan_web_acl
from stages import Stage
from streams.models import UserStreams
from streams.problems import PROBLEMS
from tests.servers import PROJECT

REGION = "eu-west-1"
STAGE = Stage(
    "test",
    {
        "project_name": "limits",
        "aws_region": REGION,
        "environment_variables": {"DYNAMODB_TABLE": "T"},
    },
)
BILLING = Consumer(name="billing", rate=50, burst=100)


@pytest.fixture(scope="module")
def client() -> Iterator[Callable[[str], Any]]:
    with emulated_aws(
        "apigateway", "cloudwatch", "dynamodb", "iam", "lambda", "logs", "wafv2"
    ) as url:
        yield lambda service: boto3.client(
            service,
            endpoint_url=url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


def carry_out(plan: Iterable[Step]) -> list[str]:
    steps = list(plan)
    for step in steps:
        step.do()
    return [str(step) for step in steps]


# --- a run -----------------------------------------------------------------------------------------------------------


def refusal(code: str, message: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "CreateX")


@pytest.mark.parametrize(
    "error",
    [
        refusal("ResourceAlreadyExistsException"),
        refusal("ConflictException"),
        refusal("WAFOptimisticLockException"),
        refusal("ResourceInUseException"),
        refusal("ValidationException", "TimeToLive is already enabled"),
        Busy("another run makes the key"),
    ],
    ids=str,
)
def test_what_another_run_does_at_the_same_time_is_found_done(error: Exception) -> None:
    left, said = ["first", "second"], list[str]()

    def do(name: str) -> None:
        left.remove(name)  # the other run did it
        if name == "first":
            raise error

    was_anything = steps.carry_out(
        lambda: [Step(name, partial(do, name)) for name in left],
        say=said.append,
        sleep=lambda seconds: None,
    )
    assert (was_anything, left) == (True, [])
    assert "another run is at it; looking again\n" in said


def test_what_aws_refuses_ends_a_run_and_the_next_one_goes_on_from_there() -> None:
    left, refused = ["first", "second", "third"], [refusal("AccessDeniedException")]

    def do(name: str) -> None:
        if name == "second" and refused:
            raise refused.pop()
        left.remove(name)

    def run() -> bool:
        return steps.carry_out(
            lambda: [Step(name, partial(do, name)) for name in left],
            say=lambda text: None,
        )

    with pytest.raises(ClientError, match="AccessDenied"):
        run()
    assert left == ["second", "third"]
    assert run()
    assert not run(), "everything is as it should be"


# --- the table -------------------------------------------------------------------------------------------------------


@pytest.fixture
def dynamodb(client: Callable[[str], Any]) -> Any:
    return client("dynamodb")


def test_the_tables_schema_is_the_models() -> None:
    schema = UserStreams._get_schema()
    assert schema["key_schema"] == SCHEMA["KeySchema"]
    assert schema["attribute_definitions"] == SCHEMA["AttributeDefinitions"]
    assert UserStreams.ttl.attr_name == EXPIRY


def test_a_new_table_is_kept_safe_and_made_once(dynamodb: Any) -> None:
    assert carry_out(plan_table("Safe", Wanted(max_write_units=4000), dynamodb))
    table = dynamodb.describe_table(TableName="Safe")["Table"]
    assert table["KeySchema"] == [{"AttributeName": "user_id", "KeyType": "HASH"}]
    assert table["DeletionProtectionEnabled"]
    assert table["SSEDescription"]["SSEType"] == "KMS"
    (tag,) = dynamodb.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"]
    assert tag == {"Key": "service", "Value": "stream-limits"}
    backups = dynamodb.describe_continuous_backups(TableName="Safe")[
        "ContinuousBackupsDescription"
    ]
    assert (
        backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
        == "ENABLED"
    )
    ttl = dynamodb.describe_time_to_live(TableName="Safe")["TimeToLiveDescription"]
    assert (ttl["AttributeName"], ttl["TimeToLiveStatus"]) == ("ttl", "ENABLED")
    assert carry_out(plan_table("Safe", Wanted(max_write_units=4000), dynamodb)) == []


def a_table(dynamodb: Any, name: str, key: str = "user_id", **more: Any) -> str:
    """One that somebody made by hand, by its ARN."""
    created = dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        **more,
    )
    return str(created["TableDescription"]["TableArn"])


def test_a_table_that_somebody_else_made_is_kept_as_safe_and_keeps_its_tags(
    dynamodb: Any,
) -> None:
    arn = a_table(dynamodb, "Old", Tags=[{"Key": "team", "Value": "player"}])
    assert carry_out(plan_table("Old", Wanted(), dynamodb)) == [
        "protect Old from deletion",
        "encrypt Old with the account's own key for DynamoDB",
        "tag Old with service=stream-limits",
        "let Old forget rows by ttl",
        "keep Old recoverable to any second of 35 days",
    ]
    tags = dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {
        "team": "player",
        "service": "stream-limits",
    }
    assert carry_out(plan_table("Old", Wanted(), dynamodb)) == []


def test_a_table_of_another_service_is_left_alone(dynamodb: Any) -> None:
    a_table(dynamodb, "Theirs", key="order_id")
    with pytest.raises(LookupError, match="Theirs has another key"):
        list(plan_table("Theirs", Wanted(), dynamodb))


def test_rows_that_are_forgotten_by_another_attribute_are_drift(dynamodb: Any) -> None:
    a_table(dynamodb, "Elsewhere")
    carry_out(plan_table("Elsewhere", Wanted(), dynamodb))
    for enabled, attribute in ((False, "ttl"), (True, "expires")):
        dynamodb.update_time_to_live(
            TableName="Elsewhere",
            TimeToLiveSpecification={"Enabled": enabled, "AttributeName": attribute},
        )
    (step,) = carry_out(plan_table("Elsewhere", Wanted(), dynamodb))
    assert step.startswith("stop forgetting rows of Elsewhere by another attribute")
    assert step.endswith(": expires -> ttl")
    assert carry_out(plan_table("Elsewhere", Wanted(), dynamodb)) == [
        "let Elsewhere forget rows by ttl"
    ]


def test_a_live_tables_capacity_changes_when_it_is_named_and_its_rows_stay(
    dynamodb: Any,
) -> None:
    carry_out(plan_table("Live", Wanted(), dynamodb))
    dynamodb.put_item(TableName="Live", Item={"user_id": {"S": "ana"}})
    steps = carry_out(plan_table("Live", Wanted(units=20), dynamodb))
    assert steps == ["change how Live is paid for: on demand -> provisioned"]
    dynamodb.update_table(
        TableName="Live",
        ProvisionedThroughput={"ReadCapacityUnits": 20, "WriteCapacityUnits": 300},
    )  # as auto-scaling does
    assert carry_out(plan_table("Live", Wanted(units=20), dynamodb)) == [], (
        "what auto-scaling did is no drift"
    )
    assert carry_out(plan_table("Live", Wanted(), dynamodb)) == [], (
        "nobody asked for another capacity"
    )
    steps = carry_out(plan_table("Live", Wanted(on_demand=True), dynamodb))
    assert steps == ["change how Live is paid for: provisioned -> on demand"]
    assert dynamodb.scan(TableName="Live")["Count"] == 1


@pytest.mark.parametrize(
    ("there", "wanted", "expected"),
    [
        (None, Wanted(units=20), (20, 200)),
        ((50, 5000), Wanted(units=50), None),
        ((50, 5000), Wanted(units=100), (100, 5000)),
        ((50, 5000), Wanted(units=50, most_units=1000), (50, 1000)),
    ],
    ids=["new", "as it is", "a highest that nobody names stays", "lowered by name"],
)
def test_auto_scaling_has_the_bounds_that_are_named(
    there: tuple[int, int] | None, wanted: Wanted, expected: tuple[int, int] | None
) -> None:
    """The emulated AWS scales nothing; what is asked of Amazon's is checked against Amazon's own model of it."""
    scaling = boto3.client(
        "application-autoscaling",
        region_name=REGION,
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )
    target = {"ServiceNamespace": "dynamodb", "ResourceId": "table/T"}
    described = [
        {
            **target,
            "ScalableDimension": f"dynamodb:table:{kind}CapacityUnits",
            "MinCapacity": there[0],
            "MaxCapacity": there[1],
            "RoleARN": "arn:aws:iam::000000000000:role/scaling",
            "CreationTime": 0,
        }
        for kind in ("Read", "Write")
        if there
    ]
    policy = {
        **target,
        "PolicyARN": "arn:aws:autoscaling:x",
        "PolicyName": "x",
        "PolicyType": "TargetTrackingScaling",
        "CreationTime": 0,
        "ScalableDimension": "dynamodb:table:ReadCapacityUnits",
    }
    with Stubber(scaling) as amazon:
        amazon.add_response("describe_scalable_targets", {"ScalableTargets": described})
        for _ in ("Read", "Write"):
            amazon.add_response(
                "describe_scaling_policies",
                {"ScalingPolicies": [policy] if there else []},
            )
        steps = list(plan_scaling("T", wanted, scaling))
        for kind, step in zip(("Read", "Write"), steps, strict=False):
            assert expected
            bounds = {"MinCapacity": expected[0], "MaxCapacity": expected[1]}
            dimension = {"ScalableDimension": f"dynamodb:table:{kind}CapacityUnits"}
            amazon.add_response(
                "register_scalable_target", {}, target | dimension | bounds
            )
            if not there:
                amazon.add_response(
                    "put_scaling_policy",
                    {"PolicyARN": "arn:aws:autoscaling:x", "Alarms": []},
                )
            step.do()
        amazon.assert_no_pending_responses()
    assert bool(steps) == (expected is not None)
    assert ["LOWER" in str(step) for step in steps] == [
        bool(there and expected and expected[1] < there[1])
    ] * len(steps)


# --- what follows from viewers, and what a file may say ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("viewers", "rate"), [(1_000, 84), (18_000, 1500), (200_000, 16_667)]
)
def test_rates_follow_from_viewers(viewers: int, rate: int) -> None:
    found = capacity_for(viewers)
    assert (found.rate, found.burst, found.write_units) == (rate, 2 * rate, 2 * rate)
    assert found.rate > viewers / 18, "each beats every 18 seconds"


def test_longer_leases_take_less() -> None:
    assert capacity_for(18_000, lease_seconds=120).rate == 750


def test_the_shortest_lease_of_the_plans_sets_the_rates(tmp_path: Path) -> None:
    (tmp_path / "plans.toml").write_text(
        "[default]\nlease_seconds = 90\n\n[live]\nlease_seconds = 30\n"
    )
    variables = {"PLANS": str(tmp_path / "plans.toml")}
    stage = Stage("test", {"environment_variables": variables})
    assert wanted_of(stage, files=a_file(tmp_path, "viewers = 18000")).rate == 3000
    assert wanted_of(STAGE, files=tmp_path).rate == 1500


def a_file(folder: Path, text: str) -> Path:
    (folder / "test.toml").write_text(text)
    return folder


def test_a_flag_goes_before_the_file_for_one_run(tmp_path: Path) -> None:
    folder = a_file(tmp_path, "viewers = 18000\nburst = 100\n")
    assert wanted_of(STAGE, files=folder).rate == 1500
    assert wanted_of(STAGE, files=folder).burst == 100
    assert wanted_of(STAGE, {"rate": 7.0, "burst": None}, files=folder).rate == 7


def test_instances_that_zappas_own_settings_reserve_are_not_reserved_otherwise(
    tmp_path: Path,
) -> None:
    stage = Stage("test", {"lambda_concurrency": 20})
    assert wanted_of(stage, files=a_file(tmp_path, "viewers = 18000")).concurrency == 20
    assert (
        wanted_of(stage, files=a_file(tmp_path, "concurrency = 20")).concurrency == 20
    )
    with pytest.raises(
        ValueError, match="is to be 50, and lambda_concurrency of the stage is 20"
    ):
        wanted_of(stage, {"concurrency": 50}, files=tmp_path)


def test_a_name_that_means_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"test\.toml names viwers, which is none of"):
        wanted_of(STAGE, files=a_file(tmp_path, "viwers = 5"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('viewers = "many"', "viewers is 'many'. Set it to a whole number from 1"),
        ("viewers = 0", "viewers is 0"),
        ("rate = -5", "rate is -5"),
        ("rate = nan", "rate is nan"),
        ("rate = true", "rate is True"),
        ("burst = 1.5", "burst is 1.5"),
        ("concurrency = -1", "concurrency is -1"),
        ('on_demand = "yes"', "on_demand is 'yes'"),
        ('topic = "operators"', "topic is 'operators'. Set it to the ARN"),
        ("log_days = 31", "log_days is 31. Set it to one of 1, 3, 5"),
        ("thresholds = 5", "thresholds is 5"),
        ('[thresholds]\napi-slow = "1"', "thresholds is"),
        ('[[consumers]]\nname = "a"', "consumers is"),
        ('[[consumers]]\nname = "a b"\nrate = 1\nburst = 1', "consumers is"),
        ('[[consumers]]\nname = "a"\nrate = 0\nburst = 1', "consumers is"),
        (
            '[[consumers]]\nname = "a"\nrate = 1\nburst = 1\n' * 2,
            "two consumers have one name",
        ),
        ("viewers", "cannot be read as TOML"),
    ],
)
def test_what_a_file_cannot_say_is_refused(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(ValueError, match=rf"test\.toml.*{re.escape(said)}"):
        wanted_of(STAGE, files=a_file(tmp_path, text))


@pytest.mark.parametrize("name", ["test", "production"])
def test_the_files_of_the_stages_can_be_read(name: str) -> None:
    wanted = wanted_of(Stage(name, {}))
    assert wanted.rate
    assert wanted.rate >= 1000


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (Step("rate", print, 2000.0, 1000.0), "LOWER rate: 2000 -> 1000"),
        (Step("rate", print, 1000.0, 2000.0), "rate: 1000 -> 2000"),
        (Step("rate", print, None, 2000), "rate: none -> 2000"),
        (Step("protect T", print), "protect T"),
    ],
    ids=["lowered", "raised", "new", "no value"],
)
def test_a_step_says_the_value_before_and_after(step: Step, expected: str) -> None:
    assert str(step) == expected


# --- the function ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "wanted", "expected"),
    [
        (None, 50, ["reserve instances for limits-test: none -> 50"]),
        (50, 50, []),
        (50, None, []),
        (0, 50, []),
    ],
    ids=["none yet", "as it is", "not named", "an incident's 0 stays"],
)
def test_reserved_instances_are_set_when_they_are_named(
    there: int | None, wanted: int | None, expected: list[str]
) -> None:
    lambda_ = boto3.client(
        "lambda", region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x"
    )
    with Stubber(lambda_) as amazon:
        if wanted is not None:
            found = {} if there is None else {"ReservedConcurrentExecutions": there}
            amazon.add_response(
                "get_function_concurrency", found, {"FunctionName": "limits-test"}
            )
        steps = list(plan_concurrency(STAGE, Wanted(concurrency=wanted), lambda_))
        amazon.assert_no_pending_responses()
    assert [str(step) for step in steps] == expected


def test_the_log_is_kept_for_a_while_from_the_first_day(
    client: Callable[[str], Any],
) -> None:
    logs = client("logs")
    assert carry_out(plan_log(STAGE, Wanted(), logs)) == [
        "make the log group /aws/lambda/limits-test",
        "keep the log /aws/lambda/limits-test for so many days: none -> 30",
    ]
    logs.put_retention_policy(
        logGroupName="/aws/lambda/limits-test", retentionInDays=365
    )
    assert carry_out(plan_log(STAGE, Wanted(), logs)) == [], "not named, left alone"
    assert carry_out(plan_log(STAGE, Wanted(log_days=30), logs)) == [
        "LOWER keep the log /aws/lambda/limits-test for so many days: 365 -> 30"
    ]


# --- alarms ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def cloudwatch(client: Callable[[str], Any]) -> Iterator[Any]:
    cloudwatch = client("cloudwatch")
    yield cloudwatch
    names = [
        alarm["AlarmName"] for alarm in cloudwatch.describe_alarms()["MetricAlarms"]
    ]
    cloudwatch.delete_alarms(AlarmNames=names)


def plan_of_alarms(cloudwatch: Any, **wanted: Any) -> Iterator[Step]:
    return plan_alarms(STAGE, Wanted(**wanted), region=REGION, cloudwatch=cloudwatch)


def test_every_alarm_is_set_once_and_has_its_page(cloudwatch: Any) -> None:
    everything = {"viewer_rate": 120, "expect_traffic": True}
    assert len(carry_out(plan_of_alarms(cloudwatch, **everything))) == 14
    assert carry_out(plan_of_alarms(cloudwatch, **everything)) == []
    page = (PROJECT / "docs" / "runbook.md").read_text()
    for alarm in alarms(
        STAGE, Wanted(viewer_rate=120, expect_traffic=True), region=REGION
    ):
        assert f"\n## {alarm.name}\n" in page


def test_cloudwatch_takes_every_alarm_as_it_is_asked_for() -> None:
    """The emulated one takes more than Amazon's: each is checked against Amazon's own model."""
    amazon = boto3.client(
        "cloudwatch",
        region_name=REGION,
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )
    for alarm in alarms(
        STAGE, Wanted(viewer_rate=120, expect_traffic=True), region=REGION
    ):
        with Stubber(amazon) as stub:
            stub.add_response("put_metric_alarm", {})
            amazon.put_metric_alarm(**alarm.request(STAGE))


def test_planning_alarms_sets_none(cloudwatch: Any) -> None:
    assert list(plan_of_alarms(cloudwatch))
    assert cloudwatch.describe_alarms()["MetricAlarms"] == []


def found(cloudwatch: Any, name: str) -> dict[str, Any]:
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=[f"limits-test-{name}"])[
        "MetricAlarms"
    ]
    return dict(alarm)


def test_an_alarm_tuned_by_hand_keeps_its_threshold_and_its_actions(
    cloudwatch: Any,
) -> None:
    topic = "arn:aws:sns:eu-west-1:000000000000:operators"
    carry_out(plan_of_alarms(cloudwatch, topic=topic))
    slow = next(
        alarm
        for alarm in alarms(STAGE, Wanted(), region=REGION)
        if alarm.name == "function-slow"
    )
    cloudwatch.put_metric_alarm(
        **slow.request(STAGE), Threshold=9000.0, AlarmActions=[topic], OKActions=[topic]
    )
    assert carry_out(plan_of_alarms(cloudwatch)) == []
    assert found(cloudwatch, "function-slow")["Threshold"] == 9000
    assert carry_out(
        plan_of_alarms(cloudwatch, thresholds={"function-slow": 3000})
    ) == ["LOWER set the alarm limits-test-function-slow: 9000 -> 3000"]
    assert found(cloudwatch, "function-slow")["AlarmActions"] == [topic]


def test_an_alarm_that_looks_at_something_else_is_put_right(cloudwatch: Any) -> None:
    carry_out(plan_of_alarms(cloudwatch))
    request = next(iter(alarms(STAGE, Wanted(), region=REGION))).request(STAGE)
    cloudwatch.put_metric_alarm(
        **request | {"MetricName": "Invocations"}, Threshold=0.0
    )
    assert carry_out(plan_of_alarms(cloudwatch)) == [
        "set the alarm limits-test-function-errors, its MetricName"
    ]
    assert found(cloudwatch, "function-errors")["MetricName"] == "Errors"


def test_an_alarm_of_one_metric_in_place_of_several_is_put_right(
    cloudwatch: Any,
) -> None:
    carry_out(plan_of_alarms(cloudwatch))
    one = next(iter(alarms(STAGE, Wanted(), region=REGION))).request(STAGE)
    cloudwatch.put_metric_alarm(
        **one | {"AlarmName": "limits-test-api-5xx-share"}, Threshold=1.0
    )
    assert carry_out(plan_of_alarms(cloudwatch)) == [
        "set the alarm limits-test-api-5xx-share, its metrics"
    ]


def test_an_alarm_of_a_stage_whose_name_only_begins_the_same_is_no_alarm_of_this_one(
    cloudwatch: Any,
) -> None:
    longer = Stage("test_eu", STAGE.settings)
    carry_out(plan_alarms(longer, Wanted(), region=REGION, cloudwatch=cloudwatch))
    assert there(STAGE, cloudwatch) == []
    assert len(there(longer, cloudwatch)) == 12


def test_a_topic_is_told_of_every_alarm_and_when_it_is_over(cloudwatch: Any) -> None:
    topic = "arn:aws:sns:eu-west-1:000000000000:operators"
    carry_out(plan_of_alarms(cloudwatch))
    carry_out(plan_of_alarms(cloudwatch, topic=topic))
    for alarm in cloudwatch.describe_alarms()["MetricAlarms"]:
        assert (alarm["AlarmActions"], alarm["OKActions"]) == ([topic], [topic])


def test_the_threshold_of_an_alarm_that_there_is_not_is_refused(
    cloudwatch: Any,
) -> None:
    with pytest.raises(LookupError, match="no alarm function-fast"):
        list(plan_of_alarms(cloudwatch, thresholds={"function-fast": 1}))


# --- API Gateway -----------------------------------------------------------------------------------------------------


@pytest.fixture
def apigateway(client: Callable[[str], Any]) -> Any:
    return client("apigateway")


def make_api(apigateway: Any) -> str:
    """An API with a deployed stage `test`, as Zappa's template makes it, by its id."""
    id: str = apigateway.create_rest_api(name="limits-test")["id"]
    root = apigateway.get_resources(restApiId=id)["items"][0]["id"]
    proxy = apigateway.create_resource(
        restApiId=id, parentId=root, pathPart="{proxy+}"
    )["id"]
    for resource in (root, proxy):
        method = {"restApiId": id, "resourceId": resource, "httpMethod": "GET"}
        apigateway.put_method(**method, authorizationType="NONE")
        apigateway.put_integration(
            **method,
            type="AWS_PROXY",
            integrationHttpMethod="POST",
            uri="arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:x:live/invocations",
            credentials="arn:aws:iam::000000000000:role/limits",
        )
    apigateway.create_deployment(restApiId=id, stageName="test")
    return id


@pytest.fixture
def api_id(apigateway: Any) -> Iterator[str]:
    id = make_api(apigateway)
    yield id
    apigateway.delete_rest_api(restApiId=id)


def test_a_rate_that_nobody_names_is_left_alone(apigateway: Any, api_id: str) -> None:
    assert carry_out(
        plan_throttling(STAGE, api_id, Wanted(rate=500, burst=900), apigateway)
    )
    assert (
        carry_out(
            plan_throttling(STAGE, api_id, Wanted(rate=500, burst=900), apigateway)
        )
        == []
    )
    assert carry_out(plan_throttling(STAGE, api_id, Wanted(), apigateway)) == []
    assert carry_out(plan_throttling(STAGE, api_id, Wanted(rate=100), apigateway)) == [
        "LOWER let limits-test take so many requests a second: 500 -> 100"
    ]
    settings = apigateway.get_stage(restApiId=api_id, stageName="test")[
        "methodSettings"
    ]["*/*"]
    assert (settings["throttlingRateLimit"], settings["throttlingBurstLimit"]) == (
        100,
        900,
    )


def test_the_gateways_own_problems_have_the_services_words() -> None:
    titles = {problem.type: problem.title for problem in PROBLEMS.values()}
    ours = {type: title for type, title in TITLES.items() if type in titles}
    assert ours == {type: titles[type] for type in ours}
    assert TITLES.keys() - titles.keys() == {"internal-error", "gateway-timeout"}
    assert ANSWERS["THROTTLED"][:2] == (
        PROBLEMS[Throttled].type,
        PROBLEMS[Throttled].status,
    )


def test_every_answer_of_the_gateways_own_is_a_problem_that_any_origin_may_read(
    apigateway: Any, api_id: str
) -> None:
    assert carry_out(plan_answers(STAGE, api_id, apigateway))
    assert carry_out(plan_answers(STAGE, api_id, apigateway)) == []
    for name, (type, status, wait) in ANSWERS.items():
        found = apigateway.get_gateway_response(restApiId=api_id, responseType=name)
        body = json.loads(found["responseTemplates"]["application/json"])
        assert (body["type"], body.get("status")) == (type, status)
        headers = found["responseParameters"]
        assert (
            headers["gatewayresponse.header.Content-Type"]
            == "'application/problem+json'"
        )
        assert headers["gatewayresponse.header.Access-Control-Allow-Origin"] == "'*'"
        assert headers.get("gatewayresponse.header.Retry-After") == (
            None if wait is None else f"'{wait}'"
        )


def test_api_gateway_has_no_answer_that_is_not_a_problem() -> None:
    service = boto3.client(
        "apigateway",
        region_name=REGION,
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )
    known = service.meta.service_model.shape_for("GatewayResponseType").enum
    assert set(known) == ANSWERS.keys()


def plan_of_consumers(
    apigateway: Any, api_id: str, *consumers: Consumer
) -> Iterator[Step]:
    return plan_consumers(consumers, stage=STAGE, api_id=api_id, apigateway=apigateway)


@pytest.fixture
def without_keys(apigateway: Any) -> None:
    for plan in apigateway.get_usage_plans()["items"]:
        for key in apigateway.get_usage_plan_keys(usagePlanId=plan["id"])["items"]:
            apigateway.delete_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"])
            apigateway.delete_api_key(apiKey=key["id"])
        apigateway.delete_usage_plan(usagePlanId=plan["id"])


def usage_plan(apigateway: Any, consumer: Consumer) -> dict[str, Any]:
    (plan,) = [
        plan
        for plan in apigateway.get_usage_plans()["items"]
        if plan["name"] == f"limits-test-{consumer.name}"
    ]
    return dict(plan)


@pytest.mark.usefixtures("without_keys")
class TestConsumers:
    def test_a_consumer_gets_a_key_in_a_plan_of_its_own(
        self, apigateway: Any, api_id: str
    ) -> None:
        carry_out(plan_of_consumers(apigateway, api_id, BILLING))
        plan = usage_plan(apigateway, BILLING)
        assert plan["throttle"] == {"rateLimit": 50, "burstLimit": 100}
        assert [(stage["apiId"], stage["stage"]) for stage in plan["apiStages"]] == [
            (api_id, "test")
        ]
        (key,) = apigateway.get_usage_plan_keys(usagePlanId=plan["id"])["items"]
        assert key["name"] == "limits-test-billing"
        assert carry_out(plan_of_consumers(apigateway, api_id, BILLING)) == []

    def test_two_runs_at_once_make_one_key(self, apigateway: Any, api_id: str) -> None:
        late, early = (
            list(plan_of_consumers(apigateway, api_id, BILLING)) for _ in range(2)
        )
        for step in early:
            step.do()
        assert str(late[-1]).startswith("give billing an API key")
        with pytest.raises(Busy):
            late[-1].do()
        assert [key["name"] for key in apigateway.get_api_keys()["items"]] == [
            "limits-test-billing"
        ]
        assert carry_out(plan_of_consumers(apigateway, api_id, BILLING)) == []

    def test_a_key_is_asked_for_under_the_back_ends_routes_and_nowhere_else(
        self, apigateway: Any, api_id: str
    ) -> None:
        carry_out(plan_of_consumers(apigateway, api_id, BILLING))
        resources = apigateway.get_resources(restApiId=api_id, embed=["methods"])[
            "items"
        ]
        asked = {
            (resource["path"], name): apigateway.get_method(
                restApiId=api_id, resourceId=resource["id"], httpMethod=name
            )["apiKeyRequired"]
            for resource in resources
            for name in resource.get("resourceMethods", {})
        }
        assert asked == {
            ("/", "GET"): False,
            ("/{proxy+}", "GET"): False,
            ("/back-end/{proxy+}", "ANY"): True,
        }

    def test_a_changed_rate_changes_the_plan_and_keeps_the_key(
        self, apigateway: Any, api_id: str
    ) -> None:
        carry_out(plan_of_consumers(apigateway, api_id, BILLING))
        before = apigateway.get_usage_plan_keys(
            usagePlanId=usage_plan(apigateway, BILLING)["id"]
        )["items"]
        slower = Consumer(name="billing", rate=7.5, burst=100)
        assert carry_out(plan_of_consumers(apigateway, api_id, slower)) == [
            "LOWER let billing send so many requests a second: 50 -> 7.5"
        ]
        plan = usage_plan(apigateway, slower)
        assert plan["throttle"] == {"rateLimit": 7.5, "burstLimit": 100}
        assert apigateway.get_usage_plan_keys(usagePlanId=plan["id"])["items"] == before

    def test_a_consumer_no_longer_named_keeps_its_key(
        self, apigateway: Any, api_id: str
    ) -> None:
        carry_out(plan_of_consumers(apigateway, api_id, BILLING))
        carry_out(
            plan_of_consumers(
                apigateway, api_id, Consumer(name="support", rate=1, burst=2)
            )
        )
        assert apigateway.get_usage_plan_keys(
            usagePlanId=usage_plan(apigateway, BILLING)["id"]
        )["items"]

    def test_a_key_outlives_the_api_and_holds_for_the_next_one(
        self, apigateway: Any
    ) -> None:
        """The emulated API Gateway does not add a stage to a plan; what is asked is checked by Amazon's own model."""
        first = make_api(apigateway)
        carry_out(plan_of_consumers(apigateway, first, BILLING))
        apigateway.delete_rest_api(restApiId=first)
        second = make_api(apigateway)
        steps = list(plan_of_consumers(apigateway, second, BILLING))
        assert [str(step) for step in steps] == [
            "take calls with a key under /back-end",
            "have the key of billing hold for this API",
        ]
        plan = usage_plan(apigateway, BILLING)
        with Stubber(apigateway) as amazon:
            patch = {"op": "add", "path": "/apiStages", "value": f"{second}:test"}
            amazon.add_response(
                "update_usage_plan",
                {},
                {"usagePlanId": plan["id"], "patchOperations": [patch]},
            )
            steps[1].do()
        apigateway.delete_rest_api(restApiId=second)


# --- the web ACL -----------------------------------------------------------------------------------------------------


@pytest.fixture
def wafv2(client: Callable[[str], Any]) -> Iterator[Any]:
    wafv2 = client("wafv2")
    yield wafv2
    for acl in wafv2.list_web_acls(Scope="REGIONAL")["WebACLs"]:
        for resource in wafv2.list_resources_for_web_acl(WebACLArn=acl["ARN"])[
            "ResourceArns"
        ]:
            wafv2.disassociate_web_acl(ResourceArn=resource)
        token = wafv2.get_web_acl(Name=acl["Name"], Scope="REGIONAL", Id=acl["Id"])[
            "LockToken"
        ]
        wafv2.delete_web_acl(
            Name=acl["Name"], Scope="REGIONAL", Id=acl["Id"], LockToken=token
        )


def plan_of_acl(
    wafv2: Any, api_id: str, per_minute: int, stage: Stage = STAGE
) -> Iterator[Step]:
    return plan_web_acl(
        per_minute, stage=stage, api_id=api_id, region=REGION, wafv2=wafv2
    )


def resource(api_id: str) -> dict[str, str]:
    return {
        "ResourceArn": f"arn:aws:apigateway:{REGION}::/restapis/{api_id}/stages/test"
    }


def rules_in_front(wafv2: Any, api_id: str) -> dict[str, dict[str, Any]]:
    rules = wafv2.get_web_acl_for_resource(**resource(api_id))["WebACL"]["Rules"]
    return {rule["Name"]: rule for rule in rules}


def test_one_viewer_and_one_address_have_limits_of_their_own(
    wafv2: Any, api_id: str
) -> None:
    carry_out(plan_of_acl(wafv2, api_id, 120))
    rules = rules_in_front(wafv2, api_id)
    counted = rules["one-viewer"]["Statement"]["RateBasedStatement"]
    refusal = rules["one-viewer"]["Action"]["Block"]["CustomResponse"]
    assert (counted["Limit"], counted["EvaluationWindowSec"]) == (120, 60)
    assert [key["Header"]["Name"] for key in counted["CustomKeys"]] == ["authorization"]
    assert refusal["ResponseCode"] == 429
    headers = {header["Name"]: header["Value"] for header in refusal["ResponseHeaders"]}
    assert headers["Retry-After"] == "60"
    assert headers["Access-Control-Expose-Headers"] == "Retry-After"
    counted = rules["one-address"]["Statement"]["RateBasedStatement"]
    assert (counted["Limit"], counted["AggregateKeyType"]) == (12_000, "IP")
    assert carry_out(plan_of_acl(wafv2, api_id, 120)) == []


def test_limits_of_viewers_are_changed_in_place_and_rules_added_by_hand_stay(
    wafv2: Any, api_id: str
) -> None:
    carry_out(plan_of_acl(wafv2, api_id, 120))
    read = wafv2.get_web_acl_for_resource(**resource(api_id))["WebACL"]
    by_hand = {
        "Name": "their-office",
        "Priority": 7,
        "Statement": {"GeoMatchStatement": {"CountryCodes": ["DE"]}},
        "Action": {"Count": {}},
        "VisibilityConfig": {
            "SampledRequestsEnabled": False,
            "CloudWatchMetricsEnabled": False,
            "MetricName": "their-office",
        },
    }
    token = wafv2.get_web_acl(Name=read["Name"], Scope="REGIONAL", Id=read["Id"])[
        "LockToken"
    ]
    wafv2.update_web_acl(
        Name=read["Name"],
        Scope="REGIONAL",
        Id=read["Id"],
        LockToken=token,
        DefaultAction=read["DefaultAction"],
        Rules=[*read["Rules"], by_hand],
        VisibilityConfig=read["VisibilityConfig"],
    )
    assert carry_out(plan_of_acl(wafv2, api_id, 120)) == [], (
        "what somebody added is no drift"
    )
    (step,) = carry_out(plan_of_acl(wafv2, api_id, 60))
    assert step.startswith("LOWER")
    assert step.endswith("120 -> 60")
    rules = rules_in_front(wafv2, api_id)
    assert rules["one-viewer"]["Statement"]["RateBasedStatement"]["Limit"] == 60
    assert rules["their-office"] == by_hand
    assert len({rule["Priority"] for rule in rules.values()}) == 3


def test_limits_of_viewers_taken_from_the_api_by_hand_are_put_back(
    wafv2: Any, api_id: str
) -> None:
    carry_out(plan_of_acl(wafv2, api_id, 120))
    wafv2.disassociate_web_acl(**resource(api_id))
    assert carry_out(plan_of_acl(wafv2, api_id, 120)) == [
        "put limits-test-viewers in front of the API"
    ]


def test_a_web_acl_of_somebody_elses_is_left_in_front(wafv2: Any, api_id: str) -> None:
    carry_out(
        plan_of_acl(wafv2, api_id, 120, Stage("test", {"project_name": "theirs"}))
    )
    with pytest.raises(LookupError, match="theirs-test-viewers"):
        list(plan_of_acl(wafv2, api_id, 120))


def test_a_limit_that_waf_does_not_take_is_refused(wafv2: Any, api_id: str) -> None:
    with pytest.raises(LookupError, match="under 10"):
        list(plan_of_acl(wafv2, api_id, 9))


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
