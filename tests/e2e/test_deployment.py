"""A deployment, by the real `zappa`, to an emulated AWS, and HTTP through its API Gateway."""

import json
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from deploy.preflight import problems, stage_of
from deploy.provision import Wanted, plan
from deploy.rehearse import ACCOUNT, REGION, STAGE, Rehearsal, emulated_aws, smoke_test, whole_function_names
from tests.e2e.test_postman import newman
from tests.servers import PROJECT, is_open

pytestmark = pytest.mark.xdist_group("deployment")  # one of them, whose parts the tests share


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with emulated_aws() as url:
        yield url


@pytest.fixture(scope="module")
def rehearsal(aws: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """The stage `test`, deployed; undeployed at the end."""
    with whole_function_names(aws) as lambda_:
        rehearsal = Rehearsal(aws, lambda_, tmp_path_factory.mktemp("deployment"))
        rehearsal.deploy()
        yield rehearsal
        rehearsal.zappa("undeploy", STAGE, "-y")
        assert rehearsal.client("apigateway").get_rest_apis()["items"] == []
        assert rehearsal.client("lambda").list_functions()["Functions"] == []


def test_the_deployed_service_serves_after_an_update_and_after_a_rollback(rehearsal: Rehearsal) -> None:
    with rehearsal.api() as api:
        smoke_test(api)
        for command in (["update", STAGE], ["rollback", STAGE, "-n", "1"]):
            rehearsal.zappa(*command)
            smoke_test(api)


def allowed(rehearsal: Rehearsal) -> set[tuple[str, str]]:
    """Every action that the function's role allows, with its resource."""
    (policy,) = rehearsal.policies()
    assert all(statement["Effect"] == "Allow" for statement in policy["Statement"])
    return {
        (action, resource)
        for statement in policy["Statement"]
        for action in statement["Action"]
        for resource in statement["Resource"]
    }


def test_the_role_may_do_what_the_service_does_and_nothing_else(rehearsal: Rehearsal) -> None:
    function, table = f"stream-limits-{STAGE}", "UserStreams-test"
    logs = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/{function}:*"
    items = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}"
    itself = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"
    assert allowed(rehearsal) == {
        ("dynamodb:GetItem", items),
        ("dynamodb:UpdateItem", items),
        ("lambda:InvokeFunction", itself),
        ("lambda:InvokeFunction", f"{itself}:*"),  # its versions, and the alias that SnapStart is behind
        ("logs:CreateLogGroup", logs),
        ("logs:CreateLogStream", logs),
        ("logs:PutLogEvents", logs),
        ("xray:PutTraceSegments", "*"),
        ("xray:PutTelemetryRecords", "*"),
    }


def test_api_gateway_may_invoke_the_function_in_the_role_that_it_takes(rehearsal: Rehearsal) -> None:
    """The emulator lets everyone invoke; Amazon's answers every request with a 500 where this is not so."""
    apigateway = rehearsal.client("apigateway")
    (api,) = apigateway.get_rest_apis()["items"]
    (role,) = rehearsal.client("iam").list_roles()["Roles"]
    resources = apigateway.get_resources(restApiId=api["id"], embed=["methods"])["items"]
    integrations = [
        apigateway.get_integration(restApiId=api["id"], resourceId=resource["id"], httpMethod=method)
        for resource in resources
        for method in resource.get("resourceMethods", {})
    ]
    assert integrations
    for integration in integrations:
        assert integration["credentials"] == role["Arn"]
        function = re.fullmatch(r"arn:aws:apigateway:.*/functions/(.*)/invocations", integration["uri"])
        assert function
        assert ("lambda:InvokeFunction", function[1]) in allowed(rehearsal)


def test_a_new_account_needs_no_role_for_the_logs_of_api_gateway() -> None:
    """Amazon's refuses a stage that logs until the account has one: the first deployment would end there."""
    for name in ("test", "production"):
        assert stage_of(name)["cloudwatch_log_level"] == "OFF"


