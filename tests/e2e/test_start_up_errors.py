"""Every command with an invalid setting prints one line and ends with status 1."""

import subprocess
import sys

import pytest

from streams_project.environment import VARIABLES
from tests.servers import PROJECT, free_port
from tests.start_up import SECRET, unconfigured

WRONG = {
    "STREAM_LIMIT": "abc",
    "WHEN_FULL": "explode",
    "LEASE_SECONDS": "0",
    "PLANS": "no-such-file.toml",
    "SHADOW_PLANS": "no-such-file.toml",
    "TRUSTED_PROXIES": "-1",
    "MINT_BURST": "many",
    "MINT_INTERVAL_SECONDS": "1e-9",
    "HEARTBEAT_BURST": "0",
    "WHEN_STORE_IS_DOWN": "ajar",
    "MAX_GRACE_STREAMS": "101",
    "AUTH_JWKS": '"https://id.example.com/jwks.json"',
    "AUTH_JWT_SECRETS": "hunter2",
    "AUTH_ISSUER": '"https://id.example.com/"',
    "AUTH_AUDIENCE": "'streams'",
    "AUTH_PERMISSIONS_CLAIM": '"permissions"',
    "AUTH_TRUST_STREAM_LIMIT": "maybe",
    "AUTH_TRUST_STREAM_PLAN": "maybe",
    "API_KEYS": "hunter2",
    "RELEASE_KEY": "hunter2",
    "LEASE_TOKEN_KEYS": "hunter2",
    "HASH_KEY": "hunter2",
    "EDGE_TOKEN_KEYS": "hunter2",
    "EDGE_TOKEN_ISSUER": '"https://streams.example.com"',
    "EDGE_TOKEN_AUDIENCE": "'cdn'",
    "EDGE_TOKEN_SUBJECT": "name",
    "EDGE_TOKEN_GRACE_SECONDS": "21",
    "DYNAMODB_TABLE": "User Streams",
    "DYNAMODB_ENDPOINT": "localhost:8001",
    "DYNAMODB_TRANSPORT": "pigeon",
    "AWS_REGION": "Ireland",
    "AWS_CA_BUNDLE": "/nowhere/ca.pem",
    "AWS_ACCESS_KEY_ID": '"AKIA"',
    "AWS_SECRET_ACCESS_KEY": '"hunter2"',
    "AWS_SESSION_TOKEN": '"hunter2"',
    "ALLOWED_HOSTS": "https://streams.example.com",
    "BROWSABLE_API": "maybe",
    "PROBLEM_DOCUMENTATION": "the docs",
    "CORS_ALLOWED_ORIGINS": "*",
    "CORS_ALLOW_HEADERS": "X Player",
    "PRIVATE_NETWORK": "maybe",
    "EVENTS": "everywhere",
    "EVENTS_DEVICE_NAMES": "maybe",
    "EVENTS_SAMPLE_RENEWALS": "0",
    "METRICS": "statsd",
    "PROMETHEUS_MULTIPROC_DIR": "'/tmp'",
    "LOG_FORMAT": "xml",
    "LOG_LEVEL": "LOUD",
    "LOG_REQUESTS": "maybe",
    "LOG_USER_IDS": "maybe",
    "DEBUG": "perhaps",
    "LOCAL_STATE_DIR": '".local"',
}
NAMES_FOR_EVERY_COMMAND = ("STREAM_LIMIT", "API_KEYS", "ALLOWED_HOSTS", "DEBUG")
"""One of each way in which settings are read."""
COMMANDS = {
    "check": [sys.executable, "manage.py", "check"],
    "runserver": [sys.executable, "manage.py", "runserver"],
    "streams list": [sys.executable, "manage.py", "streams", "list", "ana"],
    "make run": ["make", "run", f"PYTHON={sys.executable}", "READY="],
}


def test_each_variable_has_an_invalid_value() -> None:
    assert list(WRONG) == list(VARIABLES)


@pytest.mark.parametrize("name", WRONG)
def test_make_run_with_an_invalid_setting_prints_one_line(name: str) -> None:
    assert_one_line("make run", name)


@pytest.mark.parametrize("command", ["check", "runserver", "streams list"])
@pytest.mark.parametrize("name", NAMES_FOR_EVERY_COMMAND)
def test_every_command_with_an_invalid_setting_prints_one_line(
    command: str, name: str
) -> None:
    assert_one_line(command, name)


def assert_one_line(command: str, name: str) -> None:
    environment = {**unconfigured(), name: WRONG[name], "PORT": str(free_port())}
    done = subprocess.run(
        COMMANDS[command],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )

    lines = [line for line in done.stderr.splitlines() if not is_of_make(line)]
    assert len(lines) == 1, done.stderr
    assert name in lines[0]
    assert "hunter2" not in lines[0]
    assert done.stdout == ""
    assert done.returncode == (2 if command == "make run" else 1)


def is_of_make(line: str) -> bool:
    """Return whether `make` printed the line: it reports the status of the command."""
    return line.startswith("make: ***")


def test_a_missing_setting_is_named_in_one_line() -> None:
    environment = {**unconfigured(), "DEBUG": "0", "LEASE_TOKEN_KEYS": SECRET}
    done = subprocess.run(
        COMMANDS["check"], cwd=PROJECT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("ALLOWED_HOSTS is not set.")
    assert len(done.stderr.splitlines()) == 1
