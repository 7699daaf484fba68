"""Reserved concurrency of the function, and the account's quotas."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from deploy.infrastructure.changes import Change
from deploy.infrastructure.stage_file import StageFile
from stages import Stage

UNRESERVED = 100
"""Instances that Lambda keeps for functions without a reservation."""


def concurrency_changes(
    stage: Stage, file: StageFile, lambda_client: Any
) -> Iterator[Change]:
    """Yield the change of the reserved concurrency, if the file names another one.

    A 0 stays: an operator set it to stop an incident.
    """
    if file.concurrency is None:
        return

    reserved = _reserved(stage, lambda_client)
    if reserved in (0, file.concurrency):
        return
    put = partial(
        lambda_client.put_function_concurrency,
        FunctionName=stage.function,
        ReservedConcurrentExecutions=file.concurrency,
    )
    yield Change(
        subject="concurrency",
        name="concurrency",
        before=reserved,
        after=file.concurrency,
        apply=put,
        can_lower=True,
    )


def _reserved(stage: Stage, lambda_client: Any) -> int | None:
    try:
        answer = lambda_client.get_function_concurrency(FunctionName=stage.function)
    except lambda_client.exceptions.ResourceNotFoundException:
        return None
    reserved: int | None = answer.get("ReservedConcurrentExecutions")
    return reserved


def check_quotas(
    stage: Stage, file: StageFile, *, lambda_client: Any, apigateway: Any
) -> None:
    """Raise `LookupError` with each quota of the account that the stage exceeds."""
    problems = [
        *_concurrency_problems(stage, file, lambda_client),
        *_rate_problems(file, apigateway),
    ]
    if problems:
        raise LookupError(
            "The account's quotas are too low. No change was made.\n"
            + "\n".join(f"- {problem}" for problem in problems)
        )


def _concurrency_problems(
    stage: Stage, file: StageFile, lambda_client: Any
) -> Iterator[str]:
    if not file.concurrency:
        return

    limits = lambda_client.get_account_settings()["AccountLimit"]
    own = _reserved(stage, lambda_client) or 0
    available = limits["UnreservedConcurrentExecutions"] + own - UNRESERVED
    if file.concurrency <= available:
        return
    total = limits["ConcurrentExecutions"] + file.concurrency - available
    yield (
        f"Lambda can reserve {max(0, available)} instances, and the stage reserves "
        f"{file.concurrency}. Ask AWS to raise 'Concurrent executions' (L-B99A9384) "
        f"to {total}, or set reserve = false: the stage then shares the account's "
        "instances with other functions."
    )


def _rate_problems(file: StageFile, apigateway: Any) -> Iterator[str]:
    quota = apigateway.get_account().get("throttleSettings", {})
    limit = quota.get("rateLimit")
    if file.rate is None or limit is None or file.rate <= limit:
        return
    yield (
        f"API Gateway serves {limit:g} requests per second in this account, and the "
        f"stage needs {file.rate:g}. Ask AWS to raise 'Throttle rate' (L-8A5B8E43)."
    )