def test_the_function_is_set_up_as_the_stage_says(rehearsal: Rehearsal) -> None:
    function = rehearsal.client("lambda").get_function_configuration(FunctionName=f"stream-limits-{STAGE}")
    stage = stage_of(STAGE)
    assert function["Handler"] == "streams_project.lambda_entry.lambda_handler"
    assert (function["MemorySize"], function["Timeout"]) == (stage["memory_size"], stage["timeout_seconds"])
    assert function["Timeout"] < 29, "API Gateway gives up after 29 seconds"
    assert function["TracingConfig"]["Mode"] == "Active"
    assert "LEASE_TOKEN_KEYS" in function["Environment"]["Variables"]


@pytest.mark.node
def test_the_postman_collection_holds_for_the_deployed_service(rehearsal: Rehearsal) -> None:
    with rehearsal.api() as api:
        done = newman(str(api.base_url), key=rehearsal.api_key)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_deployment_is_watched(rehearsal: Rehearsal) -> None:
    found = rehearsal.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"stream-limits-{STAGE}-")["MetricAlarms"]
    assert {alarm["Namespace"] for alarm in found} == {"AWS/Lambda", "AWS/ApiGateway", "AWS/DynamoDB"}


def test_provisioning_again_finds_nothing_to_do(rehearsal: Rehearsal) -> None:
    assert "Everything is as it should be." in rehearsal.provision()


def test_api_gateway_throttles_with_the_services_own_problem(rehearsal: Rehearsal) -> None:
    apigateway = rehearsal.client("apigateway")
    (api,) = apigateway.get_rest_apis()["items"]
    settings = apigateway.get_stage(restApiId=api["id"], stageName=STAGE)["methodSettings"]["*/*"]
    assert (settings["throttlingRateLimit"], settings["throttlingBurstLimit"]) == (1000, 2000)
    refusal = apigateway.get_gateway_response(restApiId=api["id"], responseType="THROTTLED")
    assert refusal["statusCode"] == "429"
    assert refusal["responseParameters"]["gatewayresponse.header.Retry-After"] == "'1'"
    assert json.loads(refusal["responseTemplates"]["application/json"])["type"] == "throttled"


def test_an_operators_command_runs_in_the_deployed_stage(rehearsal: Rehearsal) -> None:
    user = f"user-{uuid.uuid4()}"
    rehearsal.zappa("manage", STAGE, f"limit set {user} 5")
    with rehearsal.api() as api:
        assert api.get(f"/users/{user}/limit").json()["limit"] == 5


def test_a_flood_is_answered_with_a_problem_that_says_how_long_to_wait(rehearsal: Rehearsal) -> None:
    """Through API Gateway, whose limits hold for every instance of the function at once."""
    rehearsal.provision("--rate", "0.01", "--burst", "3")
    try:
        with rehearsal.api() as api:
            answers = [api.get("/users/ana/streams") for _ in range(4)]
    finally:
        rehearsal.provision()
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3].headers["Content-Type"] == "application/problem+json"
    assert answers[3].headers["Retry-After"] == "1"
    assert answers[3].headers["Access-Control-Expose-Headers"] == "Retry-After"
    assert answers[3].json() == {"type": "throttled", "title": "Too many requests", "status": 429}


def test_a_plan_is_printed_and_not_carried_out(rehearsal: Rehearsal) -> None:
    said = rehearsal.run(sys.executable, "manage.py", "provision", "--dry-run", DYNAMODB_TABLE="Another")
    assert said.splitlines()[0] == "would create the table Another (on demand)"
    assert "INFO" not in said, "what the libraries do is nobody's business here"
    assert "Another" not in rehearsal.client("dynamodb").list_tables()["TableNames"]


def client(aws: str) -> Any:
    return lambda service: boto3.client(
        service, endpoint_url=aws, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test"
    )


def carry_out(aws: str, wanted: Wanted) -> list[str]:
    steps = list(plan(wanted, client(aws)))
    for step in steps:
        step.do()
    return [step.what for step in steps]


