"""A deployment, by the real `zappa`, to an emulated AWS, and HTTP through its API Gateway."""

import json
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace

import pytest

from deploy.acts import ACTS
from deploy.emulator import emulated_aws
from deploy.rehearse import ACCOUNT, REGION, STAGE, Rehearsal
from deploy.releases.deployment import keep_reserved_concurrency
from stages import stage_of
from tests.e2e.test_postman import newman
from tests.servers import PROJECT, is_open


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with emulated_aws() as url:
        yield url


@pytest.fixture(scope="module")
def rehearsal(
    aws: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rehearsal]:
    """The stage `production`, deployed by the first act of the rehearsal; the last but one undeploys it, and `make
    rehearse` alone deploys it anew, which takes as long as the first time."""
    rehearsal = Rehearsal(aws, tmp_path_factory.mktemp("deployment"))
    first, *_, undeploy, _ = ACTS
    first(rehearsal)
    yield rehearsal
    undeploy(rehearsal)


@pytest.mark.parametrize("act", ACTS[1:-2], ids=lambda act: act.__name__)
def test_the_rehearsal_holds(
    rehearsal: Rehearsal, act: Callable[[Rehearsal], None]
) -> None:
    """In their order, each on what the one before has left."""
    act(rehearsal)


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


def test_the_role_may_do_what_the_service_does_and_nothing_else(
    rehearsal: Rehearsal,
) -> None:
    function, table = f"stream-limits-{STAGE}", "UserStreams"
    log = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/{function}"
    items = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}"
    itself = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"
    assert allowed(rehearsal) == {
        ("dynamodb:DeleteItem", items),
        ("dynamodb:GetItem", items),
        ("dynamodb:UpdateItem", items),
        ("lambda:InvokeFunction", itself),
        (
            "lambda:InvokeFunction",
            f"{itself}:*",
        ),  # its versions, and the alias that SnapStart is behind
        *(
            (f"logs:{action}", resource)
            for action in ("CreateLogGroup", "CreateLogStream", "PutLogEvents")
            for resource in (log, f"{log}:*")
        ),
        ("xray:PutTraceSegments", "*"),
        ("xray:PutTelemetryRecords", "*"),
    }


def test_api_gateway_may_invoke_the_function_in_the_role_that_it_takes(
    rehearsal: Rehearsal,
) -> None:
    """The emulator lets everyone invoke; Amazon's answers every request with a 500 where this is not so."""
    apigateway = rehearsal.client("apigateway")
    (api,) = apigateway.get_rest_apis()["items"]
    (role,) = rehearsal.client("iam").list_roles()["Roles"]
    resources = apigateway.get_resources(restApiId=api["id"], embed=["methods"])[
        "items"
    ]
    integrations = [
        apigateway.get_integration(
            restApiId=api["id"], resourceId=resource["id"], httpMethod=method
        )
        for resource in resources
        for method in resource.get("resourceMethods", {})
    ]
    assert integrations
    for integration in integrations:
        assert integration["credentials"] == role["Arn"]
        function = re.fullmatch(
            r"arn:aws:apigateway:.*/functions/(.*)/invocations", integration["uri"]
        )
        assert function
        patterns = [
            resource
            for action, resource in allowed(rehearsal)
            if action == "lambda:InvokeFunction"
        ]
        assert any(fnmatch(function[1], pattern) for pattern in patterns)


def test_a_new_account_needs_no_role_for_the_logs_of_api_gateway() -> None:
    """Amazon's refuses a stage that logs until the account has one: the first deployment would end there."""
    for name in ("test", "production"):
        assert stage_of(name).settings["cloudwatch_log_level"] == "OFF"


def test_the_function_is_set_up_as_the_stage_says(rehearsal: Rehearsal) -> None:
    function = rehearsal.client("lambda").get_function_configuration(
        FunctionName=f"stream-limits-{STAGE}"
    )
    stage = stage_of(STAGE).settings
    assert function["Handler"] == "streams_project.lambda_entry.lambda_handler"
    assert (function["MemorySize"], function["Timeout"]) == (
        stage["memory_size"],
        stage["timeout_seconds"],
    )
    assert function["Timeout"] < 29, "API Gateway gives up after 29 seconds"
    assert function["TracingConfig"]["Mode"] == (
        "Active" if stage["xray_tracing"] else "PassThrough"
    )
    assert "LEASE_TOKEN_KEYS" in function["Environment"]["Variables"]


@pytest.mark.node
def test_the_postman_collection_holds_for_the_deployed_service(
    rehearsal: Rehearsal,
) -> None:
    with rehearsal.api() as api:
        done = newman(str(api.base_url), key=rehearsal.api_key)
    assert done.returncode == 0, done.stdout + done.stderr


def test_api_gateway_throttles_with_the_services_own_problem(
    rehearsal: Rehearsal,
) -> None:
    rehearsal.provision()
    apigateway = rehearsal.client("apigateway")
    (api,) = apigateway.get_rest_apis()["items"]
    settings = apigateway.get_stage(restApiId=api["id"], stageName=STAGE)[
        "methodSettings"
    ]["*/*"]
    assert (settings["throttlingRateLimit"], settings["throttlingBurstLimit"]) == (
        1667,
        3334,
    )
    refusal = apigateway.get_gateway_response(
        restApiId=api["id"], responseType="THROTTLED"
    )
    assert refusal["statusCode"] == "429"
    assert refusal["responseParameters"]["gatewayresponse.header.Retry-After"] == "'1'"
    assert (
        json.loads(refusal["responseTemplates"]["application/json"])["type"]
        == "throttled"
    )


