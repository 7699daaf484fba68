"""The published versions of a function, and the alias that receives the traffic.

Each update publishes code and environment together as one version, which never changes.
API Gateway invokes the alias `live`. Only this module moves the alias, and only to a
version that has answered. A move, forward or back, takes less than a second. The
alias's description lists the versions that were live before, the latest first.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import WaiterError

from deploy.package import api_gateway_event
from stages import ALIAS, Stage

VERSIONS_KEPT = 5
"""How many earlier live versions remain for a rollback.

With SnapStart, AWS charges for each version per hour.
"""

NO_WEIGHTS: Mapping[str, Any] = {"AdditionalVersionWeights": {}}
"""The routing of an alias that sends all traffic to its version."""


class NotFit(Exception):
    """A version does not answer as it should. The traffic stays where it is."""


class Overtaken(LookupError):
    """Another release changed the function or its alias since this one began."""


@dataclass(frozen=True, slots=True)
class Code:
    """Code, environment and description of a version, or of the function itself.

    The function's own are those that the next version is published with.
    """

    sha256: str
    variables: Mapping[str, str]
    description: str = ""


@dataclass(frozen=True, slots=True)
class Live:
    """The state of the alias.

    `version` has the traffic, except the `share` that a `canary` receives. `earlier`
    are the versions that were live before, the latest first. `revision` changes with
    each change of the alias.
    """

    version: str
    canary: str | None = None
    share: float = 0.0
    earlier: tuple[str, ...] = ()
    revision: str = field(default="", compare=False)


class Versions:
    """The versions of a stage's function. `client` is a boto3 client of Lambda."""

    def __init__(self, stage: Stage, client: Any) -> None:
        self._stage = stage
        self._lambda = client
        self._name = {"FunctionName": stage.function}

    def newest(self) -> Code | None:
        """Return the function's own code, which need not have traffic.

        None if the function is not deployed.
        """
        try:
            return _code(self._configuration())
        except self._lambda.exceptions.ResourceNotFoundException:
            return None

    def code_of(self, version: str) -> Code:
        """Return the code that was published as a version."""
        return _code(self._configuration(Qualifier=version))

    def environment(self) -> dict[str, str] | None:
        """Return the function's own variables, or None if it is not deployed."""
        newest = self.newest()
        return None if newest is None else dict(newest.variables)

    def environment_of(self, version: str) -> dict[str, str]:
        """Return the variables that were published with a version."""
        return dict(self.code_of(version).variables)

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
            return _live(self._lambda.get_alias(**self._name, Name=ALIAS))
        except self._lambda.exceptions.ResourceNotFoundException:
            return None

    def published(self) -> list[dict[str, Any]]:
        """Return the configuration of every version, the newest first."""
        configurations = self._all("list_versions_by_function", "Versions")
        published = [
            configuration
            for configuration in configurations
            if configuration["Version"] != "$LATEST"
        ]
        return sorted(published, key=_version_number, reverse=True)

    def publish(self, intended: Code) -> str:
        """Publish the function as a version, and return it.

        AWS returns the latest version again if the function has not changed since.

        Raises:
            Overtaken: the function is not what this release intends to publish.
            NotFit: the version fails to initialise.
        """
        self._wait("function_updated_v2")
        configuration = self._configuration()
        _expect("The function", _code(configuration), intended)
        try:
            published = self._lambda.publish_version(
                **self._name,
                CodeSha256=intended.sha256,
                RevisionId=configuration["RevisionId"],
            )
        except self._lambda.exceptions.PreconditionFailedException as exc:
            raise Overtaken(
                "Another release changed the function meanwhile. Run this again."
            ) from exc

        version = str(published["Version"])
        self.wait_until_active(version)
        _expect(f"Version {version}", self.code_of(version), intended)
        return version

    def wait_until_active(self, version: str) -> None:
        """Wait until a version is initialised; with SnapStart, until its snapshot is.

        Raises:
            NotFit: the version failed, with AWS's reason.
        """
        try:
            self._wait("published_version_active", Qualifier=version)
        except WaiterError as exc:
            configuration = self._configuration(Qualifier=version)
            reason = configuration.get("StateReason") or exc
            raise NotFit(
                f"Version {version} fails to initialise: {reason} "
                f"(zappa tail {self._stage.name} shows its log.)"
            ) from exc

    def check(
        self, version: str, *, paths: Sequence[str] = ("/healthz", "/readyz")
    ) -> None:
        """Invoke a version directly and raise `NotFit` unless every path answers 200.

        The calls do not pass through API Gateway.
        """
        environment = {**self.environment_of(version), **self._stage.environment}
        for path in paths:
            answer = self.invoke(version, api_gateway_event("GET", path, environment))
            if answer.get("statusCode") != 200:
                raise NotFit(f"Version {version} answers {path} with {answer}"[:500])

    def invoke(self, version: str, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return a version's answer to an event.

        Raises:
            NotFit: the version fails, or no instance can start.
        """
        try:
            answer = self._lambda.invoke(
                **self._name, Qualifier=version, Payload=json.dumps(event).encode()
            )
        except self._lambda.exceptions.TooManyRequestsException as exc:
            raise NotFit(
                f"Version {version} gets no instance. The reserved concurrency may be "
                f"0, or the account's is exhausted: {exc}"
            ) from exc

        text = answer["Payload"].read().decode()
        if answer.get("FunctionError"):
            raise NotFit(f"Version {version} fails: {text[:500]}")
        return dict(json.loads(text))

    def promote(self, version: str, before: Live | None, *, share: float = 1.0) -> Live:
        """Move the traffic to a version, or a share of it if `share` is below 1.

        `before` is the state of the alias when this release began. Return the new one.

        Raises:
            Overtaken: the alias has changed since, with the version that is live now.
        """
        if before is None:
            return self._create_alias(version)
        if share < 1:
            weights = {"AdditionalVersionWeights": {version: share}}
            return self._update_alias(before, RoutingConfig=weights)
        return self._update_alias(
            before,
            FunctionVersion=version,
            Description=" ".join(_earlier_versions(before, version)),
            RoutingConfig=NO_WEIGHTS,
        )

    def end_canary(self, before: Live) -> None:
        """Send all traffic to the version that the alias names."""
        self._update_alias(before, RoutingConfig=NO_WEIGHTS)

    def undo(self, promoted: Live, before: Live) -> None:
        """Move the traffic back to the version that was live before a promotion."""
        self._update_alias(
            promoted,
            FunctionVersion=before.version,
            Description=" ".join(before.earlier),
            RoutingConfig=NO_WEIGHTS,
        )

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

    def delete_function(self) -> None:
        """Delete the function with all its versions."""
        self._lambda.delete_function(**self._name)

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

    def _configuration(self, **qualifier: str) -> dict[str, Any]:
        configuration: dict[str, Any] = self._lambda.get_function_configuration(
            **self._name, **qualifier
        )
        return configuration

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

    def _create_alias(self, version: str) -> Live:
        exceptions = self._lambda.exceptions
        try:
            alias = self._lambda.create_alias(
                **self._name, Name=ALIAS, FunctionVersion=version
            )
        except exceptions.ResourceConflictException as exc:
            raise self._overtaken() from exc
        return _live(alias)

    def _update_alias(self, before: Live, **changes: Any) -> Live:
        exceptions = self._lambda.exceptions
        try:
            alias = self._lambda.update_alias(
                **self._name, Name=ALIAS, RevisionId=before.revision, **changes
            )
        except exceptions.PreconditionFailedException as exc:
            raise self._overtaken() from exc
        return _live(alias)

    def _overtaken(self) -> Overtaken:
        """Return the error that names the version which another release made live."""
        live = self.live() or Live("")
        version = live.canary or live.version
        description = self.code_of(version).description
        return Overtaken(
            f"Another release moved the traffic meanwhile, to version {version} "
            f"({description}). Run this again if yours must replace it."
        )

    def _wait(self, waiter: str, **qualifier: str) -> None:
        self._lambda.get_waiter(waiter).wait(**self._name, **qualifier)


def _code(configuration: Mapping[str, Any]) -> Code:
    return Code(
        sha256=configuration["CodeSha256"],
        variables=configuration.get("Environment", {}).get("Variables", {}),
        description=configuration.get("Description", ""),
    )


def _expect(subject: str, actual: Code, intended: Code) -> None:
    """Raise `Overtaken` with the parts of a version that differ from the intended."""
    names = ("sha256", "variables", "description")
    parts = {"sha256": "code", "variables": "environment"}
    differing = [
        parts.get(name, name)
        for name in names
        if getattr(actual, name) != getattr(intended, name)
    ]
    if differing:
        raise Overtaken(
            f"{subject} has another {' and '.join(differing)} than this release gave "
            f"it: {actual.description} changed it meanwhile. Run this again."
        )


def _live(alias: Mapping[str, Any]) -> Live:
    """Return the state of an alias that AWS describes."""
    weights = _weights(alias)
    canary, share = next(iter(weights.items()), (None, 0.0))
    words = alias.get("Description", "").split()
    return Live(
        version=alias["FunctionVersion"],
        canary=canary,
        share=share,
        earlier=tuple(word for word in words if word.isdigit()),
        revision=alias["RevisionId"],
    )


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
