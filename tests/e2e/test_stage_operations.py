"""With `--stage`, an operator's command runs in the stage and is logged there."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from django.core.management import CommandError, call_command

from deploy.rehearsal.emulator import emulated_aws
from stages import Stage
from stages.operations import run_in
from streams_project import operations
from tests import lambda_events  # noqa: F401  # it makes lambda_entry importable
from tests.e2e.emulated_lambda import DeployedFunction, lambda_client
from tests.viewer import Viewer

from streams_project.lambda_entry import lambda_handler  # isort: skip

CALLER = "arn:aws:iam::000000000000:root"
STAGE = Stage("test", {"project_name": "limits", "aws_region": "eu-west-1"})

ECHO = """
import json

def handler(event, context):
    kind = event["operation"]["action"]
    if kind == "raises":
        raise ValueError("no table")
    return {"output": json.dumps(event["operation"]), "error": None} if kind else {}
"""


@pytest.fixture(scope="module")
def sts() -> Iterator[str]:
    """Yield the URL of an emulated Security Token Service."""
    with emulated_aws("sts") as url:
        yield url


class FunctionInThisProcess:
    """The stage's function, which receives events as Lambda sends them."""

    def __init__(self) -> None:
        self.qualifiers: list[str] = []

    def invoke(self, *, FunctionName: str, Qualifier: str, Payload: bytes) -> Any:  # noqa: N803
        assert FunctionName == STAGE.function
        self.qualifiers.append(Qualifier)
        result = lambda_handler(json.loads(Payload), None)
        return {"Payload": io.BytesIO(json.dumps(result).encode())}


def session() -> boto3.Session:
    return boto3.Session("test", "test", region_name="eu-west-1")


@pytest.fixture
def function(sts: str, monkeypatch: pytest.MonkeyPatch) -> FunctionInThisProcess:
    """Set up a stage whose function runs in this process."""
    function = FunctionInThisProcess()

    def client(stage: Stage, service: str, config: Any = None) -> Any:
        is_function = service == "lambda"
        return function if is_function else session().client(service)

    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts)
    monkeypatch.setenv("LOGNAME", "somebody-else")
    monkeypatch.setattr(Stage, "client", client)
    monkeypatch.setattr("stages.management.operator_command.stage_of", lambda _: STAGE)
    return function


def manage(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, "--stage", "test", stdout=out)
    return out.getvalue()


