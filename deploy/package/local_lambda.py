"""Runs a package on this machine as Lambda runs it, before it is uploaded.

The package is unpacked to a read-only folder. A Python that finds no other packages
(`-I -S`) imports the handler, with the environment that the function will have. The
check passes if `/healthz` answers and one stream starts, on a local DynamoDB.
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
from dataclasses import dataclass
from pathlib import Path

import boto3
from click import ClickException

from deploy.package.archive import build, interpreter
from deploy.package.lambda_event import api_gateway_event
from stages import Stage
from streams_project.local_dynamodb import engine

ARCHITECTURE = {"aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "x86_64")
"""Lambda's name for the architecture of this machine."""

WRITE_PERMISSIONS = 0o222

CALL_HANDLER = """
import importlib, json, sys

task, name, events = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
sys.path.insert(0, task)
module, _, handler = name.rpartition(".")
call = getattr(importlib.import_module(module), handler)
answers = [call(event, None) for event in events]
print(json.dumps([[answer["statusCode"], answer.get("body")] for answer in answers]))
"""

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "check", "AWS_SECRET_ACCESS_KEY": "check"}
"""The local DynamoDB accepts any credentials."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of the handler to one event."""

    status: int
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFunction:
    """An unpacked package with the environment that the function will have.

    `variables` are those of the stage. `dynamodb` is the URL of the local engine.
    """

    task: Path
    stage: Stage
    variables: Mapping[str, str]
    dynamodb: str

    def check(self) -> None:
        """Raise `ClickException` unless the service is healthy and admits a stream."""
        self._create_table()

        healthz = self._call("GET", "/healthz")
        self._expect(healthz, 200)

        start = self._start_stream()
        # A stage with the limit 0 denies every start.
        is_denied = start.status == 409 and "stream-limit-reached" in start.body
        if not is_denied:
            self._expect(start, 201)

    def _create_table(self) -> None:
        client = boto3.client(
            "dynamodb",
            endpoint_url=self.dynamodb,
            region_name=self.stage.region,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )
        client.create_table(
            TableName=self.variables["DYNAMODB_TABLE"],
            KeySchema=[{"AttributeName": "user_id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "user_id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )

    def _start_stream(self) -> Answer:
        """Start a stream with an API key that is added for this call."""
        key = secrets.token_urlsafe(24)
        digest = hashlib.sha256(key.encode()).hexdigest()
        keys = [self.variables.get("API_KEYS"), f"check:{digest}:streams:operate"]
        return self._call(
            "POST",
            "/users/check/streams",
            body={"streamId": "check"},
            variables={"API_KEYS": ",".join(filter(None, keys))},
            **{"X-API-Key": key},
        )

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        variables: Mapping[str, str] | None = None,
        **headers: str,
    ) -> Answer:
        """Run the handler in a process with one event."""
        event = api_gateway_event(method, path, self.variables, body=body, **headers)
        handler = self.stage.settings.get("lambda_handler", "handler.lambda_handler")
        result = subprocess.run(
            [
                *(interpreter(self.stage.runtime), "-I", "-S", "-c", CALL_HANDLER),
                *(str(self.task), handler, json.dumps([event])),
            ],
            cwd=self.task,
            env={**self._environment, **(variables or {})},
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise ClickException(
                f"The service would not start in stage {self.stage.name}: "
                f"{error_message(result.stderr)}"
            )

        last_line = result.stdout.splitlines()[-1]
        ((status, body_text),) = json.loads(last_line)
        return Answer(status, body_text)

    @property
    def _environment(self) -> dict[str, str]:
        return {
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            **self.variables,
            **CREDENTIALS,
            "AWS_DEFAULT_REGION": str(self.stage.region),
            "DYNAMODB_ENDPOINT": self.dynamodb,
        }

    def _expect(self, answer: Answer, status: int) -> None:
        if answer.status != status:
            raise ClickException(
                f"The package starts, but answers {answer.status} {answer.body} "
                f"instead of {status}."
            )


def check_that_it_starts(
    archive: Path, stage: Stage, environment: Mapping[str, str]
) -> str:
    """Run the package and return a sentence that says what the check proved.

    Raises:
        ClickException: the service does not start or does not answer as expected.
    """
    if sys.platform != "linux":
        return (
            "The package was not started here: its compiled files for Lambda run on "
            "Linux only."
        )

    with (
        tempfile.TemporaryDirectory() as name,
        _runnable_here(archive, stage, Path(name)) as runnable,
        engine(Path(name) / "dynamodb", keep=False) as dynamodb,
    ):
        task = Path(name) / "task"
        _unpack_read_only(runnable, task)
        function = LocalFunction(
            task=task, stage=stage, variables=environment, dynamodb=dynamodb
        )
        function.check()

    return (
        f"The package starts by itself on {stage.runtime}, answers /healthz and "
        "admits a stream."
    )


def error_message(stderr: str) -> str:
    """Return the message of an uncaught exception, without class and traceback."""
    lines = [line for line in stderr.strip().splitlines() if line]
    if not lines:
        return "no error message"
    _, _, message = lines[-1].partition(": ")
    return message or lines[-1]


@contextmanager
def _runnable_here(archive: Path, stage: Stage, folder: Path) -> Iterator[Path]:
    """Yield an archive that runs on this machine.

    For a stage of another architecture, it differs from `archive` in compiled files
    only.
    """
    if stage.architecture == ARCHITECTURE:
        yield archive
        return

    with zipfile.ZipFile(archive) as entries:
        zappa_settings = entries.read("zappa_settings.py")
        names = entries.namelist()

    local_archive = folder / "here.zip"
    build(
        local_archive,
        zappa_settings=zappa_settings,
        runtime=stage.runtime,
        architecture=ARCHITECTURE,
        with_published_keys=any(name.startswith("cryptography/") for name in names),
    )
    yield local_archive


def _unpack_read_only(archive: Path, task: Path) -> None:
    with zipfile.ZipFile(archive) as entries:
        entries.extractall(task)
    for path in [task, *task.rglob("*")]:
        path.chmod(path.stat().st_mode & ~WRITE_PERMISSIONS)
