"""`make run` on machines of all kinds: it works, or ends in one line."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streams.rules import Plan, WhenFull
from streams_project.local_dynamodb import without_proxy
from streams_project.management.commands.runserver import effect_of_limit
from tests.e2e.test_local_server import environment, state
from tests.servers import PROJECT, WITHIN_SECONDS, free_port, running, runserver
from tests.viewer import Viewer

__all__ = ["environment", "state"]  # fixtures: a machine without DynamoDB


def ended(environment: dict[str, str], port: int | None = None) -> str:
    """Return the line with which the server ends."""
    done = subprocess.run(
        runserver(free_port() if port is None else port),
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=WITHIN_SECONDS * 2,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


def test_a_proxy_in_the_environment_is_not_used_for_loopback(
    environment: dict[str, str],
) -> None:
    proxies = dict.fromkeys(
        ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"), "http://127.0.0.1:9"
    )
    with (
        running(runserver(), environment | proxies) as server,
        server.client() as client,
    ):
        assert Viewer(client, "ana").start().status_code == 201


@pytest.mark.parametrize(
    ("configured", "expected"),
    [
        ({}, "127.0.0.1,localhost,::1"),
        ({"NO_PROXY": "example.com"}, "example.com,127.0.0.1,localhost,::1"),
        ({"no_proxy": "localhost"}, "localhost,127.0.0.1,::1"),
        ({"no_proxy": "*"}, "*"),
    ],
    ids=["none", "other hosts", "a host of loopback", "every host"],
)
def test_loopback_joins_the_hosts_without_a_proxy(
    configured: dict[str, str], expected: str
) -> None:
    without_proxy(configured)
    assert configured == {"no_proxy": expected, "NO_PROXY": expected}


def test_an_endpoint_that_does_not_answer_is_named(environment: dict[str, str]) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    line = ended(environment | {"DYNAMODB_ENDPOINT": endpoint})
    assert f"DynamoDB does not answer at {endpoint}." in line
    assert "unset DYNAMODB_ENDPOINT" in line


def test_a_port_that_does_not_exist_is_named(environment: dict[str, str]) -> None:
    endpoint = os.environ["DYNAMODB_ENDPOINT"]
    line = ended(environment | {"DYNAMODB_ENDPOINT": endpoint}, port=99_999)
    assert "Port 99999 does not exist. Choose one up to 65535" in line


def test_a_state_folder_that_cannot_be_used_is_named(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")
    state = tmp_path / "file" / "local"
    line = ended(environment | {"LOCAL_STATE_DIR": str(state)})
    assert f"The folder {state} cannot be used" in line
    assert "LOCAL_STATE_DIR" in line


def test_a_second_server_ends_with_the_engine_of_the_first(
    environment: dict[str, str],
) -> None:
    with (
        running(runserver(), environment) as first,
        running(runserver(), environment) as second,
    ):
        first.process.send_signal(signal.SIGTERM)
        first.process.wait(WITHIN_SECONDS)
        assert second.process.wait(WITHIN_SECONDS) == 1


@pytest.mark.parametrize(
    ("plan", "effect"),
    [
        (Plan(limit=3, lease_ms=1), "start 4 gets 409"),
        (Plan(limit=0, lease_ms=1), "start 1 gets 409"),
        (
            Plan(limit=2, lease_ms=1, when_full=WhenFull.EVICT_OLDEST),
            "start 3 ends the oldest stream",
        ),
    ],
    ids=["deny", "suspended", "evict"],
)
def test_the_banner_says_what_the_limit_does(plan: Plan, effect: str) -> None:
    assert effect_of_limit(plan) == effect


def test_make_run_ignores_the_users_configuration_of_pip() -> None:
    command = ["make", "--dry-run", "--print-data-base", "help"]
    environment = os.environ | {"PIP_USER": "1"}
    done = subprocess.run(
        [*command, f"PYTHON={sys.executable}"],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert "PIP_USER := 0" in done.stdout
