"""The agent's configuration, and its file of sessions."""

import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from streams_agent import configuration
from streams_agent.adapters import ADAPTERS
from streams_agent.configuration import InvalidConfiguration
from streams_agent.sessions import Sessions

VALID: dict[str, Any] = {"limiter": "https://limits.example.com", "srs": {}}


def parse(environment: dict[str, str] | None = None, **changes: Any) -> Any:
    content = VALID | changes
    known = {name: value for name, value in content.items() if value is not None}
    return configuration.parse(known, ADAPTERS, environment or {})


def test_secrets_come_from_the_environment() -> None:
    environment = {"STREAMS_API_KEY": "key", "STREAMS_HOOK_SECRET": "hook"}
    options = parse(environment, identify_by="user", listen="0.0.0.0:9100")
    assert (options.api_key, options.hook_secret) == ("key", "hook")
    assert "key" not in repr(options).replace("api_key", "")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"limiter": None},
            "limiter is missing",
        ),
        (
            {"limiter": "limits.example.com"},
            "limiter must begin",
        ),
        (
            {"srs": None},
            "No server",
        ),
        (
            {"srs": {"url": "x"}},
            "[srs] has no option url",
        ),
        (
            {"srs": {"api": 1}},
            "[srs] must be a table of texts",
        ),
        (
            {"mediamtx": {}},
            "[mediamtx] requires api",
        ),
        (
            {"ovenmediaengine": {}},
            "[ovenmediaengine] requires secret",
        ),
        (
            {"flussonic": {"interval_seconds": "x"}},
            "interval_seconds must be a number",
        ),
        (
            {"colour": "red"},
            "colour is not a setting",
        ),
        (
            {"api_key": "x"},
            "api_key is not a setting",
        ),
        (
            {"when_silent": "ajar"},
            "when_silent must be one of closed, open",
        ),
        (
            {"grace_seconds": -1},
            "grace_seconds must be a number",
        ),
        (
            {"answer_seconds": 5},
            "answer_seconds must be",
        ),
        (
            {"listen": "here"},
            "listen must be",
        ),
        (
            {"listen": "0.0.0.0:9100"},
            "set STREAMS_HOOK_SECRET",
        ),
        (
            {"identify_by": "user"},
            "requires STREAMS_API_KEY",
        ),
    ],
    ids=str,
)
def test_an_invalid_setting_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidConfiguration) as raised:
        parse(**changes)
    assert message in str(raised.value)


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text("limiter =")
    with pytest.raises(InvalidConfiguration, match=r"agent\.toml cannot be read"):
        configuration.read(path, ADAPTERS)


def test_only_the_owner_can_read_the_sessions(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    Sessions(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_second_agent_with_the_same_file_does_not_start(tmp_path: Path) -> None:
    first = Sessions(tmp_path / "state.sqlite3")
    with pytest.raises(sqlite3.OperationalError):
        Sessions(tmp_path / "state.sqlite3")
    first.close()
