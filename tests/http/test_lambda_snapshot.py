"""A process that Lambda resumes from a snapshot."""

import hashlib
import json
import os
import subprocess
import sys

import pytest

from tests.servers import PROJECT

FORKED = """
import json, os, sys
from tests.lambda_events import lambda_handler, rest_api

loaded = set(sys.modules)
headers = {"Content-Type": "application/json", "X-API-Key": "the-key"}
for path in sys.argv[1:]:
    if not os.fork():
        body = '{"streamId": "456"}'
        event = rest_api("POST", f"/test{path}", "", headers, body)
        answer = lambda_handler(event, None)
        stream = json.loads(answer["body"])
        imported = sorted(set(sys.modules) - loaded)
        print(json.dumps([answer["statusCode"], stream["id"], imported]))
        sys.stdout.flush()
        os._exit(0)
    os.wait()
"""


@pytest.mark.parametrize("pages", ["0", "1"], ids=["without pages", "with pages"])
def test_a_resumed_process_imports_no_module_and_draws_its_own_random_ids(
    user_id: str, pages: str
) -> None:
    """Fork, as Lambda resumes several instances from one snapshot."""
    environment = os.environ | {
        "DEBUG": "0",
        "ALLOWED_HOSTS": ".amazonaws.com",
        "API_KEYS": f"billing:{hashlib.sha256(b'the-key').hexdigest()}:streams:operate",
        "LEASE_TOKEN_KEYS": "MVJ9a1Yy1ZsXWq2Tt0Cr7PNu4KBhLgEd5oF8iRkQvS3w",
        "BROWSABLE_API": pages,
    }
    command = [
        sys.executable,
        "-c",
        FORKED,
        *[f"/users/{user_id}-{number}/streams" for number in range(2)],
    ]
    done = subprocess.run(
        command,
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr

    first, second = [
        json.loads(line) for line in done.stdout.splitlines() if line.startswith("[201")
    ]

    assert first[2] == second[2] == []
    assert first[1] != second[1]
