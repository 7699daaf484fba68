"""The promises of the service, in the order in which they are checked."""

from collections.abc import Iterator

from deploy.verify.checks import access, answers, leases, limits, pairs, viewing
from deploy.verify.checks.check import Check, Result, percentile, run_checks
from deploy.verify.service import DeployedService

__all__ = ["CHECKS", "Check", "Result", "first_failure", "percentile", "results"]

CHECKS: tuple[Check, ...] = (
    access.reachable,
    access.unauthorised,
    access.forbidden,
    limits.limit_under_a_race,
    limits.idempotent_start,
    leases.fenced,
    limits.denial,
    leases.holders_renew,
    leases.own_slot,
    leases.ghosts,
    leases.stop,
    leases.ended_says_why,
    pairs.one_order,
    answers.clock,
    access.cors,
    answers.headers,
    answers.problems,
    answers.latency,
    answers.left_nothing,
)


def results(service: DeployedService) -> Iterator[Result]:
    """Run every check. The last one erases the users of the others."""
    return run_checks(CHECKS, service)


def first_failure(service: DeployedService) -> str | None:
    """Try the service as one viewer, and return the first failure.

    The check ends the streams that it started, and erases its user if it may.
    """
    checks = (access.reachable, viewing.viewing, answers.left_nothing)
    failures = [
        f"{result.check.promise}: {result.observation}"
        for result in run_checks(checks, service)
        if result.outcome == "failed"
    ]
    return next(iter(failures), None)
