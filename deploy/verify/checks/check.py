"""A check: a promise of the service, and the function that tests it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import httpx

from deploy.verify.service import DeployedService, Skipped, Wrong, expect, summary

PROBLEM = "application/problem+json"

type Run = Callable[[DeployedService], str]
"""Tests a promise and returns the observation, or raises `Wrong` or `Skipped`."""


@dataclass(frozen=True, slots=True)
class Check:
    """A promise.

    `name` is for programs, `promise` is the sentence for people, and `advice` says what
    to look at if the promise does not hold.
    """

    name: str
    promise: str
    advice: str
    run: Run


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of a check, with the observation that led to it."""

    check: Check
    outcome: Literal["passed", "failed", "skipped"]
    observation: str


def promise(sentence: str, advice: str) -> Callable[[Run], Check]:
    """Make a check of a function. Its name comes from the function's name."""

    def make_check(run: Run) -> Check:
        return Check(run.__name__.replace("_", "-"), sentence, advice, run)

    return make_check


def run_checks(checks: Sequence[Check], service: DeployedService) -> Iterator[Result]:
    """Run the checks in order.

    The first check tells whether the service answers. If it fails, the others are
    skipped.
    """
    is_reachable = True
    for number, check in enumerate(checks):
        if not is_reachable:
            yield Result(check, "skipped", "the service does not answer")
            continue

        result = _run(check, service)
        if number == 0:
            is_reachable = result.outcome != "failed"
        yield result


def expect_problem(answer: httpx.Response, status: int, type: str) -> None:
    """Raise `Wrong` unless an answer is a problem of this status and type."""
    is_status = answer.status_code == status
    expect(is_status, f"{summary(answer)} instead of {status} {type}")

    media_type = answer.headers.get("Content-Type", "")
    expect(
        media_type.startswith(PROBLEM),
        f"{status} has the media type {media_type or 'none'} instead of {PROBLEM}",
    )

    is_type = answer.json()["type"] == type
    expect(is_type, f"{summary(answer)} instead of {type}")


def percentile(values: list[float], percent: float) -> float:
    """Return the smallest value that at least `percent` of the values do not exceed."""
    ordered = sorted(values)
    rank = -int(-len(ordered) * percent // 100)
    return ordered[max(0, rank - 1)]


def _run(check: Check, service: DeployedService) -> Result:
    try:
        return Result(check, "passed", check.run(service))
    except Skipped as exc:
        return Result(check, "skipped", str(exc))
    except Wrong as exc:
        return Result(check, "failed", str(exc))
    except httpx.HTTPError as exc:
        reason = str(exc) or type(exc).__name__
        return Result(check, "failed", f"no answer: {reason}")
    except (KeyError, TypeError, ValueError) as exc:
        return Result(check, "failed", f"the answer is not the API's: {exc!r}")
