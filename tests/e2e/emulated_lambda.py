"""A function on an emulated Lambda whose versions answer with a chosen status."""

import io
import json
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from django.core.management import call_command

from deploy.rehearsal.emulator import emulated_aws, impatient_waiters
from deploy.releases import Canary, Live, Versions
from deploy.releases.canary import try_out
from stages import Stage

CODE = """
import os

def handler(event, context):
    if os.environ["STATUS"] == "raises":
        raise ValueError("LEASE_SECONDS is '2'")
    return {"statusCode": int(os.environ["STATUS"]), "body": event["path"]}
"""


@contextmanager
def lambda_client(folder: Path) -> Iterator[Any]:
    """Yield a boto3 client of an emulated Lambda with the role `x`.

    `folder` receives waiters with short delays.
    """
    services = ("apigateway", "cloudwatch", "iam", "lambda", "scheduler", "sts")
    with emulated_aws(*services) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DATA_PATH", str(impatient_waiters(folder)))
        session = boto3.Session(
            aws_access_key_id="test",
            aws_secret_access_key="test",
            region_name="eu-west-1",
        )
        _create_role(session.client("iam", endpoint_url=url))
        yield session.client("lambda", endpoint_url=url)


class DeployedFunction:
    """A function whose versions answer with the status of their environment."""

    def __init__(self, client: Any, code: str = CODE) -> None:
        self.client = client
        self.client_of = cache(partial(_client, endpoint_url=client.meta.endpoint_url))
        self.stage = Stage(f"s{uuid.uuid4().hex[:8]}", {"project_name": "limits"})
        self.versions = Versions(self.stage, client)
        client.create_function(
            FunctionName=self.stage.function,
            Runtime="python3.13",
            Role="arn:aws:iam::000000000000:role/x",
            Handler="code.handler",
            Code={"ZipFile": _archive(code)},
            Environment={"Variables": {"STATUS": "200"}},
        )
        client.get_waiter("function_active_v2").wait(FunctionName=self.stage.function)

    @property
    def live(self) -> Live | None:
        """The state of the alias."""
        return self.versions.live()

    @property
    def published(self) -> list[str]:
        """The numbers of the published versions, the newest first."""
        return [version["Version"] for version in self.versions.published()]

    def publish(self, status: str = "200") -> str:
        """Publish a version that answers with a status."""
        variables = {"STATUS": status, "N": uuid.uuid4().hex}
        self.client.update_function_configuration(
            FunctionName=self.stage.function, Environment={"Variables": variables}
        )
        return self.publish_newest()

    def publish_newest(self) -> str:
        """Publish the function as it is."""
        newest = self.versions.newest()
        assert newest
        return self.versions.publish(newest)

    def release(self, status: str = "200") -> str:
        """Publish a version and give it the traffic."""
        version = self.publish(status)
        self.promote(version)
        return version

    def promote(self, version: str, *, share: float = 1.0) -> Live:
        """Give a version the traffic, as the alias is now."""
        return self.versions.promote(version, self.live, share=share)

    def try_out(
        self, version: str, *, minutes: float, sleep: Callable[[float], None]
    ) -> Live:
        """Give a version five percent of the traffic, and then all of it."""
        before = self.live
        assert before
        with self.used():
            return try_out(
                self.stage,
                self.versions,
                version,
                before,
                Canary(0.05, minutes),
                sleep=sleep,
            )

    @contextmanager
    def used(self) -> Iterator[None]:
        """Let the stage's clients be those of the emulator."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Stage, "client", lambda stage, name: self.client_of(name))
            patch.setattr("stages.commands.stage_of", lambda name, file: self.stage)
            yield

    def call(self, command: str, *arguments: str) -> None:
        """Run a management command on the function's stage."""
        with self.used():
            call_command(command, self.stage.name, *arguments, stdout=io.StringIO())


def _client(service: str, endpoint_url: str) -> Any:
    session = boto3.Session("test", "test", region_name="eu-west-1")
    return session.client(service, endpoint_url=endpoint_url)


def _create_role(iam: Any) -> None:
    trusted = {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    document = {"Version": "2012-10-17", "Statement": [trusted]}
    iam.create_role(RoleName="x", AssumeRolePolicyDocument=json.dumps(document))


def _archive(code: str) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as entries:
        entries.writestr("code.py", code)
    return archive.getvalue()
