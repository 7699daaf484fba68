"""The commands of `verify`: their output, exit status and arguments."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from django.core.management import CommandError, call_command

from deploy.verify import DeployedService, main
from tests.e2e.faulty_service import ADMIN_KEY, Fault, lists_no_holders, no_fault
from tests.e2e.test_verify import authentication as authentication
from tests.e2e.test_verify import deployed
from tests.servers import PROJECT, free_port

NO_NUMBERS = ["nan", "inf", "-1", "0", "1e999", "soon"]
SLOW = ("--slow-ms", "60000")

type Deploy = Callable[[Fault], AbstractContextManager[DeployedService]]


@pytest.fixture
def deploy(monkeypatch: pytest.MonkeyPatch) -> Deploy:
    return lambda fault: deployed(monkeypatch, fault)


def test_the_command_prints_a_table_and_succeeds(
    deploy: Deploy, capsys: pytest.CaptureFixture[str]
) -> None:
    with deploy(no_fault) as service:
        status = main([service.url, "--api-key", ADMIN_KEY, *SLOW])

    output = capsys.readouterr().out
    assert status == 0
    assert (
        "yes of many starts at once exactly as many as the limit are admitted "
        "(16 at once: 3 × 201"
    ) in output
    assert (
        "-   a crashed player's slot is free when its lease has ended: leases last "
        "60 s: --patience 61"
    ) in output
    assert output.endswith(f"{service.url}: 17 hold; 2 skipped.\n")


def test_the_command_prints_json_and_fails_with_a_failed_check(
    deploy: Deploy, capsys: pytest.CaptureFixture[str]
) -> None:
    with deploy(lists_no_holders) as service:
        status = main([service.url, "--api-key", ADMIN_KEY, *SLOW, "--json"])

    body = json.loads(capsys.readouterr().out)
    failed = [check["name"] for check in body["checks"] if check["outcome"] == "failed"]
    assert status == 1
    assert body["holds"] is False
    assert failed == ["denial"]
    assert body["latencyMs"]["start"]["count"] > 16


def test_the_management_command_explains_a_failed_check(
    deploy: Deploy,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("VERIFY_API_KEY", ADMIN_KEY)
    with (
        deploy(lists_no_holders) as service,
        pytest.raises(CommandError, match="Not every check passed"),
    ):
        call_command("verify", service.url, *SLOW)

    output = capsys.readouterr().out
    assert (
        "NO  a denial lists who holds the slots, and says when to try again: it lists "
        "no holder"
    ) in output
    assert "look at: a proxy that rewrites 4xx answers" in output


def test_the_command_needs_neither_django_nor_environment_variables() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    script = (
        "import runpy, sys\n"
        "sys.modules.update(dict.fromkeys(('django', 'boto3', 'pynamodb')))\n"
        f"sys.argv[1:] = [{url!r}]\n"
        "runpy.run_module('deploy.verify', run_name='__main__')\n"
    )

    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert result.returncode == 1, result.stderr
    assert result.stdout.startswith(
        "NO  it answers, and so does its store: no answer: "
    ), result.stdout + result.stderr


@pytest.mark.parametrize(
    "url", ["streams.example.com", "ftp://streams.example.com", "https://"]
)
def test_an_argument_that_is_not_a_url_is_refused(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([url])

    error = capsys.readouterr().err
    assert "is not a URL such as https://streams.example.com" in error


def test_a_stage_is_checked_at_the_address_of_api_gateway(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    urls: list[str] = []

    def record(write: object, *, url: str, **options: object) -> bool:
        urls.append(url)
        return True

    command = "deploy.management.commands.verify"
    monkeypatch.setattr("stages.Stage.client", lambda self, service: None)
    monkeypatch.setattr(f"{command}.api_of", lambda stage, client: {"id": "a1b2c3"})
    monkeypatch.setattr(f"{command}.verify", record)

    call_command("verify", "--stage", "production")

    assert urls == ["https://a1b2c3.execute-api.eu-west-1.amazonaws.com/production"]


def test_an_unknown_stage_is_refused() -> None:
    message = r"zappa_settings\.json has no stage 'nowhere'"
    with pytest.raises(CommandError, match=message):
        call_command("verify", "--stage", "nowhere")


def test_a_stage_without_an_api_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    command = "deploy.management.commands.verify"
    monkeypatch.setattr("stages.Stage.client", lambda self, service: None)
    monkeypatch.setattr(f"{command}.api_of", lambda stage, client: None)

    with pytest.raises(
        CommandError, match="The stage test has no API: zappa deploy test"
    ):
        call_command("verify", "--stage", "test")


@pytest.mark.parametrize("option", ["--patience", "--slow-ms"])
@pytest.mark.parametrize("text", NO_NUMBERS)
def test_a_time_that_no_check_could_wait_is_refused(option: str, text: str) -> None:
    with pytest.raises(CommandError, match="is not a number above 0"):
        call_command("verify", "http://127.0.0.1:9", f"{option}={text}")
