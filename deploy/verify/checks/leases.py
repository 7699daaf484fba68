"""Checks of the life of a lease: renewals, expiry, endings and takeovers."""

from collections.abc import Mapping
from typing import Any

import httpx

from deploy.verify.checks.check import expect_problem, promise
from deploy.verify.service import DeployedService, Skipped, expect, summary


@promise(
    "a slot that was taken over stays lost to the player before",
    "epochs: is an older release still serving?",
)
def fenced(service: DeployedService) -> str:
    """Start twice on one device. The first token can neither renew nor stop."""
    user = service.new_user()
    first, second = user.started("tv"), user.started("tv")
    epochs = first["epoch"], second["epoch"]
    expect(epochs[1] > epochs[0], f"epochs {epochs[0]}, then {epochs[1]}")

    for call in (user.renew, user.stop):
        answer = call(first)
        expect_problem(answer, 410, "stream-ended")
        reason = answer.json()["reason"]
        expect(reason == "taken-over", f"reason {reason}")

    answer = user.renew(second)
    expect(answer.status_code == 200, f"the new player's heartbeat: {summary(answer)}")
    return "410 taken-over"


@promise(
    "who holds a slot renews at the limit",
    "the heartbeat's way: throttling, a web ACL, old tokens' keys",
)
def holders_renew(service: DeployedService) -> str:
    """Renew each stream at the limit, and again with the token of the first answer."""
    user = service.new_user()
    for stream in user.fill():
        for _ in range(2):
            answer = user.renew(stream)
            is_renewed = answer.status_code == 200
            expect(is_renewed, f"a heartbeat at the limit: {summary(answer)}")
            stream |= answer.json()
    return "200 each time"


@promise(
    "a device that crashed starts again at once, in its own slot",
    "ids: does the player send a deviceId?",
)
def own_slot(service: DeployedService) -> str:
    """Start again on a device that holds a slot, at the limit."""
    user = service.new_user()
    first = user.fill()[0]
    answer = user.start(first["deviceId"])
    expect(answer.status_code == 200, summary(answer))
    return "200 at the limit"


@promise(
    "a crashed player's slot is free when its lease has ended",
    "clocks of the instances; a cache in front",
)
def ghosts(service: DeployedService) -> str:
    """Fill the slots, wait until the leases expire, and start on another device."""
    user = service.new_user()
    lease_seconds = max(stream["leaseSeconds"] for stream in user.fill())
    wait_seconds = lease_seconds + 1
    if lease_seconds > service.patience_seconds:
        raise Skipped(
            f"leases last {lease_seconds:g} s: --patience {wait_seconds:g} would wait "
            "for their end"
        )

    service.sleep(wait_seconds)
    answer = user.start("newcomer")
    expect(answer.status_code == 201, f"{wait_seconds:g} s later: {summary(answer)}")

    held = user.listed_ids()
    expect(held == ["newcomer"], f"and {held} hold a slot")
    return f"after {lease_seconds:g} s"


@promise(
    "a player's stop frees its slot at once, and can be repeated",
    "POST …/stop on its way to the service",
)
def stop(service: DeployedService) -> str:
    """Stop a stream twice at the limit, and start another one."""
    user = service.new_user()
    stream = user.fill()[0]
    statuses = [user.stop(stream).status_code for _ in range(2)]
    expect(statuses == [204, 204], f"twice: {statuses}")

    answer = user.start("next")
    expect(answer.status_code == 201, f"the next start: {summary(answer)}")
    return "204, 204, then a 201"


@promise(
    "a player whose stream is over learns the reason",
    "a proxy that rewrites 4xx answers",
)
def ended_says_why(service: DeployedService) -> str:
    """End one stream from outside and replace another one by a new device."""
    user = service.new_user()
    if user.limit() < 2:
        raise Skipped("needs a limit of two")

    stopped, replaced = user.started("a"), user.started("b")
    expect(user.end("a").status_code == 204, "DELETE did not answer 204")
    user.started("c", replace=["b"])

    _expect_ending(user.renew(stopped), reason="stopped", ended_by=None)
    _expect_ending(user.renew(replaced), reason="replaced", ended_by="c")
    return "stopped; replaced by c"


def _expect_ending(
    answer: httpx.Response, *, reason: str, ended_by: str | None
) -> None:
    expect_problem(answer, 410, "stream-ended")
    body: Mapping[str, Any] = answer.json()
    observed = body["reason"], body.get("endedBy")
    expected = reason, ended_by
    expect(observed == expected, f"{observed} instead of {expected}")
    expect(bool(body["endedAt"]), "without endedAt")
