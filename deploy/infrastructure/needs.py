"""Tables and secrets that the function's role must reach.

The role serves each version that can get traffic: the live one, those before it, and
the next one. Their tables and secrets are its list parameters, which only `--prune`
narrows.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from deploy.infrastructure.parameters import NO_ARNS, Parameters
from stages import Stage
from stages.references import secret_arns

TABLE = "DYNAMODB_TABLE"


def tables_of(
    stage: Stage,
    environments: Iterable[Mapping[str, str]],
    previous: Parameters,
    *,
    account: str,
    prune: bool = False,
) -> list[str]:
    """Return the ARNs of the tables that the versions use.

    A version whose own environment names no table has its table in the package, which
    is not read here, so that pruning keeps the previous tables then.
    """
    environments = list(environments)
    names = {environment.get(TABLE) for environment in environments}
    prefix = f"arn:aws:dynamodb:{stage.region}:{account}:table/"
    arns = {f"{prefix}{name}" for name in {stage.table, *names} if name}

    if prune and None not in names:
        return sorted(arns)
    return sorted(arns | _listed(previous.get("Tables", "")))


def secrets_of(
    stage: Stage,
    environments: Iterable[Mapping[str, str]],
    previous: Parameters,
    *,
    account: str,
    prune: bool = False,
) -> list[str]:
    """Return the ARNs of the parameters and secrets that the environments refer to."""
    arns: set[str] = set()
    for environment in environments:
        arns |= secret_arns(environment, region=str(stage.region), account=account)

    if prune:
        return sorted(arns)
    return sorted(arns | _listed(previous.get("Secrets", "")))


def environments_of(stage: Stage, lambda_client: Any) -> list[dict[str, str]]:
    """Return the environment of each published version of the function."""
    pages = lambda_client.get_paginator("list_versions_by_function").paginate(
        FunctionName=stage.function
    )
    try:
        versions = [version for page in pages for version in page["Versions"]]
    except lambda_client.exceptions.ResourceNotFoundException:
        return []
    return [
        version.get("Environment", {}).get("Variables", {})
        for version in versions
        if version["Version"] != "$LATEST"
    ]


def _listed(value: str) -> set[str]:
    return {arn for arn in value.split(",") if arn not in ("", NO_ARNS)}
