"""Starts a package as Lambda starts it, before it is uploaded.

Unzipped to a folder that cannot be written to, in a Python that finds nothing else (`-I -S`), with the environment that
the function will have: the handler is imported, `/healthz` answers, and one stream is started against a local DynamoDB.
"""

import hashlib
import json
import platform
import secrets
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import boto3
from click import ClickException

from deploy.package import build, interpreter
from stages import Stage
from streams_project.local_dynamodb import engine

ARCHITECTURE = {"aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "x86_64")
SCRIPT = """
import importlib, json, sys
task, name, events = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
sys.path.insert(0, task)
module, _, handler = name.rpartition(".")
call = getattr(importlib.import_module(module), handler)
print(json.dumps([[answer["statusCode"], answer.get("body")] for answer in (call(event, None) for event in events)]))
"""


def host(environment: Mapping[str, str]) -> str:
    """A host by which the service is called."""
    first = environment.get("ALLOWED_HOSTS", "").split(",")[0].strip()
    return (
        f"check{first}"
        if first.startswith(".")
        else first.replace("*", "localhost") or "localhost"
    )


def event(
    method: str,
    path: str,
    environment: Mapping[str, str],
    *,
    body: object = None,
    **headers: str,
) -> dict[str, object]:
    """A request, as API Gateway hands it to the function."""
    return {
        "httpMethod": method,
        "path": path,
        "headers": {
            "Host": host(environment),
            "Content-Type": "application/json",
            **headers,
        },
        "body": None if body is None else json.dumps(body),
        "requestContext": {},
        "queryStringParameters": None,
    }


def check_that_it_starts(
    archive: Path, stage: Stage, environment: Mapping[str, str]
) -> str:
    """What was proven, in words. Raises `ClickException` with what the service said when it does not start."""
    if sys.platform != "linux":
        return "The package was not started here: what it brings for Lambda runs on Linux only."
    with (
        tempfile.TemporaryDirectory() as name,
        _runnable_here(archive, stage, Path(name)) as runnable,
    ):
        task = Path(name) / "task"
        with zipfile.ZipFile(runnable) as entries:
            entries.extractall(task)
        for path in [task, *task.rglob("*")]:
            path.chmod(path.stat().st_mode & ~0o222)
        with engine(Path(name) / "dynamodb", keep=False) as dynamodb:
            _start(task, stage, environment, dynamodb)
    return f"The package starts by itself on {stage.runtime}, answers /healthz and admits a stream."


@contextmanager
def _runnable_here(archive: Path, stage: Stage, folder: Path) -> Iterator[Path]:
    """The archive, or where the stage is of another architecture one that differs only in compiled files."""
    if stage.architecture == ARCHITECTURE:
        yield archive
        return
    with zipfile.ZipFile(archive) as entries:
        settings = entries.read("zappa_settings.py")
        has_published_keys = any(
            name.startswith("cryptography/") for name in entries.namelist()
        )
    here = folder / "here.zip"
    build(
        here,
        zappa_settings=settings,
        runtime=stage.runtime,
        architecture=ARCHITECTURE,
        with_published_keys=has_published_keys,
    )
    yield here


def _start(
    task: Path, stage: Stage, environment: Mapping[str, str], dynamodb: str
) -> None:
    aws = {
        "AWS_ACCESS_KEY_ID": "check",
        "AWS_SECRET_ACCESS_KEY": "check",
        "AWS_DEFAULT_REGION": str(stage.region),
    }
    boto3.client(
        "dynamodb",
        endpoint_url=dynamodb,
        region_name=stage.region,
        aws_access_key_id="check",
        aws_secret_access_key="check",
    ).create_table(
        TableName=environment["DYNAMODB_TABLE"],
        KeySchema=[{"AttributeName": "user_id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "user_id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    as_deployed = {**environment, **aws, "DYNAMODB_ENDPOINT": dynamodb}
    _expect(
        _ask(task, stage, as_deployed, event("GET", "/healthz", environment)), [200]
    )
    key = secrets.token_urlsafe(24)
    own = f"check:{hashlib.sha256(key.encode()).hexdigest()}:streams:operate"
    keys = ",".join(filter(None, [environment.get("API_KEYS"), own]))
    start = event(
        "POST",
        "/users/check/streams",
        environment,
        body={"streamId": "check"},
        **{"X-API-Key": key},
    )
    ((status, body),) = _ask(task, stage, as_deployed | {"API_KEYS": keys}, start)
    is_denied = (
        status == 409 and "stream-limit-reached" in body
    )  # as where the limit is 0
    if not is_denied:
        _expect([(status, body)], [201])


def _ask(
    task: Path, stage: Stage, environment: Mapping[str, str], *events: object
) -> list[tuple[int, str]]:
    handler = stage.settings.get("lambda_handler", "handler.lambda_handler")
    done = subprocess.run(
        [
            interpreter(stage.runtime),
            "-I",
            "-S",
            "-c",
            SCRIPT,
            str(task),
            handler,
            json.dumps(events),
        ],
        cwd=task,
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ClickException(
            f"The service would not start in stage {stage.name}: {last_words(done.stderr)}"
        )
    return [(status, body) for status, body in json.loads(done.stdout.splitlines()[-1])]


def last_words(stderr: str) -> str:
    """What an uncaught exception said, without its class and its traceback."""
    *_, last = [line for line in stderr.strip().splitlines() if line] or [
        "it said nothing"
    ]
    return last.partition(": ")[2] or last


def _expect(answers: list[tuple[int, str]], expected: list[int]) -> None:
    if [status for status, _ in answers] != expected:
        raise ClickException(
            f"The package starts, but answers {answers} where {expected} is expected."
        )
