"""The stages of `zappa_settings.json`, as Zappa reads them: merged, named, in their region and account."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import slugify

from deploy.wheels import PROJECT

SETTINGS = PROJECT / "zappa_settings.json"
ALIAS = "live"
"""What API Gateway invokes, in every stage. Zappa knows nothing of it: only a version that was checked gets it."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage: its name and its settings with those it extends."""

    name: str
    settings: Mapping[str, Any]

    @property
    def function(self) -> str:
        """The function's name, and its API's: Zappa makes a slug of it."""
        return str(slugify.slugify(f"{self.settings.get('project_name', '')}-{self.name}"))

    @property
    def region(self) -> str | None:
        """Where it runs."""
        return self.settings.get("aws_region")

    @property
    def role(self) -> str:
        """The role it runs as. IAM's names are the account's, in all regions: without the region, a stage that is
        deployed to two of them would have one role, whose policy names the table of the last."""
        return str(self.settings.get("role_name") or f"{self.function}-{self.region}")

    @property
    def environment(self) -> dict[str, str]:
        """What Zappa's handler puts into the environment, over what Lambda has there."""
        return dict(self.settings.get("environment_variables", {}))

    @property
    def table(self) -> str | None:
        """Its table."""
        return self.environment.get("DYNAMODB_TABLE")

    @property
    def runtime(self) -> str:
        """Lambda's name of its Python."""
        return str(self.settings.get("runtime", "python3.13"))

    @property
    def architecture(self) -> str:
        """`arm64` or `x86_64`."""
        return str(self.settings.get("architecture") or "x86_64")

    def session(self) -> boto3.Session:
        """With the credentials that Zappa takes: the stage's profile, else the shell's."""
        profile: str | None = self.settings.get("profile_name")
        return boto3.Session(profile_name=profile, region_name=self.region)

    def client(self, service: str) -> Any:
        """A boto3 client, where the stage says that the service is."""
        endpoint = self.settings.get("aws_endpoint_urls", {}).get(service)
        return self.session().client(service, endpoint_url=endpoint)


def stage_of(name: str, path: Path = SETTINGS) -> Stage:
    """Raises `KeyError` where there is none."""
    return Stage(name, _merged(name, json.loads(path.read_text())))


def stages(path: Path = SETTINGS) -> list[Stage]:
    """All that can be deployed: a stage that others extend is a base."""
    settings = json.loads(path.read_text())
    bases = {stage.get("extends") for stage in settings.values()}
    return [stage_of(name, path) for name in settings if name not in bases]


def _merged(name: str, stages: Mapping[str, Any]) -> dict[str, Any]:
    """As Zappa does: what a stage says of a setting takes the place of what its base says."""
    stage = stages[name]
    return {**(_merged(stage["extends"], stages) if "extends" in stage else {}), **stage}
