"""`make rehearse`: a whole life of a deployment on this machine, with the real `zappa`, against an emulated AWS.

The settings are those of the stage `production`, as far as the emulator has what they name. Nothing is left running.
"""

import hashlib
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import httpx

from deploy.emulator import SERVICES, emulated_aws, impatient_waiters
from deploy.package import ARCHITECTURE
from deploy.role import deployer_policy
from stages import PROJECT, Stage, stage_of

STAGE, REGION, ACCOUNT = "production", "eu-west-1", "000000000000"
OF_NO_RESOURCE_HERE = (
    "cloudwatch:DeleteAlarms", "cloudwatch:DeleteDashboards", "cloudwatch:GetDashboard", "cloudwatch:PutDashboard",
    "dynamodb:ListTagsOfResource", "lambda:CreateFunction", "wafv2:AssociateWebACL",
    "wafv2:CreateWebACL", "wafv2:DeleteWebACL", "wafv2:GetWebACL", "wafv2:GetWebACLForResource", "wafv2:UpdateWebACL",
)  # fmt: skip
"""Actions whose resource the emulator does not see: it judges them as if they were asked of everything."""


@dataclass
class Rehearsal:
    """The stage, at an emulated AWS."""

    aws: str
    folder: Path
    api_key: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def __post_init__(self) -> None:
        self.stage_settings = {
            name: value
            for name, value in stage_of(STAGE).settings.items()
            if name != "extends"
        } | {
            "architecture": ARCHITECTURE,
            "s3_bucket": "stream-limits-rehearsal",
            "aws_endpoint_urls": dict.fromkeys(
                [
                    *SERVICES,
                    "application-autoscaling",
                    "cognito-idp",
                    "elbv2",
                    "route53",
                    "acm",
                ],
                self.aws,
            ),
        }
        self.of_lambda(DYNAMODB_ENDPOINT=self.aws, AWS_ENDPOINT_URL=self.aws)
        self.variables(ALLOWED_HOSTS="127.0.0.1,.amazonaws.com", BROWSABLE_API="1")
        id, secret = self._deployer()
        digest = hashlib.sha256(self.api_key.encode()).hexdigest()
        self.environment = {
            **{
                name: os.environ[name]
                for name in ("HOME", "LANG")
                if name in os.environ
            },
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "AWS_ENDPOINT_URL": self.aws,
            "AWS_ACCESS_KEY_ID": id,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_DATA_PATH": str(impatient_waiters(self.folder / "aws")),
            "API_KEYS": f"rehearsal:{digest}:streams:operate streams:admin",
            "LEASE_TOKEN_KEYS": secrets.token_urlsafe(48),
            "YES": "dirty-tree",
        }

    def _deployer(self) -> tuple[str, str]:
        """The access key of a user who may do what deploy/deployer-policy.json allows, and nothing else."""
        iam, stage = self.client("iam"), self.stage
        bucket = str(stage.settings["s3_bucket"])
        policy = deployer_policy(
            region=REGION,
            account=ACCOUNT,
            table=str(stage.table),
            function=stage.function,
            bucket=bucket,
        )
        unseen = [
            {"Effect": "Allow", "Action": list(OF_NO_RESOURCE_HERE), "Resource": "*"}
        ]
        iam.create_user(UserName="deployer")
        for name, document in (
            ("deployer", policy),
            ("emulator", json.dumps({"Version": "2012-10-17", "Statement": unseen})),
        ):
            iam.put_user_policy(
                UserName="deployer", PolicyName=name, PolicyDocument=document
            )
        key = iam.create_access_key(UserName="deployer")["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    @property
    def settings(self) -> Path:
        """The stage's settings file."""
        return self.folder / "zappa_settings.json"

    @property
    def stage(self) -> Stage:
        """As the deploying code sees it."""
        return Stage(STAGE, self.stage_settings)

    def variables(self, **variables: str | None) -> None:
        """Set variables of the stage, or take them out."""
        there = {**self.stage_settings["environment_variables"], **variables}
        self.stage_settings["environment_variables"] = {
            name: value for name, value in there.items() if value is not None
        }
        self.settings.write_text(json.dumps({STAGE: self.stage_settings}))

    def of_lambda(self, **variables: str) -> None:
        """Set variables of the function's own environment."""
        there = self.stage_settings["aws_environment_variables"]
        self.stage_settings["aws_environment_variables"] = {**there, **variables}
        self.settings.write_text(json.dumps({STAGE: self.stage_settings}))

    def zappa(self, *words: str, **more: str) -> str:
        """Run a command of Zappa's, show it, and return what it said."""
        return self.run("zappa", *words, "-s", str(self.settings), **more)

    def refused(self, *words: str, **more: str) -> str:
        """A command of Zappa's that has to be refused: what it said."""
        return _refused(self.zappa, *words, **more)

    def refused_command(self, *words: str, **more: str) -> str:
        """A management command that has to be refused: what it said."""
        return _refused(self.manage, *words, **more)

    def manage(self, *words: str, **more: str) -> str:
        """Run a management command on the stage."""
        return self.run(
            sys.executable,
            "manage.py",
            *words,
            "--zappa-settings",
            str(self.settings),
            **more,
        )

    def run(self, *command: str, **more: str) -> str:
        """Run a command at the emulated AWS; raise with all it said when it fails."""
        print("$", Path(command[0]).name, *command[1:4], end=" ", flush=True)  # noqa: T201
        began = time.monotonic()
        done = subprocess.run(
            command,
            cwd=PROJECT,
            env=self.environment | more,
            capture_output=True,
            text=True,
            check=False,
        )
        print(f"({time.monotonic() - began:.0f} s)", flush=True)  # noqa: T201
        said = done.stdout + done.stderr
        if done.returncode or "Traceback" in said:
            raise RuntimeError(f"{' '.join(command)} failed:\n{said}")
        return said

    def client(self, service: str) -> Any:
        """A client of an emulated service, with the rights of the account's root."""
        return boto3.client(
            service,
            endpoint_url=self.aws,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def deploy(self) -> None:
        """The first time, with its table."""
        self.zappa("deploy", STAGE)
        self.provision()

    def provision(self, *options: str) -> str:
        """What the deployment needs beside the function."""
        return self.manage("provision", STAGE, *options)

    def api(self) -> httpx.Client:
        """A client of the deployed API, through API Gateway, as a back end."""
        (api,) = self.client("apigateway").get_rest_apis()["items"]
        url = f"{self.aws}/restapis/{api['id']}/{STAGE}/_user_request_"
        return httpx.Client(
            base_url=url, headers={"X-API-Key": self.api_key}, timeout=60
        )

    def policies(self) -> list[dict[str, Any]]:
        """Every policy of the role the function runs as."""
        iam = self.client("iam")
        (role,) = iam.list_roles()["Roles"]
        names = iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
        return [
            iam.get_role_policy(RoleName=role["RoleName"], PolicyName=name)[
                "PolicyDocument"
            ]
            for name in names
        ]


def _refused(command: Callable[..., str], *words: str, **more: str) -> str:
    try:
        command(*words, **more)
    except RuntimeError as exc:
        if "Traceback" in str(exc):
            raise
        return str(exc)
    raise RuntimeError(f"{' '.join(words)} was not refused.")


@contextmanager
def viewers(api: Callable[[], httpx.Client]) -> Iterator[dict[str, int]]:
    """One player that beats all the while, and others that start and stop. What they were answered, counted by status;
    at the end the first one's stream still lives."""
    seen: dict[str, int] = {}
    is_over = threading.Event()
    user = f"/users/viewer-{secrets.token_hex(4)}/streams"

    def ask(
        client: httpx.Client, method: str, path: str, **body: Any
    ) -> httpx.Response:
        answer = client.request(method, path, **body)
        seen[f"{method} {answer.status_code}"] = (
            seen.get(f"{method} {answer.status_code}", 0) + 1
        )
        return answer

    def watch() -> None:
        with api() as client:
            stream = ask(client, "POST", user, json={"streamId": "film"}).json()
            while not is_over.wait(0.1):
                beat = ask(
                    client,
                    "POST",
                    f"{user}/{stream['id']}/heartbeat",
                    json={"token": stream["token"]},
                )
                stream["token"] = beat.json().get("token", stream["token"])
                other = f"/users/viewer-{secrets.token_hex(4)}/streams/tv"  # one user may not start so often
                ask(client, "PUT", other, json={"streamId": "film"})
                ask(client, "DELETE", other)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        is_over.set()
        thread.join()


def smoke_test(api: httpx.Client) -> None:
    """Three streams are admitted, the fourth denied; one beats, one stops; a person sees a styled page."""
    user = f"/users/smoke-{secrets.token_hex(4)}/streams"
    started = [api.post(user, json={"streamId": "456"}) for _ in range(4)]
    expect([response.status_code for response in started], [201, 201, 201, 409])
    stream = started[0].json()
    expect(
        api.post(
            f"{user}/{stream['id']}/heartbeat", json={"token": stream["token"]}
        ).status_code,
        200,
    )
    expect(api.delete(f"{user}/{stream['id']}").status_code, 204)
    expect(api.get(user).json()["active"], 2)
    page = api.get(user, headers={"Accept": "text/html"})
    expect(page.headers["Content-Type"], "text/html; charset=utf-8")
    for style in re.findall(r'href="[^"]*?(/static/[^"]+\.css)"', page.text):
        expect(api.get(style).headers["Content-Type"], 'text/css; charset="utf-8"')


def expect(found: object, expected: object) -> None:
    """Raises where they differ."""
    if found != expected:
        raise RuntimeError(f"Expected {expected!r}, got {found!r}.")


def main() -> None:
    """Rehearse it all."""
    from deploy.acts import ACTS

    began = time.monotonic()
    with emulated_aws() as aws, tempfile.TemporaryDirectory() as folder:
        rehearsal = Rehearsal(aws, Path(folder))
        for act in ACTS:
            act(rehearsal)
            print("  ", str(act.__doc__).partition("\n")[0], flush=True)  # noqa: T201
    print(f"Rehearsed in {time.monotonic() - began:.0f} s; nothing is left running.")  # noqa: T201


if __name__ == "__main__":
    main()
