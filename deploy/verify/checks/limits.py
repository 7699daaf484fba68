"""Checks of the limit: races, repeated starts and denials."""

from functools import partial

import httpx

from deploy.verify.checks.check import expect_problem, promise
from deploy.verify.service import DeployedService, VerifiedUser, expect

SAME_DEVICE_AT_ONCE = 4
"""Each start is a new epoch. With edge tokens, a user may have only a few at once."""


@promise(
    "of many starts at once exactly as many as the limit are admitted",
    "the condition of the write",
)
def limit_under_a_race(service: DeployedService) -> str:
    """Start streams on different devices at the same moment."""
    user = service.new_user()
    limit = user.limit()
    number = max(service.at_once, limit + 1)

    starts = [partial(user.start, f"racer-{index}") for index in range(number)]
    statuses = _sorted_statuses(service.ask_concurrently(list(starts)))
    expect(
        statuses == [201] * limit + [409] * (number - limit),
        f"{number} starts, limit {limit}: {_counted(statuses)}",
    )

    active = user.listing()["active"]
    expect(active == limit, f"{limit} were admitted, and {active} hold a slot")
    return f"{number} at once: {_counted(statuses)}"


@promise(
    "one device is one slot, however often it starts",
    "deviceId and Idempotency-Key on their way to the service",
)
def idempotent_start(service: DeployedService) -> str:
    """Repeat a start with the same `deviceId`, and with the same `Idempotency-Key`."""
    user = service.new_user()
    user.limit()
    starts = [partial(user.start, "tv")] * SAME_DEVICE_AT_ONCE
    statuses = _sorted_statuses(service.ask_concurrently(list(starts)))
    expect(
        statuses == [200] * (SAME_DEVICE_AT_ONCE - 1) + [201],
        f"the same device at once: {_counted(statuses)}",
    )

    _expect_one_slot_per_key(service.new_user())
    return f"{SAME_DEVICE_AT_ONCE} at once: {_counted(statuses)}"


@promise(
    "a denial lists who holds the slots, and says when to try again",
    "a proxy that rewrites 4xx answers",
)
def denial(service: DeployedService) -> str:
    """Start one stream too many: 409 with the limit, every holder and `Retry-After`."""
    user = service.new_user()
    holders = user.fill()
    answer = user.start("one-too-many")
    expect_problem(answer, 409, "stream-limit-reached")
    body = answer.json()

    listed = sorted(stream["id"] for stream in body["streams"])
    held = sorted(stream["id"] for stream in holders)
    expect(listed == held, f"it lists {listed or 'no holder'}")
    expect(body["limit"] == len(holders), f"limit {body['limit']}")

    retry_after = answer.headers.get("Retry-After", "")
    longest = max(stream["leaseSeconds"] for stream in holders) + 1
    is_in_lease = retry_after.isdigit() and 1 <= int(retry_after) <= longest
    expect(is_in_lease, f"Retry-After: {retry_after or 'none'}")
    return f"{len(listed)} holders, Retry-After {retry_after}"


def _expect_one_slot_per_key(user: VerifiedUser) -> None:
    key = {"Idempotency-Key": "verify-once"}
    statuses = [user.start(None, headers=key).status_code for _ in range(2)]
    expect(statuses == [201, 200], f"the same Idempotency-Key twice: {statuses}")

    held = user.listed_ids()
    expect(held == ["verify-once"], f"the slots after it are held by {held}")


def _sorted_statuses(answers: list[httpx.Response]) -> list[int]:
    return sorted(answer.status_code for answer in answers)


def _counted(statuses: list[int]) -> str:
    """Return how often each status occurs: `3 × 201, 13 × 409`."""
    counts = {status: statuses.count(status) for status in statuses}
    return ", ".join(f"{count} × {status}" for status, count in counts.items())
