"""Finds a stage in `zappa_settings.json` and merges its settings as Zappa does."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import slugify
from botocore.config import Config

PROJECT = Path(__file__).resolve().parent.parent
SETTINGS = PROJECT / "zappa_settings.json"

ALIAS = "live"
"""The alias of the function's version that serves the traffic, in every stage.

API Gateway invokes it. Zappa does not know it: only a version that passed its checks
receives the alias.
"""

type ZappaSettings = Mapping[str, Mapping[str, Any]]
"""The settings of each stage, by the stage's name."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage: its name, its merged settings, and the file that contains them."""

    name: str
    settings: Mapping[str, Any]
    file: Path = SETTINGS

    @property
    def function(self) -> str:
        """The name of the Lambda function and of its API: the slug that Zappa makes."""
        project = self.settings.get("project_name", "")
        return str(slugify.slugify(f"{project}-{self.name}"))

    @property
    def region(self) -> str | None:
        """The AWS region of the stage."""
        return self.settings.get("aws_region")

    @property
    def role(self) -> str:
        """The name of the function's IAM role.

        IAM names are unique per account, across regions. The name contains the region
        so that a stage in two regions has two roles: each role's policy names the
        table of its region.
        """
        return str(self.settings.get("role_name") or f"{self.function}-{self.region}")

    @property
    def environment(self) -> dict[str, str]:
        """The variables that Zappa's handler sets. They override Lambda's variables."""
        variables = self.settings.get("environment_variables") or {}
        return {name: str(value) for name, value in variables.items()}

    @property
    def table(self) -> str | None:
        """The name of the stage's DynamoDB table."""
        return self.environment.get("DYNAMODB_TABLE")

    @property
    def runtime(self) -> str:
        """Lambda's name for the Python version."""
        return str(self.settings.get("runtime", "python3.13"))

    @property
    def architecture(self) -> str:
        """The processor architecture, `arm64` or `x86_64`."""
        return str(self.settings.get("architecture") or "x86_64")

    def owns(self, name: str) -> bool:
        """Return whether the name of a resource begins with this stage's function.

        A resource of `limits-test-2` does not belong to the stage `limits-test` if
        both are stages.
        """
        prefix = f"{self.function}-"
        if not name.startswith(prefix):
            return False

        others = [other.function for other in stages(self.file)]
        longer = [f"{other}-" for other in others if other.startswith(prefix)]
        return not name.startswith(tuple(longer))

    def session(self) -> boto3.Session:
        """Return a session with the profile of the stage, as Zappa uses it, if any."""
        profile: str | None = self.settings.get("profile_name")
        return boto3.Session(profile_name=profile, region_name=self.region)

    def client(self, service: str, config: Config | None = None) -> Any:
        """Return a boto3 client of a service, at the endpoint of the stage if any."""
        endpoint = self.settings.get("aws_endpoint_urls", {}).get(service)
        return self.session().client(service, endpoint_url=endpoint, config=config)


def stage_of(name: str, file: Path = SETTINGS) -> Stage:
    """Return the stage with this name.

    Raises:
        LookupError: the file is invalid or has no such stage.
    """
    return Stage(name, _merged(name, _read(file)), file)


def stages(file: Path = SETTINGS) -> list[Stage]:
    """Return every stage that can be deployed. A stage that others extend is a base."""
    settings = _read(file)
    bases = {stage.get("extends") for stage in settings.values()}
    return [stage_of(name, file) for name in settings if name not in bases]


def group_of(stage: Stage) -> str:
    """Return the name of the log group that Lambda writes to."""
    return f"/aws/lambda/{stage.function}"


def _read(file: Path) -> ZappaSettings:
    try:
        settings: ZappaSettings = json.loads(file.read_text())
    except (OSError, ValueError) as exc:
        raise LookupError(f"{file} cannot be read as JSON: {exc}") from exc
    return settings


def _merged(
    name: str, settings: ZappaSettings, extended_by: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return a stage's settings over those of its base, as Zappa merges them."""
    if name in extended_by:
        circle = ", ".join(extended_by)
        raise LookupError(f"The stages {circle} extend each other in a circle.")
    if name not in settings:
        reason = f", which {extended_by[-1]} extends." if extended_by else "."
        raise LookupError(f"zappa_settings.json has no stage {name!r}{reason}")

    stage = settings[name]
    if "extends" not in stage:
        return dict(stage)
    base = _merged(stage["extends"], settings, (*extended_by, name))
    return {**base, **stage}
