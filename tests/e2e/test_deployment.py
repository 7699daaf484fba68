"""A deployment by the real `zappa` to an emulated AWS, and calls through its API."""

import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deploy.rehearsal.acts import INFRASTRUCTURE
from deploy.rehearsal.emulator import emulated_aws
from deploy.rehearsal.stage import ACCOUNT, REGION, STAGE, Rehearsal
from deploy.releases.deployment import keep_reserved_concurrency
from stages import stage_of
from tests.e2e.test_postman import newman
from tests.servers import PROJECT, is_open

FUNCTION = f"stream-limits-{STAGE}"


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """Yield the stage that the first act deploys. The last one undeploys it."""
    new_account, first, *_, undeploy = INFRASTRUCTURE
    with emulated_aws() as url:
        rehearsal = Rehearsal(url, tmp_path_factory.mktemp("deployment"))
        new_account(rehearsal)
        first(rehearsal)
        yield rehearsal
        undeploy(rehearsal)


@pytest.mark.parametrize("act", INFRASTRUCTURE[2:-1], ids=lambda act: act.__name__)
def test_the_rehearsal_holds(
    rehearsal: Rehearsal, act: Callable[[Rehearsal], None]
) -> None:
    """Play the acts in order, each on the state that the one before left."""
    act(rehearsal)


# --- the role -------------------------------------------------------------------------


def allowed(rehearsal: Rehearsal) -> set[tuple[str, str]]:
    """Return each action that the function's role allows, with its resource."""
    (policy,) = rehearsal.policies()
    statements = policy["Statement"]
    assert all(statement["Effect"] == "Allow" for statement in statements)
    return {
        (action, resource)
        for statement in statements
        for action in statement["Action"]
        for resource in statement["Resource"]
        if not action.startswith(("ssm:", "secretsmanager:"))
    }


def test_the_role_allows_the_actions_of_the_service_and_no_others(
    rehearsal: Rehearsal,
) -> None:
    log = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/{FUNCTION}"
    items = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/UserStreams"
    function = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{FUNCTION}"
    versions = f"{function}:*"
    assert allowed(rehearsal) == {
        ("dynamodb:DeleteItem", items),
        ("dynamodb:GetItem", items),
        ("dynamodb:UpdateItem", items),
        ("lambda:InvokeFunction", function),
        ("lambda:InvokeFunction", versions),
        ("logs:CreateLogStream", log),
        ("logs:CreateLogStream", f"{log}:*"),
        ("logs:PutLogEvents", log),
        ("logs:PutLogEvents", f"{log}:*"),
        ("xray:PutTraceSegments", "*"),
        ("xray:PutTelemetryRecords", "*"),
    }


def integrations(rehearsal: Rehearsal) -> list[dict[str, Any]]:
    """Return the integration of each method of the API."""
    apigateway, api_id = rehearsal.client("apigateway"), rehearsal.api_id
    resources = apigateway.get_resources(restApiId=api_id, embed=["methods"])["items"]
    found = [
        apigateway.get_integration(
            restApiId=api_id, resourceId=resource["id"], httpMethod=method
        )
        for resource in resources
        for method in resource.get("resourceMethods", {})
    ]
    assert found
    return found


def test_api_gateway_may_invoke_the_function_in_its_role(rehearsal: Rehearsal) -> None:
    """The emulator lets each caller invoke. Amazon's would answer 500."""
    role = rehearsal.client("iam").get_role(RoleName=rehearsal.stage.role)["Role"]
    patterns = [
        resource
        for action, resource in allowed(rehearsal)
        if action == "lambda:InvokeFunction"
    ]
    uri = r"arn:aws:apigateway:.*/functions/(.*)/invocations"
    for integration in integrations(rehearsal):
        assert integration["credentials"] == role["Arn"]
        function = re.fullmatch(uri, integration["uri"])
        assert function
        assert any(fnmatch(function[1], pattern) for pattern in patterns)


def test_the_traffic_goes_to_the_alias(rehearsal: Rehearsal) -> None:
    for integration in integrations(rehearsal):
        assert integration["uri"].endswith(f":function:{FUNCTION}:live/invocations")


# --- the function ---------------------------------------------------------------------


def test_a_new_account_needs_no_role_for_the_logs_of_api_gateway() -> None:
    """Amazon's refuses a stage with logs until the account has such a role."""
    for name in ("test", "production"):
        assert stage_of(name).settings["cloudwatch_log_level"] == "OFF"


def test_zappa_writes_no_role() -> None:
    for name in ("test", "production"):
        assert stage_of(name).settings["manage_roles"] is False


def test_the_function_has_the_settings_of_the_stage(rehearsal: Rehearsal) -> None:
    function = rehearsal.client("lambda").get_function_configuration(
        FunctionName=FUNCTION
    )
    settings = stage_of(STAGE).settings
    assert function["Handler"] == "streams_project.lambda_entry.lambda_handler"
    assert function["MemorySize"] == settings["memory_size"]
    assert function["Timeout"] == settings["timeout_seconds"]
    assert function["Timeout"] < 29, "API Gateway gives up after 29 seconds"

    tracing = "Active" if settings["xray_tracing"] else "PassThrough"
    assert function["TracingConfig"]["Mode"] == tracing
    assert "LEASE_TOKEN_KEYS" in function["Environment"]["Variables"]


