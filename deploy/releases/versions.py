"""The versions of a deployed function, and which of them has the traffic.

Every update publishes code and environment together, as one version that never changes. API Gateway invokes the alias
`live`, which is moved only here, to a version that has answered: forward, and back, in less than a second. The alias's
description has the versions that were live before, the last one first.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.start import event
from stages import ALIAS, Stage

KEPT = 5
"""So many versions that were live stay for the way back. With SnapStart each is paid for by the hour."""


class NotFit(Exception):
    """A version that does not answer as it should. Traffic stays where it is."""


@dataclass(frozen=True, slots=True)
class Live:
    """The alias: its version, the one that a part of the traffic tries, and those that were live before."""

    version: str
    canary: str | None = None
    share: float = 0.0
    earlier: tuple[str, ...] = ()


class Versions:
    """The versions of a stage's function. `client` is a boto3 client of Lambda."""

    def __init__(self, stage: Stage, client: Any) -> None:
        self._stage, self._lambda = stage, client
        self._name = {"FunctionName": stage.function}

    def environment(self) -> dict[str, str] | None:
        """What the function has of its own, newest code or not; None where it is not deployed."""
        try:
            configuration = self._lambda.get_function_configuration(**self._name)
        except self._lambda.exceptions.ResourceNotFoundException:
            return None
        return dict(configuration.get("Environment", {}).get("Variables", {}))

    def live(self) -> Live | None:
        """What has the traffic; None before the first deployment, or with a function that has no alias yet."""
        try:
            alias = self._lambda.get_alias(**self._name, Name=ALIAS)
        except self._lambda.exceptions.ResourceNotFoundException:
            return None
        weights = alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
        canary, share = next(iter(weights.items()), (None, 0.0))
        earlier = tuple(
            word for word in alias.get("Description", "").split() if word.isdigit()
        )
        return Live(alias["FunctionVersion"], canary, share, earlier)

    def published(self) -> list[dict[str, Any]]:
        """The configuration of every version, the newest first."""
        pages = self._lambda.get_paginator("list_versions_by_function").paginate(
            **self._name
        )
        found = [
            version
            for page in pages
            for version in page["Versions"]
            if version["Version"] != "$LATEST"
        ]
        return sorted(found, key=lambda version: -int(version["Version"]))

    def publish(self) -> str:
        """A version of what is there now. AWS gives the last one again where nothing has changed since."""
        self._lambda.get_waiter("function_updated_v2").wait(**self._name)
        version = str(self._lambda.publish_version(**self._name)["Version"])
        self._lambda.get_waiter("published_version_active").wait(
            **self._name, Qualifier=version
        )
        return version

    def check(
        self, version: str, *, paths: Sequence[str] = ("/healthz", "/readyz")
    ) -> None:
        """Have a version answer, past API Gateway. Raises `NotFit`."""
        environment = self._environment(version)
        for path in paths:
            answer = self._lambda.invoke(
                **self._name,
                Qualifier=version,
                Payload=json.dumps(event("GET", path, environment)).encode(),
            )
            said = answer["Payload"].read().decode()
            if answer.get("FunctionError"):
                raise NotFit(f"Version {version} fails at {path}: {said[:500]}")
            if json.loads(said).get("statusCode") != 200:
                raise NotFit(f"Version {version} answers {path} with {said[:500]}")

    def _environment(self, version: str) -> dict[str, str]:
        return {**self.environment_of(version), **self._stage.environment}

    def environment_of(self, version: str) -> dict[str, str]:
        """What a version has of its own."""
        configuration = self._lambda.get_function_configuration(
            **self._name, Qualifier=version
        )
        return dict(configuration.get("Environment", {}).get("Variables", {}))

    def set_environment(self, variables: Mapping[str, str]) -> None:
        """Have the next version begin with these: Zappa keeps whatever is there. No traffic goes to it."""
        if self.environment() != variables:
            self._lambda.get_waiter("function_updated_v2").wait(**self._name)
            self._lambda.update_function_configuration(
                **self._name, Environment={"Variables": dict(variables)}
            )
            self._lambda.get_waiter("function_updated_v2").wait(**self._name)

    def promote(self, version: str, *, share: float = 1.0) -> None:
        """Give a version the traffic, or a share of it that it takes beside the one that has it."""
        live = self.live()
        if live is None:
            self._lambda.create_alias(**self._name, Name=ALIAS, FunctionVersion=version)
        elif share < 1:
            self._lambda.update_alias(
                **self._name,
                Name=ALIAS,
                RoutingConfig={"AdditionalVersionWeights": {version: share}},
            )
        else:
            before = (live.version, *live.earlier)
            earlier = [other for other in dict.fromkeys(before) if other != version][
                :KEPT
            ]
            self._lambda.update_alias(
                **self._name,
                Name=ALIAS,
                FunctionVersion=version,
                Description=" ".join(earlier),
                RoutingConfig={"AdditionalVersionWeights": {}},
            )

    def take_back(self) -> None:
        """End a canary: all traffic to the version that had the most of it."""
        self._lambda.update_alias(
            **self._name, Name=ALIAS, RoutingConfig={"AdditionalVersionWeights": {}}
        )

    def try_out(
        self,
        version: str,
        *,
        share: float,
        minutes: float,
        is_alarmed: Callable[[], list[str]],
        sleep: Callable[[float], None],
    ) -> list[str]:
        """A canary: a share of the traffic for so many minutes, then all of it. Taken back as soon as an alarm goes
        off, whose names are returned, and when this is interrupted."""
        self.promote(version, share=share)
        try:
            for _ in range(max(1, round(minutes * 60 / SECONDS_BETWEEN_LOOKS))):
                sleep(SECONDS_BETWEEN_LOOKS)
                if alarms := is_alarmed():
                    self.take_back()
                    return alarms
        except BaseException:
            self.take_back()
            raise
        self.promote(version)
        return []

    def prune(self, *, keep: int = KEPT) -> list[str]:
        """Delete the versions that nobody goes back to. An alias's version stays, and so does the newest."""
        live, aliased = self.live(), self._aliased()
        earlier = live.earlier[:keep] if live else ()
        newest = [version["Version"] for version in self.published()][:1]
        spare = (
            {version["Version"] for version in self.published()}
            - aliased
            - {*earlier, *newest}
        )
        for version in sorted(spare, key=int):
            self._lambda.delete_function(**self._name, Qualifier=version)
        return sorted(spare, key=int)

    def _aliased(self) -> set[str]:
        pages = self._lambda.get_paginator("list_aliases").paginate(**self._name)
        aliases = [alias for page in pages for alias in page["Aliases"]]
        weights = [
            alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
            for alias in aliases
        ]
        return {alias["FunctionVersion"] for alias in aliases} | {
            version for weight in weights for version in weight
        }

    def lines(self) -> Iterator[str]:
        """Every version in a line: its number, when it was published, what it is, and what it has."""
        live = self.live() or Live("")
        for version in self.published():
            number = version["Version"]
            has = (
                "live" if number == live.version
                else f"tries {live.share:.0%} of the traffic" if number == live.canary
                else "was live" if number in live.earlier
                else ""
            )  # fmt: skip
            yield f"{number:>5}  {version['LastModified'][:19]}  {version.get('Description', ''):40}  {has}".rstrip()


SECONDS_BETWEEN_LOOKS = 15
