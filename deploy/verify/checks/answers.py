"""Checks of the answers: times, headers, problems and latency."""

from datetime import datetime
from email.utils import parsedate_to_datetime

from deploy.verify.checks.check import expect_problem, percentile, promise
from deploy.verify.service import DeployedService, counted, expect

MAX_CLOCK_DIFFERENCE_SECONDS = 2
HEARTBEATS = 20


@promise("its clock and this machine's agree", "the clock that is not set by NTP")
def clock(service: DeployedService) -> str:
    """Compare `startedAt` with this machine's clock, and `Date` with `startedAt`.

    The service can read its clock at any moment of the round trip.
    """
    user = service.new_user()
    before = service.now()
    answer = user.start("tv")
    after = service.now()
    stream = answer.json()

    started = _timestamp(stream["startedAt"])
    ahead = _seconds_outside(started, earliest=before, latest=after)
    expect(
        abs(ahead) <= MAX_CLOCK_DIFFERENCE_SECONDS,
        f"the service is {ahead:+.1f} s ahead of this machine",
    )

    date_difference = _http_timestamp(answer.headers["Date"]) - started
    expect(
        abs(date_difference) <= MAX_CLOCK_DIFFERENCE_SECONDS,
        f"Date and startedAt are {date_difference:+.1f} s apart",
    )

    seconds = _timestamp(stream["expiresAt"]) - started
    expect(
        abs(seconds - stream["leaseSeconds"]) < 0.01,
        f"expiresAt is after {seconds:g} s, leaseSeconds says otherwise",
    )
    round_trip_ms = (after - before) * 1000
    return f"{ahead:+.1f} s beyond the round trip of {round_trip_ms:.0f} ms"


@promise(
    "answers carry the headers they need",
    "a proxy or CDN that drops or adds headers",
)
def headers(service: DeployedService) -> str:
    """Check the caching headers of a start, its `Location` and its `Expires`."""
    answer = service.new_user().start("tv")
    cache_control = answer.headers.get("Cache-Control")
    expect(cache_control == "no-store", f"Cache-Control: {cache_control}")

    options = answer.headers.get("X-Content-Type-Options")
    expect(options == "nosniff", "X-Content-Type-Options is not nosniff")

    location = answer.headers.get("Location")
    is_stream = (location or "").endswith("/streams/tv")
    expect(is_stream, f"Location: {location}")

    expires = _http_timestamp(answer.headers["Expires"])
    difference = expires - _timestamp(answer.json()["expiresAt"])
    expect(abs(difference) <= 1, f"Expires is {difference:+.0f} s from expiresAt")

    if service.url.startswith("https:"):
        has_hsts = "Strict-Transport-Security" in answer.headers
        expect(has_hsts, "Strict-Transport-Security is missing")
    return "Cache-Control, Location, Expires, nosniff"


@promise(
    "an invalid request is refused as a problem, never as a 500",
    "a proxy that answers in the service's place",
)
def problems(service: DeployedService) -> str:
    """Send an unknown URL, an invalid body, another media type and an unknown id."""
    streams = service.new_user().streams
    xml = {"Content-Type": "application/xml"}

    answer = service.ask("refused", "GET", "/no-such-thing")
    expect_problem(answer, 404, "not-found")

    answer = service.ask("refused", "POST", streams, json={})
    expect_problem(answer, 400, "invalid-request")

    answer = service.ask("refused", "POST", streams, content="<a/>", headers=xml)
    expect_problem(answer, 415, "unsupported-media-type")

    answer = service.ask("refused", "GET", f"{streams}/never-there")
    expect_problem(answer, 404, "stream-not-found")
    return "404, 400, 415"


@promise(
    "it answers in time",
    "cold starts, the region, instances that are missing (docs/runbook.md)",
)
def latency(service: DeployedService) -> str:
    """Send heartbeats in sequence and check their 95th percentile.

    No earlier request may have been answered with 5xx.
    """
    user = service.new_user()
    stream = user.started("tv")
    for _ in range(HEARTBEATS):
        stream |= user.renew(stream).json()

    failures = service.failures
    expect(not failures, f"{len(failures)} answers were 5xx: {'; '.join(failures[:3])}")

    slowest_ms = percentile(service.latencies["renew"], 95)
    expect(
        slowest_ms <= service.slow_ms,
        f"95 of 100 heartbeats take up to {slowest_ms:.0f} ms",
    )
    return f"95 of 100 heartbeats within {slowest_ms:.0f} ms"


@promise(
    "no stream and no user is left behind",
    "the users /users/verify-…: DELETE /users/{userId}/streams",
)
def left_nothing(service: DeployedService) -> str:
    """Erase the users of the checks, or end their streams if that is not allowed."""
    remaining = list(service.clean_up())
    expect(not remaining, "; ".join(remaining))
    paths = {user.path for user in service.users}
    return counted(len(paths), "user")


def _timestamp(text: str) -> float:
    """Return the seconds since 1970 of an ISO 8601 time."""
    return datetime.fromisoformat(text).timestamp()


def _http_timestamp(header: str) -> float:
    """Return the seconds since 1970 of an HTTP date."""
    return parsedate_to_datetime(header).timestamp()


def _seconds_outside(instant: float, *, earliest: float, latest: float) -> float:
    """Return by how much an instant is later than an interval, negative if earlier."""
    if instant > latest:
        return instant - latest
    return min(0.0, instant - earliest)
