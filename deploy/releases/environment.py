"""The environment that a function will have, as Zappa merges it, and what is wrong with it.

There are two ways in. `environment_variables` of `zappa_settings.json` travel in the package, and Zappa's handler puts
them over everything else when it starts. What comes from the shell goes into the function's own environment, which AWS
encrypts; Zappa keeps what is there already and not said anew, so that leaving a variable out removes nothing.
"""

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from deploy.package import OURS, shipped
from stages import Stage, comma_separated
from streams_project.edge_keys import IN_A_FILE, PEM
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
    "LEASE_TOKEN_KEYS",
)
"""Taken from the shell that deploys; never from a file in the repository. `ssm:NAME` and `secretsmanager:NAME` stand
for what AWS keeps under that name."""
KEYS = ("LEASE_TOKEN_KEYS", "AUTH_JWT_SECRETS", "EDGE_TOKEN_KEYS")
FILES = ("AUTH_JWKS", "PLANS", "SHADOW_PLANS")
"""May name a file of the package."""
NOT_ON_CLOUDFRONT_FUNCTIONS = (
    "signed with a PEM key. CloudFront Functions cannot check them, since they have no public-key cryptography: "
    "use Lambda@Edge, an origin, or an HMAC secret."
)
AT_MOST_BYTES = 4096
"""Lambda's limit for the function's own environment, written as JSON."""
FEWEST_DIFFERENT_CHARACTERS = 10
WELL_KNOWN = (
    "local-development",
    "change-me",
    "changeme",
    "example",
    "password",
    "secretsecret",
)


LAMBDAS_OWN = frozenset(
    ("_HANDLER", "_X_AMZN_TRACE_ID", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV",
     "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION",
     "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
     "AWS_LAMBDA_RUNTIME_API", "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LAMBDA_RUNTIME_DIR",
     "LAMBDA_TASK_ROOT")
)  # fmt: skip
"""Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html"""


@dataclass(frozen=True, slots=True)
class Environment:
    """What Lambda holds for the function, and what the service then finds when it starts."""

    of_lambda: dict[str, str]
    effective: dict[str, str]


def given(shell: Mapping[str, str] | None = None) -> dict[str, str]:
    """What the shell says."""
    shell = os.environ if shell is None else shell
    return {name: shell[name] for name in FROM_THE_SHELL if shell.get(name)}


def will_have(
    stage: Stage,
    *,
    remote: Mapping[str, str],
    shell: Mapping[str, str],
    unset: Iterable[str] = (),
) -> Environment:
    """The environment after a deployment, merged as Zappa merges it."""
    kept = {name: value for name, value in remote.items() if name not in set(unset)}
    of_stage = {
        name: str(value)
        for name, value in (
            stage.settings.get("aws_environment_variables") or {}
        ).items()
    }
    of_lambda = {**kept, **of_stage, **shell}
    region = {"AWS_REGION": stage.region} if stage.region else {}
    return Environment(of_lambda, {**of_lambda, **region, **stage.environment})


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    """What differs, one line each: values by the first digits of their hash, so that two shells can be told apart and
    nothing is given away."""
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield f"{name}: {_digest(before.get(name))} -> {_digest(after.get(name))}"


def _digest(value: str | None) -> str:
    return (
        "none"
        if value is None
        else f"sha256 {hashlib.sha256(value.encode()).hexdigest()[:8]}"
    )


def stays(
    unset: Iterable[str],
    stage: Stage,
    *,
    remote: Mapping[str, str],
    shell: Mapping[str, str],
) -> Iterator[str]:
    """Why one of these variables would still be there afterwards."""
    for name in unset:
        if name in shell:
            yield f"{name} is to be unset, and the shell sets it: take it out of one of the two."
        elif name in (stage.settings.get("aws_environment_variables") or {}):
            yield f"{name} is to be unset, and the stage's aws_environment_variables set it: take it out there."
        elif name not in remote and name not in FROM_THE_SHELL:
            yield f"{name} is to be unset, and the function has only {', '.join(sorted(remote)) or 'none'}."