def test_the_table_is_the_models_and_kept_safe(aws: str) -> None:
    wanted = Wanted(table="Safe")
    assert carry_out(aws, wanted)
    dynamodb = client(aws)("dynamodb")
    table = dynamodb.describe_table(TableName="Safe")["Table"]
    assert table["KeySchema"] == [{"AttributeName": "user_id", "KeyType": "HASH"}]
    assert table["DeletionProtectionEnabled"]
    assert table["SSEDescription"]["SSEType"] == "KMS"
    (tag,) = dynamodb.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"]
    assert tag == {"Key": "service", "Value": "stream-limits"}
    backups = dynamodb.describe_continuous_backups(TableName="Safe")["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    ttl = dynamodb.describe_time_to_live(TableName="Safe")["TimeToLiveDescription"]
    assert (ttl["AttributeName"], ttl["TimeToLiveStatus"]) == ("ttl", "ENABLED")
    assert carry_out(aws, wanted) == []


def test_a_table_that_somebody_else_made_is_kept_as_safe_and_keeps_its_tags(aws: str) -> None:
    dynamodb = client(aws)("dynamodb")
    arn = dynamodb.create_table(
        TableName="Old",
        KeySchema=[{"AttributeName": "user_id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "user_id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        Tags=[{"Key": "team", "Value": "player"}],
    )["TableDescription"]["TableArn"]
    assert carry_out(aws, Wanted(table="Old")) == [
        "protect Old from deletion",
        "encrypt Old with the account's own key for DynamoDB",
        "tag Old with service=stream-limits",
        "let Old forget rows by their ttl",
        "keep Old recoverable to any second of the last 35 days",
    ]
    assert dynamodb.describe_table(TableName="Old")["Table"]["SSEDescription"]["SSEType"] == "KMS"
    tags = dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"team": "player", "service": "stream-limits"}
    assert carry_out(aws, Wanted(table="Old")) == []


def test_a_table_of_another_service_is_left_alone(aws: str) -> None:
    client(aws)("dynamodb").create_table(
        TableName="Theirs",
        KeySchema=[{"AttributeName": "order_id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "order_id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    with pytest.raises(LookupError, match="Theirs has another key"):
        list(plan(Wanted(table="Theirs"), client(aws)))


def test_a_live_tables_capacity_changes_and_its_rows_stay(aws: str) -> None:
    carry_out(aws, Wanted(table="Live"))
    dynamodb = client(aws)("dynamodb")
    dynamodb.put_item(TableName="Live", Item={"user_id": {"S": "ana"}})
    assert "change Live from on demand to provisioned" in carry_out(aws, Wanted(table="Live", units=20, scales=False))
    table = dynamodb.describe_table(TableName="Live")["Table"]
    assert table["ProvisionedThroughput"]["WriteCapacityUnits"] == 20
    assert carry_out(aws, Wanted(table="Live")) == [], "nobody asked for another capacity"
    assert "change Live from provisioned to on demand" in carry_out(aws, Wanted(table="Live", on_demand=True))
    assert dynamodb.scan(TableName="Live")["Count"] == 1


def test_provisioned_units_grow_as_they_are_used(aws: str) -> None:
    """The emulated AWS scales nothing; what is asked of Amazon's is checked against Amazon's own model of it."""
    carry_out(aws, Wanted(table="Scaled", units=20, scales=False))
    scaling = client(aws)("application-autoscaling")
    with Stubber(scaling) as amazon:
        amazon.add_response("describe_scalable_targets", {"ScalableTargets": []})
        for kind in ("Read", "Write"):
            target = {
                "ServiceNamespace": "dynamodb",
                "ResourceId": "table/Scaled",
                "ScalableDimension": f"dynamodb:table:{kind}CapacityUnits",
            }
            amazon.add_response("register_scalable_target", {}, target | {"MinCapacity": 20, "MaxCapacity": 200})
            amazon.add_response("put_scaling_policy", {"PolicyARN": "arn:aws:autoscaling:x", "Alarms": []})
        clients = {"dynamodb": client(aws)("dynamodb"), "application-autoscaling": scaling}
        for step in plan(Wanted(table="Scaled", units=20), clients.__getitem__):
            step.do()
        amazon.assert_no_pending_responses()


GOOD = {"LEASE_TOKEN_KEYS": "key-of-lease-tokens-0123456789abcdef", "API_KEYS": f"x:{'0' * 64}:streams:operate"}


@pytest.mark.parametrize(("status", "code"), [(403, "403"), (301, "301")], ids=["somebody else's", "elsewhere"])
def test_a_bucket_that_is_taken_stands_in_the_way(status: int, code: str) -> None:
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
    s3, sts = session.client("s3"), session.client("sts")
    with Stubber(s3) as amazon, Stubber(sts) as identity:
        identity.add_response("get_caller_identity", {"Account": ACCOUNT})
        amazon.add_client_error("head_bucket", code, http_status_code=status)
        clients = {"s3": s3, "sts": sts}
        found = list(
            problems(
                STAGE,
                stage_of(STAGE) | {"s3_bucket": "videos"},
                GOOD,
                SimpleNamespace(client=lambda name, **options: clients[name]),
            )
        )
    assert found == [
        "The bucket videos is somebody else's, or in another region: set s3_bucket to another name.",
    ]


@pytest.mark.parametrize(
    ("changes", "environment", "expected"),
    [
        ({}, GOOD, []),
        ({"aws_region": None}, GOOD, ["No region"]),
        ({"aws_region": "us-east-1"}, GOOD, ["ALLOWED_HOSTS names API Gateway of eu-west-1"]),
        ({"project_name": "x" * 64}, GOOD, ["The function would be named"]),
        ({"s3_bucket": "stream-limits-CHANGE-ME"}, GOOD, ["The bucket 'stream-limits-CHANGE-ME' is not one"]),
        ({"s3_bucket": "No_Bucket"}, GOOD, ["The bucket 'No_Bucket' is not one"]),
        ({}, {}, ["The service would not start: No authentication is configured"]),
        ({}, {"API_KEYS": GOOD["API_KEYS"]}, ["The service would not start: LEASE_TOKEN_KEYS must hold"]),
    ],
    ids=[
        "ready",
        "no region",
        "hosts elsewhere",
        "name too long",
        "bucket not named",
        "bad bucket",
        "no authentication",
        "no secret",
    ],
)
def test_what_stands_in_the_way_of_a_deployment_is_named(
    aws: str, changes: dict[str, Any], environment: dict[str, str], expected: list[str]
) -> None:
    stage = stage_of(STAGE) | {"s3_bucket": "stream-limits", "aws_endpoint_urls": {"sts": aws, "s3": aws}} | changes
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
    found = list(problems(STAGE, stage, environment, session))
    assert [line for line in found if not any(start in line for start in expected)] == []
    assert len(found) == len(expected)


def test_the_emulated_aws_ends_with_a_rehearsal_that_is_killed() -> None:
    script = (
        "import os, signal\nfrom deploy.rehearse import emulated_aws\n"
        "with emulated_aws('sts') as url:\n    print(url, flush=True)\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False
    )
    url, deadline = killed.stdout.strip(), time.monotonic() + 30
    assert url
    while is_open(url):
        assert time.monotonic() < deadline, "an orphan runs on"


def without_credentials(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=PROJECT,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_preflight_without_credentials_says_what_to_set(tmp_path: Path) -> None:
    done = without_credentials(tmp_path, "preflight", "production")
    assert done.returncode != 0
    assert "No AWS credentials that work" in done.stderr
    assert "CHANGE-ME" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [("--dry-run",), ("--stage", "production")], ids=["a plan", "a stage"])
def test_provision_without_credentials_says_what_to_set(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = without_credentials(tmp_path, "provision", *words)
    assert done.returncode != 0
    assert "Check AWS_PROFILE" in done.stderr
    assert "Traceback" not in done.stderr


def test_production_is_resumed_from_a_snapshot_and_kept_warm_by_nothing_else() -> None:
    stage = stage_of("production")
    assert (stage["snap_start"], stage["architecture"]) == ("PublishedVersions", "arm64")
    assert stage["keep_warm"] is False
    assert stage.get("provisioned_concurrency") is None, "Lambda takes one of the two"


def test_every_stage_keeps_its_secrets_out_of_the_repository() -> None:
    settings = json.loads((PROJECT / "zappa_settings.json").read_text())
    for stage in settings.values():
        assert not {"LEASE_TOKEN_KEYS", "AUTH_JWT_SECRETS", "API_KEYS"} & stage.get("environment_variables", {}).keys()