def audited(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [record.audit for record in caplog.records if record.name == "streams.audit"]  # type: ignore[attr-defined]


@pytest.mark.usefixtures("function")
def test_the_stage_logs_the_command_and_the_caller_that_aws_verified(
    viewer: Viewer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "streams.audit")
    viewer.started("456", deviceId="tv")

    answer = manage("streams", "end", viewer.user_id, "tv", "--yes")

    [line] = audited(caplog)
    assert answer == f"The stream tv of {viewer.user_id} has ended.\n"
    assert line["action"] == "stream.stop"
    assert line["by"] == f"command {CALLER}"
    assert viewer.list()["active"] == 0


def test_the_version_with_the_traffic_runs_the_command(
    function: FunctionInThisProcess,
    viewer: Viewer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    viewer.started("456", deviceId="tv")
    body = json.loads(manage("streams", "list", viewer.user_id, "--json"))

    assert [stream["id"] for stream in body["streams"]] == ["tv"]
    assert function.qualifiers == ["live"]
    where = f"Stage test, limits-test in eu-west-1, as {CALLER}\n"
    assert capsys.readouterr().err.startswith(where)


@pytest.mark.usefixtures("function")
def test_options_and_files_reach_the_stage(viewer: Viewer, tmp_path: Path) -> None:
    viewer.started("film", deviceId="tv")
    plans = tmp_path / "plans.toml"
    plans.write_text("[default]\nlimit = 2\n")
    user = viewer.user_id

    manage("limit", "set", user, "5", "--when-full", "evict-oldest")
    tried = manage("plans", "try", str(plans), "--user", user, "--json")
    cleared = manage("streams", "clear", user, "--except", "tv", "--yes", "--json")

    limit = json.loads(manage("limit", "show", user, "--json"))
    assert (limit["limit"], limit["whenFull"]) == (5, "evict-oldest")
    assert json.loads(tried)["plays"] == ["tv"]
    assert json.loads(cleared) == {"ended": []}


@pytest.mark.usefixtures("function")
def test_a_refusal_in_the_stage_is_one_at_the_terminal(user_id: str) -> None:
    with pytest.raises(
        CommandError, match=r"List the live streams: manage\.py streams"
    ):
        manage("streams", "end", user_id, "tv", "--yes")
    with pytest.raises(CommandError, match=r"^A file cannot be read: "):
        manage("plans", "try", "/no/such/file", "--user", user_id)


def test_a_command_that_ends_streams_asks_before_it_invokes_the_stage(
    function: FunctionInThisProcess, user_id: str
) -> None:
    with pytest.raises(CommandError, match=r"Confirm it with --yes\.$"):
        manage("streams", "clear", user_id)
    assert function.qualifiers == []


OPERATION: operations.Operation = {
    "command": "streams",
    "action": "list",
    "options": {"user_id": "ana", "is_json": True},
    "files": {},
    "identity": "Action=GetCallerIdentity&Version=2011-06-15",
}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"identity": "Action=AssumeRole"}, "does not contain the caller's identity"),
        ({"identity": ""}, "does not contain the caller's identity"),
        ({"command": "shell"}, "does not know this command"),
        ({"action": "handle"}, "does not know this action"),
    ],
    ids=["another action", "no identity", "another command", "a method"],
)
@pytest.mark.usefixtures("function")
def test_the_stage_refuses_other_events(changes: Any, error: str) -> None:
    signed = session().client("sts").generate_presigned_url("get_caller_identity")
    operation: Any = {**OPERATION, "identity": urlsplit(signed).query, **changes}
    result = operations.run(operation)
    assert result["output"] == ""
    assert result["error"]
    assert error in result["error"]


@pytest.mark.parametrize(
    ("status", "body"),
    [("403 Forbidden", b"<Error/>"), ("200 OK", b"<html>")],
    ids=["an expired signature", "another service"],
)
def test_a_caller_whom_aws_does_not_verify_is_refused(
    monkeypatch: pytest.MonkeyPatch, status: str, body: bytes
) -> None:
    from tests.wsgi_servers import serving

    def service(environ: Any, start_response: Any) -> list[bytes]:
        start_response(status, [("Content-Type", "text/xml")])
        return [body]

    monkeypatch.setattr(operations, "IDENTITY_SECONDS", 60)
    with serving(service) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        result = operations.run(OPERATION)
    assert result["error"]
    assert "AWS does not confirm the caller's identity" in result["error"]


def test_the_emulated_lambda_receives_the_operation(sts: str, tmp_path: Path) -> None:
    with lambda_client(tmp_path) as client, pytest.MonkeyPatch.context() as patch:
        function = DeployedFunction(client, ECHO)
        function.release()
        signer = session().client("sts", endpoint_url=sts)
        clients = {"lambda": client, "sts": signer}
        patch.setattr(Stage, "client", lambda _, service, config=None: clients[service])
        options = {"user_id": "ana", "id": None, "act": print}

        result = run_in(
            function.stage, command="streams", action="list", options=options
        )
        received = json.loads(result.output)
        assert received["options"] == {"user_id": "ana", "id": None}
        assert received["identity"].startswith("Action=GetCallerIdentity&")

        with pytest.raises(CommandError, match="failed: no table"):
            run_in(function.stage, command="limit", action="raises", options={})
        with pytest.raises(CommandError, match="is older than this command"):
            run_in(function.stage, command="limit", action="", options={})
