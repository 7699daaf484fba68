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
    file: Path = SETTINGS
    """Where it and its neighbours stand."""

    @property
    def function(self) -> str:
        """The function's name, and its API's: Zappa makes a slug of it."""
        return str(
            slugify.slugify(f"{self.settings.get('project_name', '')}-{self.name}")
        )

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
        return {
            name: str(value)
            for name, value in (
                self.settings.get("environment_variables") or {}
            ).items()
        }

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

    def owns(self, name: str) -> bool:
        """Whether something is named for this stage, and not for another whose name begins the same."""
        longer = [
            other.function
            for other in stages(self.file)
            if other.function.startswith(f"{self.function}-")
        ]
        return name.startswith(f"{self.function}-") and not any(
            name.startswith(f"{other}-") for other in longer
        )

    def session(self) -> boto3.Session:
        """With the credentials that Zappa takes: the stage's profile, else the shell's."""
        profile: str | None = self.settings.get("profile_name")
        return boto3.Session(profile_name=profile, region_name=self.region)

    def client(self, service: str) -> Any:
        """A boto3 client, where the stage says that the service is."""
        endpoint = self.settings.get("aws_endpoint_urls", {}).get(service)
        return self.session().client(service, endpoint_url=endpoint)


def stage_of(name: str, file: Path = SETTINGS) -> Stage:
    """Raises `LookupError` where there is none, with what is wrong with the file."""
    return Stage(name, _merged(name, _read(file)), file)


def stages(file: Path = SETTINGS) -> list[Stage]:
    """All that can be deployed: a stage that others extend is a base."""
    settings = _read(file)
    bases = {stage.get("extends") for stage in settings.values()}
    return [stage_of(name, file) for name in settings if name not in bases]


def _read(file: Path) -> dict[str, dict[str, Any]]:
    try:
        settings: dict[str, dict[str, Any]] = json.loads(file.read_text())
    except (OSError, ValueError) as exc:
        raise LookupError(f"{file} cannot be read as JSON: {exc}") from exc
    return settings


def _merged(
    name: str, stages: Mapping[str, Any], below: tuple[str, ...] = ()
) -> dict[str, Any]:
    """As Zappa does: what a stage says of a setting takes the place of what its base says."""
    if name in below:
        raise LookupError(
            f"The stages {', '.join(below)} extend each other in a circle."
        )
    if name not in stages:
        raise LookupError(
            f"zappa_settings.json has no stage {name!r}"
            + (f", which {below[-1]} extends." if below else ".")
        )
    stage = stages[name]
    return {
        **(
            _merged(stage["extends"], stages, (*below, name))
            if "extends" in stage
            else {}
        ),
        **stage,
    }
