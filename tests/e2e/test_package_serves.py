"""The unpacked package serves requests by itself, as on Lambda."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import boto3
import pytest

from deploy.infrastructure.adoption import ATTRIBUTES, KEY_SCHEMA
from deploy.package import ARCHITECTURE, build
from stages import stage_of
from tests.e2e.test_package import zappa_package

API_KEY = "the-key"

SERVE = """
import json, sys

task, user = sys.argv[1:3]
compiled = []

def note_compiled_sources(event, arguments):
    if event == "compile" and str(arguments[1]).startswith((task, "/var/task")):
        compiled.append(arguments[1])

sys.addaudithook(note_compiled_sources)
sys.path.insert(0, task)
from streams_project.lambda_entry import lambda_handler

HEADERS = {
    "Host": "x.execute-api.eu-west-1.amazonaws.com",
    "X-API-Key": "the-key",
    "Content-Type": "application/json",
}

def ask(method, path, body=None, **headers):
    event = {
        "httpMethod": method,
        "path": path,
        "headers": HEADERS | headers,
        "body": json.dumps(body) if body else None,
        "requestContext": {},
        "queryStringParameters": None,
    }
    return lambda_handler(event, None)

def kind(answer):
    return [answer["statusCode"], answer["headers"]["Content-Type"]]

streams = f"/users/{user}/streams"
sidecar = "/static/drf_spectacular_sidecar/swagger-ui-dist"
started = ask("PUT", f"{streams}/tv", {"streamId": "456"})
token = json.loads(started["body"])["token"]
heartbeat = ask("POST", f"{streams}/tv/heartbeat", {"token": token})
page = ask("GET", streams, Accept="text/html")
docs = ask("GET", "/docs")
console = ask("GET", "/console")
lambda_handler({"manage": f"streams list {user}"}, None)
operation = lambda_handler({"operation": {
    "command": "streams", "action": "list", "options": {"user_id": user}, "files": {},
    "identity": "Action=GetCallerIdentity",
}}, None)

modules = [(name, getattr(module, "__file__", "") or "")
           for name, module in list(sys.modules.items())]
print(json.dumps({
    "started": [started["statusCode"], started["headers"]["Location"]],
    "heartbeat": heartbeat["statusCode"],
    "token": token,
    "page": [*kind(page), "/test/static/" in page["body"]],
    "style": kind(ask("GET", "/static/streams/style.css")),
    "docs": [docs["statusCode"],
             'data-document="/test/openapi.json"' in docs["body"]],
    "swagger": kind(ask("GET", f"{sidecar}/swagger-ui-bundle.js")),
    "console": [console["statusCode"], 'data-api="/test/"' in console["body"]],
    "client": kind(ask("GET", "/static/client/streams-client.js")),
    "operation": operation["error"],
    "compiled": compiled,
    "installed": [name for name, file in modules if "site-packages" in file],
}))
"""


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the unpacked package for this machine, with published keys."""
    folder = tmp_path_factory.mktemp("package")
    of_the_stage, for_this_machine = folder / "stage.zip", folder / "here.zip"
    result = zappa_package(of_the_stage)
    assert result.returncode == 0, result.stdout + result.stderr

    with zipfile.ZipFile(of_the_stage) as entries:
        settings = entries.read("zappa_settings.py")
    build(
        for_this_machine,
        zappa_settings=settings,
        runtime="python3.13",
        architecture=ARCHITECTURE,
        with_published_keys=True,
    )

    with zipfile.ZipFile(for_this_machine) as entries:
        entries.extractall(folder / "task")
    return folder / "task"


@pytest.fixture
def table() -> None:
    """Create the table of the stage `test` if it does not exist."""
    client = boto3.client(
        "dynamodb",
        endpoint_url=os.environ["DYNAMODB_ENDPOINT"],
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    name = str(stage_of("test").table)
    if name not in client.list_tables()["TableNames"]:
        client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=KEY_SCHEMA,
            AttributeDefinitions=ATTRIBUTES,
        )


def serve(task: Path, user_id: str) -> subprocess.CompletedProcess[str]:
    digest = hashlib.sha256(API_KEY.encode()).hexdigest()
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", SERVE, str(task), user_id],
        cwd=task,
        env={
            "PATH": os.environ["PATH"],
            "LOG_LEVEL": "DEBUG",
            "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9",
            "DYNAMODB_ENDPOINT": os.environ["DYNAMODB_ENDPOINT"],
            "LEASE_TOKEN_KEYS": "Zq3xW8vRt5YmKp2LhN7cBd4FgJs6TuAe",
            "API_KEYS": f"test:{digest}:streams:operate",
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.usefixtures("table")
def test_the_unpacked_package_serves_by_itself_and_compiles_no_source(
    task: Path, user_id: str
) -> None:
    result = serve(task, user_id)

    assert result.returncode == 0, result.stderr
    assert f"{user_id} uses 1 of 3 slots." in result.stdout, "zappa manage test"

    observed: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    token = observed.pop("token")
    assert "could not verify the caller" in observed.pop("operation")
    assert observed == {
        "heartbeat": 200,
        "started": [201, f"/test/users/{user_id}/streams/tv"],
        "page": [200, "text/html; charset=utf-8", True],
        "style": [200, 'text/css; charset="utf-8"'],
        "docs": [200, True],
        "swagger": [200, 'text/javascript; charset="utf-8"'],
        "console": [200, True],
        "client": [200, 'text/javascript; charset="utf-8"'],
        "compiled": [],
        "installed": [],
    }

    records = [json.loads(line) for line in result.stderr.splitlines()]
    loggers = {record["logger"] for record in records}
    assert "zappa.wsgi" not in loggers, "the access log is off"
    for secret in (token, API_KEY, user_id):
        assert secret not in result.stderr