def test_the_traffic_goes_to_an_alias_that_only_a_checked_version_gets(
    rehearsal: Rehearsal,
) -> None:
    apigateway = rehearsal.client("apigateway")
    (api,) = apigateway.get_rest_apis()["items"]
    for resource in apigateway.get_resources(restApiId=api["id"], embed=["methods"])[
        "items"
    ]:
        for method in resource.get("resourceMethods", {}):
            to = apigateway.get_integration(
                restApiId=api["id"], resourceId=resource["id"], httpMethod=method
            )
            assert to["uri"].endswith(
                f":function:stream-limits-{STAGE}:live/invocations"
            )


def test_the_log_is_kept_for_a_while(rehearsal: Rehearsal) -> None:
    (group,) = rehearsal.client("logs").describe_log_groups(
        logGroupNamePrefix=f"/aws/lambda/stream-limits-{STAGE}"
    )["logGroups"]
    assert group["retentionInDays"] == 30


def test_a_rollback_of_zappas_is_refused_with_the_way_that_helps(
    rehearsal: Rehearsal,
) -> None:
    assert f"manage.py promote {STAGE} VERSION" in rehearsal.refused(
        "rollback", STAGE, "-n", "1"
    )


def test_what_is_deployed_is_not_deployed_again(rehearsal: Rehearsal) -> None:
    said = rehearsal.refused("deploy", STAGE)
    assert (
        f"stream-limits-{STAGE} is deployed already in {REGION}: zappa update {STAGE}."
        in said
    )


def test_what_is_packed_elsewhere_is_not_deployed(rehearsal: Rehearsal) -> None:
    assert "Only what is packed here is checked" in rehearsal.refused(
        "update", STAGE, "--zip", "some.zip"
    )


def test_an_incidents_0_of_reserved_instances_stays_at_an_update(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    function = {"FunctionName": rehearsal.stage.function}
    lambda_ = rehearsal.client("lambda")
    lambda_.put_function_concurrency(**function, ReservedConcurrentExecutions=0)
    cli = SimpleNamespace(lambda_name=rehearsal.stage.function, lambda_concurrency=100)
    keep_reserved_concurrency(cli, rehearsal.stage)
    lambda_.put_function_concurrency(**function, ReservedConcurrentExecutions=167)
    assert cli.lambda_concurrency == 0


def test_an_operators_command_runs_in_the_deployed_stage(rehearsal: Rehearsal) -> None:
    """At a local engine these commands look whether there is a table, which the role may not at Amazon's."""
    user, iam = f"user-{uuid.uuid4()}", rehearsal.client("iam")
    role = {"RoleName": rehearsal.stage.role, "PolicyName": "look"}
    look = {"Effect": "Allow", "Action": "dynamodb:DescribeTable", "Resource": "*"}
    iam.put_role_policy(
        **role,
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [look]}),
    )
    rehearsal.zappa("manage", STAGE, f"limit set {user} 5")
    iam.delete_role_policy(**role)
    with rehearsal.api() as api:
        assert api.get(f"/users/{user}/limit").json()["limit"] == 5


def test_a_flood_is_answered_with_a_problem_that_says_how_long_to_wait(
    rehearsal: Rehearsal,
) -> None:
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
    assert answers[3].json() == {
        "type": "throttled",
        "title": "Too many requests",
        "status": 429,
    }


def test_a_plan_is_shown_and_not_carried_out(rehearsal: Rehearsal) -> None:
    said = rehearsal.refused_command("provision", STAGE, "--plan", "--rate", "5")
    assert f"For this run, before deploy/wanted/{STAGE}.toml: rate" in said
    assert (
        "would LOWER let stream-limits-production take so many requests a second: 1667 -> 5"
        in said
    )
    assert "INFO" not in said, "what the libraries do is nobody's business here"
    assert "Everything is as it should be." in rehearsal.provision()


def test_who_deploys_may_read_the_secrets_that_the_documentation_names() -> None:
    texts = [
        path.read_text()
        for path in (PROJECT / "docs").iterdir()
        if path.suffix in (".md", ".yml")
    ]
    names = [
        name
        for text in texts
        for name in re.findall(r"(?:ssm|secretsmanager):/?([a-z][^\s`]+/[^\s`]*)", text)
    ]
    assert len(names) >= 3
    assert {name.partition("/")[0] for name in names} == {
        stage_of("production").function
    }


def test_the_emulated_aws_ends_with_a_rehearsal_that_is_killed() -> None:
    script = (
        "import os, signal\nfrom deploy.emulator import emulated_aws\n"
        "with emulated_aws('sts') as url:\n    print(url, flush=True)\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    url, deadline = killed.stdout.strip(), time.monotonic() + 30
    assert url
    while is_open(url):
        assert time.monotonic() < deadline, "an orphan runs on"


def without_credentials(
    tmp_path: Path, *words: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=PROJECT,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "AWS_EC2_METADATA_DISABLED": "true",
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "words", [("production", "--plan"), ("production",)], ids=["a plan", "a run"]
)
def test_provision_without_credentials_says_what_to_set(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    done = without_credentials(tmp_path, "provision", *words)
    assert done.returncode != 0
    assert "Check AWS_PROFILE" in done.stderr
    assert "Traceback" not in done.stderr
