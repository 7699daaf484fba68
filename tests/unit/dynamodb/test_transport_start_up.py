"""The transport in a new process, and before a snapshot."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import PROJECT
from tests.unit.dynamodb.requests import GET
from tests.wire import Wire


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a new process."""
    command = [sys.executable, "-c", f"import sys\n{code}"]
    surroundings = (
        os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "streams_project.settings",
            "DEBUG": "1",
        }
        | environment
    )
    return subprocess.run(
        command,
        cwd=PROJECT,
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=60,
    )


WITHOUT_PYCURL = (
    "sys.modules['pycurl'] = None\n"
    "import django\ndjango.setup()\nimport streams.service"
)


def test_without_pycurl_the_error_at_start_up_names_it_and_the_other_transport() -> (
    None
):
    done = python(WITHOUT_PYCURL, DYNAMODB_TRANSPORT="curl")

    assert done.returncode != 0
    assert (
        "Install pycurl, or set DYNAMODB_TRANSPORT=botocore"
        in done.stderr.splitlines()[-1]
    )


def test_without_pycurl_the_service_starts_over_the_other_transport() -> None:
    done = python(WITHOUT_PYCURL, DYNAMODB_TRANSPORT="botocore")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("transport", ["curl", "botocore"])
def test_connections_and_credentials_are_discarded_before_a_snapshot(
    wire: Wire, tmp_path: Path, transport: str
) -> None:
    profile = tmp_path / "credentials"
    done = python(
        f"""
from pathlib import Path
from types import ModuleType
# As in Lambda:
runtime = sys.modules["snapshot_restore_py"] = ModuleType("snapshot_restore_py")
hooks = []
runtime.register_before_snapshot = hooks.append
import django
django.setup()
from streams.models import UserStreams

def call(key):
    secret = "aws_secret_access_key = secret"
    lines = ["[default]", "aws_access_key_id = " + key, secret]
    Path({str(profile)!r}).write_text(chr(10).join(lines))
    UserStreams.call("GetItem", {GET})

call("before")
call("changed")
for hook in hooks:
    hook()
call("after")
""",
        DYNAMODB_TRANSPORT=transport,
        DYNAMODB_ENDPOINT=wire.url,
        AWS_PROFILE="default",
        AWS_SHARED_CREDENTIALS_FILE=str(profile),
    )

    assert done.returncode == 0, done.stderr
    first, second, third = wire.asked
    assert (first.connection, second.connection) == (1, 1)
    assert third.connection == 2
    keys = [
        re.search(r"Credential=(\w+)/", asked.headers["Authorization"])
        for asked in wire.asked
    ]
    assert [key and key[1] for key in keys] == [
        "before",
        "before",
        "after",
    ]
