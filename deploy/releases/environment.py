"""The environment that a function will have after an update, as Zappa merges it.

Variables come from two places. `environment_variables` of `zappa_settings.json` ship
in the package, and Zappa's handler sets them at start-up, over all others. Variables of
the shell become the function's own environment, which AWS encrypts. Zappa keeps the
function's variables that an update does not name, so a variable that is left out stays
until it is unset.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from stages import Stage, comma_separated
from streams.edge_keys import PEM
from streams_project.references import PREFIXES

FROM_THE_SHELL = (
    "API_KEYS",
    "AUTH_AUDIENCE",
    "AUTH_ISSUER",
    "AUTH_JWKS",
    "AUTH_JWT_SECRETS",
    "AUTH_TRUST_STREAM_LIMIT",
    "AUTH_TRUST_STREAM_PLAN",
    "CORS_ALLOWED_ORIGINS",
    "EDGE_TOKEN_KEYS",
    "HASH_KEY",
    "LEASE_TOKEN_KEYS",
)
"""The variables that come from the operator's shell, never from the repository.

A value can be a reference to a secret in AWS: `ssm:NAME` or `secretsmanager:NAME`.
"""

NEW_EACH_TIME = "RELEASE_KEY"
"""The variable with the hash of a release's own key."""

NOT_ON_CLOUDFRONT_FUNCTIONS = (
    "signed with a PEM key. CloudFront Functions cannot check them, since they have no "
    "public-key cryptography: use Lambda@Edge, an origin, or an HMAC secret."
)


@dataclass(frozen=True, slots=True)
class Environment:
    """The variables of a function.

    `of_lambda` is the function's own environment. `effective` are the variables that
    the service reads at start-up.
    """

    of_lambda: dict[str, str]
    effective: dict[str, str]


def shell_variables(shell: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables of the shell that the service reads."""
    shell = os.environ if shell is None else shell
    return {name: shell[name] for name in FROM_THE_SHELL if shell.get(name)}


def merged_environment(
    stage: Stage,
    *,
    remote: Mapping[str, str],
    shell: Mapping[str, str],
    unset: Iterable[str] = (),
) -> Environment:
    """Return the environment after an update, merged as Zappa merges it.

    `remote` is the function's own environment before the update.
    """
    removed = set(unset)
    kept = {name: value for name, value in remote.items() if name not in removed}
    of_lambda = {**kept, **_lambda_variables(stage), **shell}

    effective = dict(of_lambda)
    if stage.region:
        effective["AWS_REGION"] = stage.region
    effective |= stage.environment

    return Environment(of_lambda, effective)


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    """Yield one line per variable that differs.

    Values appear as the first digits of their hash. An operator can compare two shells
    by them, and they reveal no secret.
    """
    for name in sorted((before.keys() | after.keys()) - {NEW_EACH_TIME}):
        old, new = before.get(name), after.get(name)
        if old != new:
            yield f"{name}: {_digest(old)} -> {_digest(new)}"


def unset_problems(
    unset: Iterable[str],
    stage: Stage,
    *,
    remote: Mapping[str, str],
    shell: Mapping[str, str],
) -> Iterator[str]:
    """Yield the reason for each variable that `unset` cannot remove."""
    for name in unset:
        if name in shell:
            yield (
                f"{name} is to be unset, and the shell sets it: remove it from one of "
                "the two."
            )
        elif name in _lambda_variables(stage):
            yield (
                f"{name} is to be unset, and the stage's aws_environment_variables set "
                "it: remove it there."
            )
        elif name not in remote and name not in FROM_THE_SHELL:
            existing = ", ".join(sorted(remote)) or "none"
            yield f"{name} is to be unset, and the function has only {existing}."


def needs_cryptography(variables: Mapping[str, str]) -> bool:
    """Return whether viewers' tokens or edge tokens can use public-key cryptography.

    A reference counts, because the secret in AWS can be such a key.
    """
    if variables.get("AUTH_JWKS"):
        return True
    edge_keys = comma_separated(variables.get("EDGE_TOKEN_KEYS"))
    return any(key.startswith((PEM, *PREFIXES)) for key in edge_keys)


def _lambda_variables(stage: Stage) -> dict[str, str]:
    """Return the variables that the stage sets in the function's own environment."""
    variables = stage.settings.get("aws_environment_variables") or {}
    return {name: str(value) for name, value in variables.items()}


def _digest(value: str | None) -> str:
    if value is None:
        return "none"
    return f"sha256 {hashlib.sha256(value.encode()).hexdigest()[:8]}"
