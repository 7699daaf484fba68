"""The promises of the service, in the order in which they are checked."""

from collections.abc import Iterator

from deploy.verify.checks import access, answers, leases, limits, pairs
from deploy.verify.checks.check import Check, Result, percentile, run_checks
from deploy.verify.service import DeployedService

__all__ = ["CHECKS", "Check", "Result", "percentile", "results"]

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
