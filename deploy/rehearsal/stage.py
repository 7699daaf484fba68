"""The stage `production` in an emulated AWS, deployed with an operator's rights."""

import hashlib
import io
import json
import os
import secrets
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
import botocore.session
import httpx
import zappa.cli
from botocore.loaders import create_loader
from django.core.management import ManagementUtility

from deploy.management.commands import release
from deploy.package import ARCHITECTURE
from deploy.rehearsal.emulator import SERVICES, impatient_waiters
from deploy.rehearsal.shared_package import SharedPackage
from stages import PROJECT, Stage, stage_of

STAGE = "production"
REGION = "eu-west-1"
ACCOUNT = "000000000000"
BUCKET = "stream-limits-rehearsal"
OTHER_SERVICES = ("application-autoscaling", "cognito-idp", "elbv2", "route53", "acm")
"""Services that Zappa gets a client of, and that the emulator does not have."""
LOADER = cache(create_loader)
"""One loader of AWS's descriptions for all sessions: they take a second to read."""
ACCOUNT_TEMPLATE = PROJECT / "deploy" / "account.yaml"
UNRESOLVED_ACTIONS = (
    "apigateway:SetWebACL",
    "cloudwatch:DeleteAlarms",
    "cloudwatch:DeleteDashboards",
    "lambda:CreateFunction",
    "wafv2:DeleteWebACL",
    "wafv2:DisassociateWebACL",
)
"""Actions whose resource the emulator does not see: it asks for a right to all."""


