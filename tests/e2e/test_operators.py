"""An operator's command names its table before it runs, and starts no local engine."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.rehearsal.emulator import emulated_aws
from tests.servers import PROJECT

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


def test_with_a_stage_the_command_works_on_the_stages_table(
    sts: str, tmp_path: Path
) -> None:
    result = run(
        tmp_path,
        *("streams", "list", "ana", "--stage", "production"),
        AWS_ENDPOINT_URL_STS=sts,
        AWS_ENDPOINT_URL_DYNAMODB="http://127.0.0.1:9",
        **CREDENTIALS,
    )

    assert result.stderr.startswith("Table UserStreams, http://127.0.0.1:9\n")
    assert "The database did not answer" in result.stderr


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
