"""The check of a release: one viewer, who does what the service is for."""

from typing import Any

from deploy.verify.checks.check import expect_problem, promise
from deploy.verify.service import (
    DeployedService,
    Skipped,
    VerifiedUser,
    expect,
    summary,
)

WRONG_KEY = {"X-API-Key": "wrong"}


@promise(
    "a viewer starts up to the limit, is denied, renews and stops",
    "the log of the function; the credentials of the release",
)
def viewing(service: DeployedService) -> str:
    """Start until a denial, renew, stop, and start with a wrong key."""
    user = service.new_user()
    streams = _started(user)
    for stream in streams[:1]:
        renewed = user.renew(stream)
        expect(renewed.status_code == 200, f"a heartbeat: {summary(renewed)}")
        stopped = user.stop(stream | renewed.json())
        expect(stopped.status_code == 204, f"a stop: {summary(stopped)}")

    wrong = service.ask("refused", "POST", user.streams, credentials=WRONG_KEY)
    expect_problem(wrong, 401, "unauthenticated")
    return f"{len(streams)} starts, a denial, a heartbeat, a stop"


def _started(user: VerifiedUser) -> list[dict[str, Any]]:
    """Start streams of different titles until one is denied.

    Where a start evicts, or the limit is high, one start is tried.
    """
    try:
        starts = user.limit() + 1
    except Skipped:
        starts = 1

    streams: list[dict[str, Any]] = []
    for number in range(starts):
        answer = user.start(f"device-{number}", streamId=f"verify-{number}")
        if answer.status_code == 409:
            expect_problem(answer, 409, "stream-limit-reached")
            return streams
        expect(answer.is_success, f"a start below the limit: {summary(answer)}")
        streams.append(answer.json())

    expect(starts == 1, f"{starts} starts are admitted, one above the limit")
    return streams