@dataclass
class Rehearsal:
    """One deployment, its settings file and its operator's shell."""

    aws: str
    folder: Path
    api_key: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def __post_init__(self) -> None:
        self._package = SharedPackage(self.folder)
        self.stage_settings = self._emulated_settings()
        self.set_lambda_variables(DYNAMODB_ENDPOINT=self.aws, AWS_ENDPOINT_URL=self.aws)
        self.set_variables(ALLOWED_HOSTS="127.0.0.1,.amazonaws.com", BROWSABLE_API="1")
        self.account = self._create_account_stack()
        self.environment = self._operators_shell()

    def _emulated_settings(self) -> dict[str, Any]:
        """Return the stage's settings, as far as the emulator has their services."""
        settings = dict(stage_of(STAGE).settings)
        settings.pop("extends")
        return settings | {
            "architecture": ARCHITECTURE,
            "s3_bucket": BUCKET,
            "aws_endpoint_urls": dict.fromkeys([*SERVICES, *OTHER_SERVICES], self.aws),
        }

    def _create_account_stack(self) -> dict[str, str]:
        """Create deploy/account.yaml as an administrator, and return its outputs."""
        cloudformation = self.client("cloudformation")
        cloudformation.create_stack(
            StackName="account",
            TemplateBody=ACCOUNT_TEMPLATE.read_text(),
            Parameters=[{"ParameterKey": "Bucket", "ParameterValue": BUCKET}],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        while True:
            (stack,) = cloudformation.describe_stacks(StackName="account")["Stacks"]
            if not stack["StackStatus"].endswith("IN_PROGRESS"):
                break
            time.sleep(0.1)
        expect(stack["StackStatus"], "CREATE_COMPLETE")
        return {item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]}

    def _operators_shell(self) -> dict[str, str]:
        key_id, secret = self._operators_key()
        digest = hashlib.sha256(self.api_key.encode()).hexdigest()
        inherited = {
            name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ
        }
        return inherited | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "AWS_ENDPOINT_URL": self.aws,
            "AWS_ACCESS_KEY_ID": key_id,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_DATA_PATH": str(impatient_waiters(self.folder / "aws")),
            "API_KEYS": f"rehearsal:{digest}:streams:operate streams:admin",
            "LEASE_TOKEN_KEYS": secrets.token_urlsafe(48),
            "YES": "dirty-tree,infrastructure",
        }

    def _operators_key(self) -> tuple[str, str]:
        """Return the access key of a user with the rights of deploy/account.yaml."""
        iam = self.client("iam")
        iam.create_user(UserName="operator")
        iam.attach_user_policy(
            UserName="operator", PolicyArn=self.account["DeployerPolicy"]
        )

        statement = {
            "Effect": "Allow",
            "Action": list(UNRESOLVED_ACTIONS),
            "Resource": "*",
        }
        document = {"Version": "2012-10-17", "Statement": [statement]}
        iam.put_user_policy(
            UserName="operator",
            PolicyName="emulator",
            PolicyDocument=json.dumps(document),
        )
        key = iam.create_access_key(UserName="operator")["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    # --- the settings -----------------------------------------------------------------

    @property
    def settings_file(self) -> Path:
        """The stage's settings file."""
        return self.folder / "zappa_settings.json"

    @property
    def stage(self) -> Stage:
        """The stage, as the deploying code reads it."""
        return Stage(STAGE, self.stage_settings)

    def set_variables(self, **variables: str | None) -> None:
        """Set variables of the stage. None removes one."""
        self._update("environment_variables", variables)

    def set_lambda_variables(self, **variables: str | None) -> None:
        """Set variables of the function's own environment."""
        self._update("aws_environment_variables", variables)

    def _update(self, setting: str, variables: dict[str, str | None]) -> None:
        merged = {**self.stage_settings[setting], **variables}
        self.stage_settings[setting] = {
            name: value for name, value in merged.items() if value is not None
        }
        self._write()

    @contextmanager
    def settings(self, **settings: Any) -> Iterator[None]:
        """Change settings of the stage while the block runs."""
        before = self.stage_settings
        self.stage_settings = before | settings
        self._write()
        try:
            yield
        finally:
            self.stage_settings = before
            self._write()

    def _write(self) -> None:
        self.settings_file.write_text(json.dumps({STAGE: self.stage_settings}))

    # --- commands ---------------------------------------------------------------------

    def zappa(self, *words: str, **variables: str) -> str:
        """Run a command of Zappa in this process, and return its output."""
        command = ("zappa", *words, "-s", str(self.settings_file))
        return self._run_here(zappa.cli.handle, command, variables)

    def manage(self, *words: str, **variables: str) -> str:
        """Run a management command on the stage here, and return its output."""
        settings = ("--zappa-settings", str(self.settings_file))
        command = ("manage.py", *words, *settings)
        return self._run_here(
            lambda: ManagementUtility(list(command)).execute(), command, variables
        )

    def manage_in_stage(self, command: str) -> str:
        """Run a management command in the function.

        With a local engine it looks for the table, which needs a right.
        """
        role = {"RoleName": self.stage.role, "PolicyName": "look"}
        look = {"Effect": "Allow", "Action": "dynamodb:DescribeTable", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [look]})
        iam = self.client("iam")
        iam.put_role_policy(**role, PolicyDocument=document)
        try:
            return self.zappa("manage", STAGE, command)
        finally:
            iam.delete_role_policy(**role)

    def provision_alone(self, *options: str) -> str:
        """Apply the changes of the infrastructure in a process."""
        settings = ("--zappa-settings", str(self.settings_file))
        command = (sys.executable, "manage.py", "provision", STAGE, "--yes")
        return self.run(*command, *options, *settings)

    def provision(self, *options: str) -> str:
        """Apply the changes of the stage's infrastructure."""
        return self.manage("provision", STAGE, "--yes", *options)

    def refused(self, *words: str, **variables: str) -> str:
        """Run a command of Zappa that must fail, and return its output."""
        return _refused(self.zappa, *words, **variables)

    def refused_command(self, *words: str, **variables: str) -> str:
        """Run a management command that must fail, and return its output."""
        return _refused(self.manage, *words, **variables)

    def _release_by_zappa(
        self, command: str, stage: Stage, settings: Path, variables: dict[str, str]
    ) -> None:
        print(self.zappa(command, stage.name, **variables))  # noqa: T201

    def _run_here(
        self,
        function: Callable[[], object],
        command: Sequence[str],
        variables: dict[str, str],
    ) -> str:
        """Run a command in this process, which saves the time of its imports.

        Raises:
            RuntimeError: with the output, if the command fails or prints a traceback.
        """
        output, status = io.StringIO(), 0
        environment = self.environment | variables | {"DEBUG": "1"}
        with (
            patch.dict(os.environ, environment, clear=True),
            patch.object(botocore.session, "create_loader", LOADER),
            patch.object(zappa.cli.ZappaCLI, "check_for_update"),
            patch.object(release, "run_zappa", self._release_by_zappa),
            self._package.in_use(),
            patch.object(sys, "argv", list(command)),
            patch.object(sys, "stdin", io.StringIO()),
            chdir(self.folder),
            redirect_stdout(output),
            redirect_stderr(output),
            warnings.catch_warnings(action="ignore"),
        ):
            try:
                function()
            except SystemExit as exc:
                status = int(exc.code or 0)
        return _checked(command, status, output.getvalue())

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a management command in another process."""
        settings = ("--zappa-settings", str(self.settings_file))
        return subprocess.Popen(
            (sys.executable, "manage.py", *words, *settings),
            cwd=PROJECT,
            env=self.environment,
            stdout=subprocess.DEVNULL,
        )

    def run(self, *command: str, **variables: str) -> str:
        """Run a command in a process against the emulated AWS.

        Raises:
            RuntimeError: with the output, if the command fails or prints a traceback.
        """
        done = subprocess.run(
            command,
            cwd=PROJECT,
            env=self.environment | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        return _checked(command, done.returncode, done.stdout + done.stderr)

    # --- the emulated AWS -------------------------------------------------------------

    def client(self, service: str) -> Any:
        """Return a boto3 client that has the rights of the account's root."""
        return boto3.client(
            service,
            endpoint_url=self.aws,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def deploy(self) -> None:
        """Deploy a first time: the stack, the function, then the stack with the API."""
        self.provision()
        self.zappa("deploy", STAGE)
        self.provision()

    def api(self) -> httpx.Client:
        """Return a client of the deployed API, as a back end."""
        url = f"{self.aws}/restapis/{self.api_id}/{STAGE}/_user_request_"
        headers = {"X-API-Key": self.api_key}
        return httpx.Client(base_url=url, headers=headers, timeout=60)

    @property
    def api_id(self) -> str:
        """The id of the only REST API."""
        (api,) = self.client("apigateway").get_rest_apis()["items"]
        return str(api["id"])

    def policies(self) -> list[dict[str, Any]]:
        """Return the policies of the function's role."""
        iam = self.client("iam")
        role = {"RoleName": self.stage.role}
        names = iam.list_role_policies(**role)["PolicyNames"]
        policies = [iam.get_role_policy(**role, PolicyName=name) for name in names]
        return [policy["PolicyDocument"] for policy in policies]


def expect(actual: object, expected: object) -> None:
    """Raise `RuntimeError` if the two differ."""
    if actual != expected:
        raise RuntimeError(f"Expected {expected!r}, got {actual!r}.")


def _checked(command: Sequence[str], status: int, output: str) -> str:
    if status or "Traceback" in output:
        raise RuntimeError(f"{' '.join(command)} failed:\n{output}")
    return output


def _refused(command: Callable[..., str], *words: str, **variables: str) -> str:
    try:
        command(*words, **variables)
    except RuntimeError as exc:
        if "Traceback" in str(exc):
            raise
        return str(exc)
    raise RuntimeError(f"{' '.join(words)} was not refused.")
