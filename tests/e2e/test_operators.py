"""An operator's command names its place, asks before it ends streams, and is logged."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from deploy.rehearsal.emulator import emulated_aws
from tests.servers import PROJECT
from tests.viewer import Viewer

ACCOUNT = "000000000000"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@pytest.fixture
def sts() -> Iterator[str]:
    """Yield the URL of an emulated Security Token Service."""
    with emulated_aws("sts") as url:
        yield url


def run(
    home: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a management command with this environment and few other variables."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_with_a_stage_the_terminal_names_the_caller_and_no_engine_starts(
    sts: str, tmp_path: Path
) -> None:
    result = run(
        tmp_path,
        *("streams", "list", "ana", "--stage", "production"),
        AWS_ENDPOINT_URL_STS=sts,
        AWS_ENDPOINT_URL_LAMBDA="http://127.0.0.1:9",
        **CREDENTIALS,
    )

    assert result.stderr.startswith("Stage production, ")
    assert f"as arn:aws:iam::{ACCOUNT}:root\n" in result.stderr
    assert "AWS refused, or cannot be reached" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("streams", "end", "ana", "tv"),
        ("streams", "clear", "ana"),
        ("streams", "forget", "ana"),
        ("streams", "forget", "ana", "--force"),
        ("limit", "set", "ana", "0", "--end-surplus"),
    ],
    ids=" ".join,
)
def test_without_a_terminal_a_command_that_ends_streams_needs_a_confirmation(
    words: tuple[str, ...],
) -> None:
    with pytest.raises(CommandError, match=r"^[^\n]*\? Confirm it with --yes\.$"):
        call_command(*words)


@pytest.mark.parametrize(
    ("typed", "is_done"),
    [("y", True), (" YES ", True), ("n", False), ("", False), (EOFError, False)],
    ids=["y", "yes", "n", "return", "end of input"],
)
def test_at_a_terminal_the_operator_is_asked(
    monkeypatch: pytest.MonkeyPatch, viewer: Viewer, typed: object, is_done: bool
) -> None:
    def answer(question: str) -> str:
        assert question == f"End the streams of {viewer.user_id}? [y/N] "
        if isinstance(typed, str):
            return typed
        raise EOFError

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", answer)
    viewer.started(deviceId="tv")

    if is_done:
        call_command("streams", "clear", viewer.user_id, stdout=StringIO())
    else:
        with pytest.raises(CommandError, match=r"^No change was made\.$"):
            call_command("streams", "clear", viewer.user_id)
    assert viewer.list()["active"] == (0 if is_done else 1)


def test_an_operators_name_that_is_not_text_is_escaped_in_the_logs(
    monkeypatch: pytest.MonkeyPatch, user_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LOGNAME", "ol\udcffga")
    caplog.set_level(logging.INFO, "streams.audit")
    call_command("limit", "set", user_id, "5", stdout=StringIO())

    [record] = [line for line in caplog.records if line.name == "streams.audit"]
    assert record.audit["by"] == r"command ol\udcffga"  # type: ignore[attr-defined]


def test_with_a_profile_but_no_credentials_the_command_fails_without_an_engine(
    tmp_path: Path,
) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("[default]\nregion = eu-west-1\n")

    result = run(tmp_path, "streams", "list", "ana", AWS_EC2_METADATA_DISABLED="true")

    assert result.returncode != 0
    assert result.stderr.startswith(
        "Table UserStreams, an account that AWS does not name"
    )
    assert "Unable to locate credentials" in result.stderr
    assert "Traceback" not in result.stderr