def test_an_incidents_reservation_of_0_survives_an_update(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    client = rehearsal.client("lambda")

    def reserve(instances: int) -> None:
        client.put_function_concurrency(
            FunctionName=FUNCTION, ReservedConcurrentExecutions=instances
        )

    reserve(0)
    cli = SimpleNamespace(lambda_name=FUNCTION, lambda_concurrency=100)
    keep_reserved_concurrency(cli, rehearsal.stage)
    reserve(167)
    assert cli.lambda_concurrency == 0


# --- API Gateway ----------------------------------------------------------------------


@pytest.mark.node
def test_the_postman_collection_holds_for_the_deployed_service(
    rehearsal: Rehearsal,
) -> None:
    with rehearsal.api() as api:
        done = newman(str(api.base_url), key=rehearsal.api_key)
    assert done.returncode == 0, done.stdout + done.stderr


CAPACITY = ("rate", "burst", "max_write_units", "concurrency")


def restore_capacity(rehearsal: Rehearsal) -> None:
    """Confirm each reduction. The acts used shorter leases, which need higher rates."""
    rehearsal.provision(*[word for key in CAPACITY for word in ("--lower", key)])


def test_api_gateway_throttles_at_the_rate_that_the_viewers_imply(
    rehearsal: Rehearsal,
) -> None:
    restore_capacity(rehearsal)
    apigateway, api_id = rehearsal.client("apigateway"), rehearsal.api_id
    stage = apigateway.get_stage(restApiId=api_id, stageName=STAGE)
    limits = stage["methodSettings"]["*/*"]
    assert limits["throttlingRateLimit"] == 1667
    assert limits["throttlingBurstLimit"] == 3334


def test_a_flood_gets_a_problem_with_the_time_to_wait(rehearsal: Rehearsal) -> None:
    """API Gateway's limits hold for all instances of the function together."""
    lower = ("--lower", "rate", "--lower", "burst")
    rehearsal.provision("--rate", "0.01", "--burst", "3", *lower)
    try:
        with rehearsal.api() as api:
            answers = [api.get("/users/ana/streams") for _ in range(4)]
    finally:
        restore_capacity(rehearsal)

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    headers = answers[3].headers
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["Retry-After"] == "1"
    assert headers["Access-Control-Expose-Headers"] == "Retry-After"
    assert answers[3].json() == {
        "type": "throttled",
        "title": "Too many requests. Retry after the time in Retry-After.",
        "status": 429,
    }


# --- commands -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(
            ("rollback", STAGE, "-n", "1"),
            f"manage.py promote {STAGE} VERSION",
            id="a rollback",
        ),
        pytest.param(
            ("deploy", STAGE),
            f"{FUNCTION} is deployed already in {REGION}: zappa update {STAGE}.",
            id="a second deploy",
        ),
        pytest.param(
            ("update", STAGE, "--zip", "some.zip"),
            "Only what is packed here is checked",
            id="another package",
        ),
    ],
)
def test_a_command_of_zappa_that_would_do_harm_is_refused(
    rehearsal: Rehearsal, words: tuple[str, ...], message: str
) -> None:
    assert message in rehearsal.refused(*words)


def test_an_operators_command_runs_in_the_deployed_stage(rehearsal: Rehearsal) -> None:
    user = f"user-{uuid.uuid4()}"
    rehearsal.manage_in_stage(f"limit set {user} 5")

    with rehearsal.api() as api:
        assert api.get(f"/users/{user}/limit").json()["limit"] == 5


def test_the_changes_are_shown_and_not_applied(rehearsal: Rehearsal) -> None:
    restore_capacity(rehearsal)
    output = rehearsal.refused_command("provision", STAGE, "--plan", "--rate", "5")
    assert f"For this run, instead of deploy/wanted/{STAGE}.toml: rate" in output
    assert "would LOWER rate: 1667 -> 5" in output
    assert "INFO" not in output, "libraries write no log here"
    assert rehearsal.provision().strip() == "The stage matches its file."


def test_provision_asks_before_it_applies_changes(rehearsal: Rehearsal) -> None:
    restore_capacity(rehearsal)
    output = rehearsal.refused_command("provision", STAGE, "--rate", "2000")
    assert "rate: 1667 -> 2000" in output
    assert "--yes applies the changes. No change was made." in output
    assert rehearsal.provision().strip() == "The stage matches its file."


def test_the_documentation_names_secrets_that_the_deployer_may_read() -> None:
    pages = [
        path for path in (PROJECT / "docs").iterdir() if path.suffix in (".md", ".yml")
    ]
    reference = r"(?:ssm|secretsmanager):/?([a-z][^\s`]+/[^\s`]*)"
    names = [name for page in pages for name in re.findall(reference, page.read_text())]
    assert len(names) >= 3
    assert {name.partition("/")[0] for name in names} == {FUNCTION}


def test_the_emulator_ends_with_a_rehearsal_that_is_killed() -> None:
    script = (
        "import os, signal\n"
        "from deploy.rehearsal.emulator import emulated_aws\n"
        "with emulated_aws('sts') as url:\n"
        "    print(url, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    url = killed.stdout.strip()
    deadline = time.monotonic() + 30
    assert url
    while is_open(url):
        assert time.monotonic() < deadline, "an orphan runs on"


@pytest.mark.parametrize(
    "words", [("production", "--plan"), ("production",)], ids=["changes", "a run"]
)
def test_provision_without_credentials_names_the_variables(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "provision", *words],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "Check AWS_PROFILE" in done.stderr
    assert "Traceback" not in done.stderr
