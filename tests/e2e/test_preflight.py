"""Preflight: the problems of a deployment, found before anything changes in AWS."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from deploy.infrastructure.back_ends import PREFIX
from deploy.rehearsal.emulator import emulated_aws
from deploy.releases.environment import merged_environment
from deploy.releases.preflight import Client, reserved_segments, stage_problems
from stages import Stage, stage_of
from tests.servers import PROJECT, free_port

ACCOUNT = "000000000000"
REGION = "eu-west-1"
KEY = "Zq3xW8vRt5YmKp2LhN7cBd4FgJs6TuAe"
GOOD = {"LEASE_TOKEN_KEYS": KEY, "API_KEYS": f"x:{'0' * 64}:streams:operate"}
VARIABLES = stage_of("test").environment


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Yield clients of an account without problems."""
    with emulated_aws("s3", "ssm", "sts") as url:
        session = session_of_tests()

        def client(service: str) -> Any:
            return session.client(service, endpoint_url=url)

        yield client


def session_of_tests() -> boto3.Session:
    return boto3.Session(
        aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION
    )


def a_stage(name: str = "test", **changes: Any) -> Stage:
    """Return the stage `test` with changes."""
    settings = dict(stage_of("test").settings)
    return Stage(name, settings | {"s3_bucket": "stream-limits"} | changes)


def a_stage_with_variables(**variables: Any) -> Stage:
    return a_stage(environment_variables={**VARIABLES, **variables})


def a_stage_named(name: str) -> Stage:
    """Return a stage with this name and its own table."""
    return a_stage(name, environment_variables={**VARIABLES, "DYNAMODB_TABLE": "Own"})


def problems(
    stage: Stage, client: Client, variables: dict[str, str] = GOOD
) -> list[str]:
    environment = merged_environment(stage, remote={}, shell=variables)
    return list(stage_problems(stage, environment, client))


@pytest.mark.parametrize(
    "stage",
    [
        pytest.param(a_stage(), id="the stage test"),
        pytest.param(a_stage_named("EU_prod"), id="capitals and an underscore"),
    ],
)
def test_a_valid_stage_has_no_problems(stage: Stage, client: Client) -> None:
    assert problems(stage, client) == []


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        pytest.param(a_stage(aws_region=None), "No region", id="no region"),
        pytest.param(
            a_stage(project_name=None), "The project is named None", id="no project"
        ),
        pytest.param(
            a_stage(project_name="2limits"),
            "The project is named '2limits'",
            id="a digit first",
        ),
        pytest.param(
            a_stage(project_name="x" * 50),
            "The role would be named",
            id="a long project",
        ),
        pytest.param(
            a_stage_named("x" * 41), "The role would be named", id="a long stage"
        ),
        pytest.param(
            a_stage(s3_bucket="a-CHANGE-ME"),
            "The bucket 'a-CHANGE-ME' is not one",
            id="the bucket of the template",
        ),
        pytest.param(
            a_stage(s3_bucket="No_Bucket"),
            "The bucket 'No_Bucket' is not one",
            id="an invalid bucket",
        ),
        pytest.param(
            a_stage_with_variables(DYNAMODB_TABLE=""), "names no table", id="no table"
        ),
        pytest.param(
            a_stage_with_variables(DYNAMODB_TABLE="UserStreams"),
            "works on the table UserStreams of the stage production",
            id="the table of another stage",
        ),
        pytest.param(
            a_stage_named("TEST"),
            "which the stage test is",
            id="the function of another stage",
        ),
    ],
)
def test_an_invalid_name_is_a_problem(
    stage: Stage, message: str, client: Client
) -> None:
    assert_one_problem(stage, message, client)


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        pytest.param(
            a_stage_named("u"), "begins the route /users", id="a first letter"
        ),
        pytest.param(
            a_stage_named("h"), "begins the route /healthz", id="another first letter"
        ),
        pytest.param(a_stage_named("docs"), "begins the route /docs", id="a page"),
        pytest.param(
            a_stage_named("plans"), "begins the route /plans", id="the plans' route"
        ),
        pytest.param(
            a_stage_named("static"), "begins the route /static", id="static files"
        ),
        pytest.param(
            a_stage_named("b"), "begins the route /back-end", id="back ends' route"
        ),
        pytest.param(
            a_stage(base_path="users"), "is the route /users", id="a base path"
        ),
    ],
)
def test_a_name_that_a_path_could_confuse_with_a_route_is_a_problem(
    stage: Stage, message: str, client: Client
) -> None:
    assert_one_problem(stage, message, client)


