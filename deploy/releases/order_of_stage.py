"""Reads the versions of a stage, and confirms changes that are out of order."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from click import ClickException

from deploy.releases.order import (
    CANARY,
    Facts,
    OutOfOrder,
    commit_of,
    out_of_order,
    plans_of,
    published_at,
)
from deploy.releases.versions import Live, Versions
from stages import Stage, resolve


def changes_out_of_order(
    stage: Stage,
    live: Live,
    after: Mapping[str, str],
    *,
    version: str | None = None,
    canary_minutes: float | None = None,
) -> list[OutOfOrder]:
    """Return the changes from the live version that are out of order.

    `after` are the variables of the next version, and `version` is its number if it is
    published already.
    """
    versions = Versions(stage, stage.client("lambda"))
    numbers = [live.version, *live.earlier]
    before, *earlier = _facts_of(stage, versions, numbers)
    if version is None:
        new = _facts(stage, after)
    else:
        [new] = _facts_of(stage, versions, [version])

    canary = CANARY if canary_minutes is None else timedelta(minutes=canary_minutes)
    return list(
        out_of_order(before, new, earlier, now=datetime.now(UTC), canary=canary)
    )


def _facts_of(stage: Stage, versions: Versions, numbers: Sequence[str]) -> list[Facts]:
    """Return the facts about published versions."""
    published = {
        configuration["Version"]: configuration
        for configuration in versions.published()
    }
    facts = []
    for number in numbers:
        code = versions.code_of(number)
        facts.append(
            _facts(
                stage,
                code.variables,
                commit=commit_of(code.description),
                published=published_at(published.get(number, {})),
            )
        )
    return facts


def _facts(
    stage: Stage,
    variables: Mapping[str, str],
    *,
    commit: str | None = None,
    published: datetime | None = None,
) -> Facts:
    effective = {**variables, **stage.environment}
    with suppress(ClickException):
        effective |= resolve(effective, stage.client)
    return Facts(
        variables=effective,
        plans=plans_of(effective, commit),
        published_at=published,
    )
