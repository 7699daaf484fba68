"""The published versions of a function, and the alias that receives the traffic.

Each update publishes code and environment together as one version, which never changes.
API Gateway invokes the alias `live`. Only this module moves the alias, and only to a
version that has answered. A move, forward or back, takes less than a second. The
alias's description lists the versions that were live before, the latest first.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.package import api_gateway_event
from stages import ALIAS, Stage

VERSIONS_KEPT = 5
"""How many earlier live versions remain for a rollback.

With SnapStart, AWS charges for each version per hour.
"""

SECONDS_BETWEEN_ALARM_CHECKS = 15

NO_WEIGHTS: Mapping[str, Any] = {"AdditionalVersionWeights": {}}
"""The routing of an alias that sends all traffic to its version."""


class NotFit(Exception):
    """A version does not answer as it should. The traffic stays where it is."""


@dataclass(frozen=True, slots=True)
class Live:
    """The state of the alias.

    `version` has the traffic, except the `share` that a `canary` receives. `earlier`
    are the versions that were live before, the latest first.
    """

    version: str
    canary: str | None = None
    share: float = 0.0
    earlier: tuple[str, ...] = ()


class Versions:
    """The versions of a stage's function. `client` is a boto3 client of Lambda."""

    def __init__(self, stage: Stage, client: Any) -> None:
        self._stage = stage
        self._lambda = client
        self._name = {"FunctionName": stage.function}

    def environment(self) -> dict[str, str] | None:
        """Return the function's own variables, or None if it is not deployed.

        They belong to the newest code, which need not have traffic.
        """
        try:
            return self._variables()
        except self._lambda.exceptions.ResourceNotFoundException:
            return None

    def environment_of(self, version: str) -> dict[str, str]:
        """Return the variables that were published with a version."""
        return self._variables(Qualifier=version)

    def set_environment(self, variables: Mapping[str, str]) -> None:
        """Set the variables that the next version begins with. They get no traffic.

        Zappa keeps the function's variables, so an update after a failed one would
        otherwise begin with the variables that failed.
        """
        if self.environment() == variables:
            return

        self._wait("function_updated_v2")
        self._lambda.update_function_configuration(
            **self._name, Environment={"Variables": dict(variables)}
        )
        self._wait("function_updated_v2")

    def live(self) -> Live | None:
        """Return the state of the alias, or None if there is no alias yet."""
        try:
            alias = self._lambda.get_alias(**self._name, Name=ALIAS)
        except self._lambda.exceptions.ResourceNotFoundException:
            return None

        weights = _weights(alias)
        canary, share = next(iter(weights.items()), (None, 0.0))
        words = alias.get("Description", "").split()
        earlier = tuple(word for word in words if word.isdigit())
        return Live(alias["FunctionVersion"], canary, share, earlier)

    def published(self) -> list[dict[str, Any]]:
        """Return the configuration of every version, the newest first."""
        configurations = self._all("list_versions_by_function", "Versions")
        published = [
            configuration
            for configuration in configurations
            if configuration["Version"] != "$LATEST"
        ]
        return sorted(published, key=_version_number, reverse=True)

    def publish(self) -> str:
        """Publish the current code and environment and return the version.

        AWS returns the latest version again if the function has not changed since.
        """
        self._wait("function_updated_v2")
        version = str(self._lambda.publish_version(**self._name)["Version"])
        self._wait("published_version_active", Qualifier=version)
        return version

    def check(
        self, version: str, *, paths: Sequence[str] = ("/healthz", "/readyz")
    ) -> None:
        """Invoke a version directly and raise `NotFit` unless every path answers 200.

        The calls do not pass through API Gateway.
        """
        environment = {**self.environment_of(version), **self._stage.environment}
        for path in paths:
            event = api_gateway_event("GET", path, environment)
            answer = self._lambda.invoke(
                **self._name, Qualifier=version, Payload=json.dumps(event).encode()
            )
            text = answer["Payload"].read().decode()
            if answer.get("FunctionError"):
                raise NotFit(f"Version {version} fails at {path}: {text[:500]}")
            if json.loads(text).get("statusCode") != 200:
                raise NotFit(f"Version {version} answers {path} with {text[:500]}")

    def promote(self, version: str, *, share: float = 1.0) -> None:
        """Move the traffic to a version, or a share of it if `share` is below 1."""
        live = self.live()
        if live is None:
            self._lambda.create_alias(**self._name, Name=ALIAS, FunctionVersion=version)
        elif share < 1:
            weights = {"AdditionalVersionWeights": {version: share}}
            self._update_alias(RoutingConfig=weights)
        else:
            self._update_alias(
                FunctionVersion=version,
                Description=" ".join(_earlier_versions(live, version)),
                RoutingConfig=NO_WEIGHTS,
            )

    def end_canary(self) -> None:
        """Send all traffic to the version that the alias names."""
        self._update_alias(RoutingConfig=NO_WEIGHTS)

    def try_out(
        self,
        version: str,
        *,
        share: float,
        minutes: float,
        is_alarmed: Callable[[], list[str]],
        sleep: Callable[[float], None],
    ) -> list[str]:
        """Shift a share of the traffic to a version, wait, then shift all of it.

        Roll back if an alarm fires or the process is interrupted. Return the names of
        the alarms.
        """
        checks = max(1, round(minutes * 60 / SECONDS_BETWEEN_ALARM_CHECKS))
        self.promote(version, share=share)
        try:
            for _ in range(checks):
                sleep(SECONDS_BETWEEN_ALARM_CHECKS)
                alarms = is_alarmed()
                if alarms:
                    self.end_canary()
                    return alarms
        except BaseException:
            self.end_canary()
            raise

        self.promote(version)
        return []

    def prune(self, *, keep: int = VERSIONS_KEPT) -> list[str]:
        """Delete versions and return their numbers, the oldest first.

        The versions of aliases, the newest version and the last `keep` live versions
        remain.
        """
        published = [configuration["Version"] for configuration in self.published()]
        live = self.live()
        earlier = live.earlier[:keep] if live else ()
        newest = published[:1]

        kept = {*earlier, *newest, *self._aliased()}
        deleted = sorted(set(published) - kept, key=int)
        for version in deleted:
            self._lambda.delete_function(**self._name, Qualifier=version)
        return deleted

    def lines(self) -> Iterator[str]:
        """Yield a line per version: number, time, description and share of traffic."""
        live = self.live() or Live("")
        for configuration in self.published():
            number = configuration["Version"]
            published_at = configuration["LastModified"][:19]
            description = configuration.get("Description", "")
            traffic = _traffic(number, live)
            line = f"{number:>5}  {published_at}  {description:40}  {traffic}"
            yield line.rstrip()

    def _variables(self, **qualifier: str) -> dict[str, str]:
        configuration = self._lambda.get_function_configuration(
            **self._name, **qualifier
        )
        return dict(configuration.get("Environment", {}).get("Variables", {}))

    def _aliased(self) -> set[str]:
        """Return every version that an alias sends traffic to."""
        aliased: set[str] = set()
        for alias in self._all("list_aliases", "Aliases"):
            aliased.add(alias["FunctionVersion"])
            aliased.update(_weights(alias))
        return aliased

    def _all(self, operation: str, member: str) -> list[dict[str, Any]]:
        """Return the items of every page of an operation."""
        pages = self._lambda.get_paginator(operation).paginate(**self._name)
        return [item for page in pages for item in page[member]]

    def _update_alias(self, **changes: Any) -> None:
        self._lambda.update_alias(**self._name, Name=ALIAS, **changes)

    def _wait(self, waiter: str, **qualifier: str) -> None:
        self._lambda.get_waiter(waiter).wait(**self._name, **qualifier)


def _weights(alias: Mapping[str, Any]) -> dict[str, float]:
    """Return the shares of traffic that an alias sends to versions besides its own."""
    weights = alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
    return dict(weights)


def _version_number(configuration: Mapping[str, Any]) -> int:
    return int(configuration["Version"])


def _earlier_versions(live: Live, promoted: str) -> list[str]:
    """Return the versions to list as earlier ones once another is promoted."""
    candidates = dict.fromkeys((live.version, *live.earlier))
    earlier = [version for version in candidates if version != promoted]
    return earlier[:VERSIONS_KEPT]


def _traffic(version: str, live: Live) -> str:
    if version == live.version:
        return "live"
    if version == live.canary:
        return f"tries {live.share:.0%} of the traffic"
    if version in live.earlier:
        return "was live"
    return ""
