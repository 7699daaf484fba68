"""Finds errors in an environment that the service would not report, or too late."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from deploy.package import OWN_FOLDERS, own_files
from deploy.releases.environment import Environment
from stages import comma_separated
from streams.edge_keys import IN_A_FILE
from streams_project.references import PREFIXES

KEY_VARIABLES = ("LEASE_TOKEN_KEYS", "AUTH_JWT_SECRETS", "EDGE_TOKEN_KEYS")
FILE_VARIABLES = ("AUTH_JWKS", "PLANS", "SHADOW_PLANS")
"""The variables that can name a file of the package."""

MAX_BYTES = 4096
"""Lambda's limit for the function's own environment, written as JSON."""

MIN_DIFFERENT_CHARACTERS = 10
WELL_KNOWN = (
    "local-development",
    "change-me",
    "changeme",
    "example",
    "password",
    "secretsecret",
)
"""Parts of keys that appear in documentation and are easy to guess."""

MAKE_A_KEY = "python -c 'import secrets; print(secrets.token_urlsafe(48))'"

VARIABLE_NAME = re.compile(r"[a-zA-Z]\w+", re.ASCII)
RESERVED_BY_LAMBDA = frozenset(
    (
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    )
)
"""Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html"""


def environment_problems(
    environment: Environment, *, resolved: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Yield each problem, with the way to correct it.

    `resolved` contains the values of references to secrets.
    """
    values = {**environment.effective, **(resolved or {})}

    yield from _name_problems(environment)
    yield from _size_problems(environment)
    yield from _debug_problems(environment, values)
    yield from _file_problems(values)
    yield from _key_problems(values)
    yield from _equal_key_problems(values)


def _name_problems(environment: Environment) -> Iterator[str]:
    for name in sorted(environment.of_lambda):
        if name in RESERVED_BY_LAMBDA or not VARIABLE_NAME.fullmatch(name):
            yield (
                f"{name} cannot be set: Lambda reserves the name or does not accept "
                "it. Remove it."
            )


def _size_problems(environment: Environment) -> Iterator[str]:
    text = json.dumps(environment.of_lambda, separators=(",", ":"), ensure_ascii=False)
    size = len(text.encode())
    if size > MAX_BYTES:
        yield (
            f"The function's environment would have {size} bytes, of at most "
            f"{MAX_BYTES}: AWS refuses it after the code is live. Keep long values in "
            "AWS, by reference (ssm:NAME, secretsmanager:NAME)."
        )


def _debug_problems(
    environment: Environment, values: Mapping[str, str]
) -> Iterator[str]:
    if values.get("DEBUG", "").strip().lower() not in ("1", "true", "yes"):
        return
    is_in_lambda = "DEBUG" in environment.of_lambda
    remedy = "UNSET=DEBUG" if is_in_lambda else "remove it from the stage"
    yield (
        "DEBUG is set: it is for local development, and opens the API to everyone: "
        f"{remedy}."
    )


def _file_problems(values: Mapping[str, str]) -> Iterator[str]:
    for name in FILE_VARIABLES:
        file = values.get(name, "").strip()
        is_url = "://" in file
        if file and not is_url and file not in own_files():
            yield (
                f"{name} names the file {file!r}, which does not ship: add it to git "
                f"in {', '.join(OWN_FOLDERS)}."
            )

    edge_keys = comma_separated(values.get("EDGE_TOKEN_KEYS"))
    if any(key.startswith(IN_A_FILE) for key in edge_keys):
        yield (
            "EDGE_TOKEN_KEYS names a file, which does not ship. Keep it in AWS, by "
            "reference (secretsmanager:NAME)."
        )


def _key_problems(values: Mapping[str, str]) -> Iterator[str]:
    for name in KEY_VARIABLES:
        keys = comma_separated(values.get(name))
        if len(keys) > 1 and any(key.startswith(PREFIXES) for key in keys):
            yield (
                f"{name} lists a reference, which would itself be used as a key: keep "
                "the whole list in AWS, under one name."
            )
        for key in keys:
            if _is_easy_to_guess(key):
                yield f"{name} holds a key that can be guessed. Make one: {MAKE_A_KEY}"


def _is_easy_to_guess(key: str) -> bool:
    is_reference_or_pem = key.startswith((*PREFIXES, "-----"))
    is_well_known = any(part in key.lower() for part in WELL_KNOWN)
    is_repetitive = len(set(key)) < MIN_DIFFERENT_CHARACTERS
    return (is_well_known or is_repetitive) and not is_reference_or_pem


def _equal_key_problems(values: Mapping[str, str]) -> Iterator[str]:
    keys = [key for name in KEY_VARIABLES for key in comma_separated(values.get(name))]
    if any(count > 1 for count in Counter(keys).values()):
        names = ", ".join(name for name in KEY_VARIABLES if values.get(name))
        yield f"Two keys of {names} are equal: use a different key for each."

    hashes = _api_key_hashes(values)
    if len(set(hashes)) < len(hashes):
        yield "Two of API_KEYS have the same hash: give each back end its own key."
    if any(hashlib.sha256(key.encode()).hexdigest() in hashes for key in keys):
        yield (
            f"One of API_KEYS is also a key of {', '.join(KEY_VARIABLES)}: use a "
            "different key for each."
        )


def _api_key_hashes(values: Mapping[str, str]) -> list[str]:
    """Return the hashes in API_KEYS, whose entries are `name:hash:scopes`."""
    entries = comma_separated(values.get("API_KEYS"))
    return [entry.split(":")[1].lower() for entry in entries if entry.count(":") >= 2]