def test_the_reserved_segments_are_those_of_the_routes_and_of_api_gateway() -> None:
    pages = {"console", "docs", "openapi.json", "static"}
    calls = {"users", "me", "plans", "healthz", "readyz", "cmcd", ".well-known"}

    assert set(reserved_segments()) == {*pages, *calls, PREFIX}


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        pytest.param(
            a_stage(environment_variables={"STREAM_LIMIT": 5}),
            "STREAM_LIMIT in quotes",
            id="a number",
        ),
        pytest.param(
            a_stage(aws_environment_variables={"X": True}), "X in quotes", id="true"
        ),
        pytest.param(
            a_stage(environment_variables=None),
            "environment_variables is None",
            id="no variables",
        ),
    ],
)
def test_a_variable_that_is_not_text_is_a_problem(
    stage: Stage, message: str, client: Client
) -> None:
    assert_one_problem(stage, message, client)


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        pytest.param(
            a_stage(aws_region="us-east-1"),
            "names API Gateway of eu-west-1",
            id="hosts of another region",
        ),
        pytest.param(
            a_stage(remote_env="s3://x/y"), "past every check", id="variables in S3"
        ),
        pytest.param(a_stage(callbacks={}), "Without its callbacks", id="no callbacks"),
        pytest.param(
            a_stage(manage_roles=True), "would rewrite the role", id="Zappa's role"
        ),
        pytest.param(
            a_stage(extra_permissions=[{}]),
            "set managed_policies",
            id="extra permissions",
        ),
        pytest.param(
            a_stage(api_key_required=True),
            "would refuse players",
            id="an API key for everyone",
        ),
        pytest.param(
            a_stage(apigateway_lambda_qualifier=None),
            "must invoke the alias",
            id="no alias",
        ),
        pytest.param(
            a_stage(function_url_enabled=True),
            "goes past the alias",
            id="a function URL",
        ),
        pytest.param(
            a_stage(apigateway_version="v2"), "use a REST API", id="an HTTP API"
        ),
        pytest.param(
            a_stage(touch=True), "before the alias exists", id="a call by Zappa"
        ),
    ],
)
def test_a_setting_that_bypasses_the_checks_is_a_problem(
    stage: Stage, message: str, client: Client
) -> None:
    assert_one_problem(stage, message, client)


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        pytest.param(
            a_stage(runtime="python3.99"),
            "no python3.99 is on the PATH",
            id="another Python",
        ),
        pytest.param(
            a_stage(architecture="mips"), "is none of Lambda's", id="architecture"
        ),
        pytest.param(
            a_stage_with_variables(LEASE_SECONDS="2"),
            "LEASE_SECONDS is '2'",
            id="an invalid setting",
        ),
    ],
)
def test_a_package_that_would_not_start_is_a_problem(
    stage: Stage, message: str, client: Client
) -> None:
    assert_one_problem(stage, message, client)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        pytest.param(
            {"LEASE_TOKEN_KEYS": KEY},
            "Authentication is not configured",
            id="no authentication",
        ),
        pytest.param(
            {"API_KEYS": GOOD["API_KEYS"]},
            "LEASE_TOKEN_KEYS is not set",
            id="no token key",
        ),
        pytest.param(
            GOOD | {"LEASE_TOKEN_KEYS": "ssm:/none"},
            "cannot be read",
            id="no such parameter",
        ),
    ],
)
def test_a_missing_secret_is_a_problem(
    variables: dict[str, str], message: str, client: Client
) -> None:
    assert_one_problem(a_stage(), message, client, variables)


def assert_one_problem(
    stage: Stage,
    message: str,
    client: Client,
    variables: dict[str, str] = GOOD,
) -> None:
    (problem,) = problems(stage, client, variables)
    assert message in problem


def test_keys_of_an_issuer_that_cannot_be_read_are_a_problem_without_an_operator(
    client: Client,
) -> None:
    viewers = {
        "LEASE_TOKEN_KEYS": KEY,
        "AUTH_JWKS": f"https://127.0.0.1:{free_port()}/jwks.json",
        "AUTH_ISSUER": "https://id.example/",
        "AUTH_AUDIENCE": "streams",
    }

    assert_one_problem(
        a_stage(), "Neither a viewer nor an operator could", client, viewers
    )
    assert problems(a_stage(), client, GOOD | viewers) == []


def test_a_reference_is_judged_by_its_secret(client: Client) -> None:
    ssm = client("ssm")
    for name, value in (("/good", KEY), ("/bad", "short")):
        ssm.put_parameter(Name=name, Value=value, Type="SecureString")
    good = GOOD | {"LEASE_TOKEN_KEYS": "ssm:/good"}
    bad = GOOD | {"LEASE_TOKEN_KEYS": "ssm:/bad"}

    assert problems(a_stage(), client, good) == []
    assert len(problems(a_stage(), client, bad)) >= 1


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "403"), (301, "301")],
    ids=["of another account", "in another region"],
)
def test_the_bucket_of_another_account_or_region_is_a_problem(
    status: int, code: str
) -> None:
    s3, sts = session_of_tests().client("s3"), session_of_tests().client("sts")
    with Stubber(s3) as s3_stub, Stubber(sts) as sts_stub:
        sts_stub.add_response("get_caller_identity", {"Account": ACCOUNT})
        s3_stub.add_client_error("head_bucket", code, http_status_code=status)
        clients = {"s3": s3, "sts": sts}
        observed = problems(a_stage(s3_bucket="videos"), clients.__getitem__)

    assert observed == [
        "The bucket videos belongs to another account or region: set s3_bucket to "
        "another name.",
    ]


def test_without_credentials_the_command_says_how_to_set_them(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "manage.py", "preflight", "production"],
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

    assert result.returncode != 0
    assert "No AWS credentials that work" in result.stderr
    assert "CHANGE-ME" in result.stderr
    assert "Traceback" not in result.stderr