def logs_everyone_out(before: Mapping[str, str], after: Mapping[str, str]) -> bool:
    """Whether no lease token of now would be good afterwards."""
    then, now = (
        comma_separated(before.get("LEASE_TOKEN_KEYS")),
        comma_separated(after.get("LEASE_TOKEN_KEYS")),
    )
    return bool(then) and not set(then) & set(now)


def needs_cryptography(values: Mapping[str, str]) -> bool:
    """Whether tokens are signed with public-key cryptography: viewers', or edge tokens. What AWS keeps may be such a
    key."""
    return bool(values.get("AUTH_JWKS")) or any(
        key.startswith((PEM, *PREFIXES))
        for key in comma_separated(values.get("EDGE_TOKEN_KEYS"))
    )


def problems(
    environment: Environment, *, resolved: Mapping[str, str] | None = None
) -> Iterator[str]:
    """What the service would not say when it starts, or too late. `resolved` has values in place of references."""
    values = (
        environment.effective
        if resolved is None
        else {**environment.effective, **resolved}
    )
    for name in sorted(environment.of_lambda):
        if name in LAMBDAS_OWN or not re.fullmatch(r"[a-zA-Z]\w+", name, re.ASCII):
            yield f"{name} cannot be set: it is Lambda's own, or no name that Lambda takes. Take it out."
    size = len(
        json.dumps(
            environment.of_lambda, separators=(",", ":"), ensure_ascii=False
        ).encode()
    )
    if size > AT_MOST_BYTES:
        yield (
            f"The function's environment would have {size} bytes, of at most {AT_MOST_BYTES}: AWS refuses it after the "
            "code is live. Keep long values in AWS, by reference (ssm:NAME, secretsmanager:NAME)."
        )
    if values.get("DEBUG", "").strip().lower() in ("1", "true", "yes"):
        where = (
            "UNSET=DEBUG"
            if "DEBUG" in environment.of_lambda
            else "take it out of the stage"
        )
        yield f"DEBUG is set: it is for local development, and opens the API to everyone: {where}."
    for name in FILES:
        file = values.get(name, "").strip()
        if file and "://" not in file and file not in shipped():
            yield f"{name} names the file {file!r}, which does not ship: git has to track it in {', '.join(OURS)}."
    if any(
        key.startswith(IN_A_FILE)
        for key in comma_separated(values.get("EDGE_TOKEN_KEYS"))
    ):
        yield "EDGE_TOKEN_KEYS names a file, which does not ship. Keep it in AWS, by reference (secretsmanager:NAME)."
    yield from _key_problems(values)


def _key_problems(values: Mapping[str, str]) -> Iterator[str]:
    owners: Counter[str] = Counter()
    for name in KEYS:
        keys = comma_separated(values.get(name))
        if len(keys) > 1 and any(key.startswith(PREFIXES) for key in keys):
            yield f"{name} lists a reference, which would be a key itself: keep the whole list in AWS, under one name."
        owners.update(keys)
        for key in keys:
            is_known = any(word in key.lower() for word in WELL_KNOWN)
            if (
                is_known or len(set(key)) < FEWEST_DIFFERENT_CHARACTERS
            ) and not key.startswith((*PREFIXES, "-----")):
                yield f"{name} holds a key that can be guessed. Make one: {MAKE_ONE}"
    if any(number > 1 for number in owners.values()):
        yield f"Two keys of {', '.join(name for name in KEYS if values.get(name))} are equal: each has to be another."
    hashes = [
        part.split(":")[1].lower()
        for part in comma_separated(values.get("API_KEYS"))
        if part.count(":") >= 2
    ]
    if len(set(hashes)) < len(hashes):
        yield "Two of API_KEYS have the same hash: each back end has a key of its own."
    if any(hashlib.sha256(key.encode()).hexdigest() in hashes for key in owners):
        yield f"One of API_KEYS is also a key of {', '.join(KEYS)}: each has to be another."


MAKE_ONE = "python -c 'import secrets; print(secrets.token_urlsafe(48))'"
