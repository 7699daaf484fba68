"""What is promised, each as a function that returns what it saw, or raises `Wrong` or `Skipped`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

import httpx

from deploy.blackbox.caller import DeployedService, Skipped, Wrong, expect, in_short

PROBLEM = "application/problem+json"
CLOCKS_MAY_DIFFER_SECONDS = 2
FOREIGN_ORIGIN = "https://foreign-origin.invalid"
PLAYERS_SEND = "authorization,content-type,idempotency-key"
PLAYERS_READ = {"date", "expires", "location", "retry-after"}
SAME_DEVICE_AT_ONCE = 4
"""Each is a new epoch, of which a user may have few at once where edge tokens are issued."""
HEARTBEATS = 20


@dataclass(frozen=True, slots=True)
class Check:
    """A promise: its name for programs, the sentence for people, and what to look at where it is broken."""

    name: str
    what: str
    advice: str
    run: Callable[[DeployedService], str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a check: `passed`, `failed` or `skipped`, and what was seen."""

    check: Check
    outcome: str
    found: str


CHECKS: list[Check] = []


def promise(
    what: str, advice: str
) -> Callable[[Callable[[DeployedService], str]], Callable[[DeployedService], str]]:
    """Enter a function into `CHECKS`, by its own name."""

    def enter(
        run: Callable[[DeployedService], str],
    ) -> Callable[[DeployedService], str]:
        CHECKS.append(Check(run.__name__.replace("_", "-"), what, advice, run))
        return run

    return enter


def outcomes(deployment: DeployedService) -> Iterator[Outcome]:
    """Every check in order, and at the end that nothing is left. Where nothing answers the others are skipped."""
    is_reachable = True
    for check in CHECKS:
        if not is_reachable:
            yield Outcome(check, "skipped", "nothing answers")
            continue
        found = _outcome(check, deployment)
        is_reachable = is_reachable and not (
            check.name == "reachable" and found.outcome == "failed"
        )
        yield found


def _outcome(check: Check, deployment: DeployedService) -> Outcome:
    try:
        return Outcome(check, "passed", check.run(deployment))
    except Skipped as why:
        return Outcome(check, "skipped", str(why))
    except Wrong as why:
        return Outcome(check, "failed", str(why))
    except httpx.HTTPError as exc:
        return Outcome(check, "failed", f"no answer: {exc or type(exc).__name__}")
    except (KeyError, TypeError, ValueError) as exc:
        return Outcome(check, "failed", f"the answer is not the API's: {exc!r}")


def _is_problem(answer: httpx.Response, status: int, type: str) -> None:
    expect(
        answer.status_code == status, f"{in_short(answer)} instead of {status} {type}"
    )
    media_type = answer.headers.get("Content-Type", "")
    expect(
        media_type.startswith(PROBLEM),
        f"{status} comes as {media_type or 'nothing'} instead of {PROBLEM}",
    )
    expect(answer.json()["type"] == type, f"{in_short(answer)} instead of {type}")


@promise(
    "it answers, and so does its store",
    "the address; the function's log; /readyz asks DynamoDB: table, role",
)
def reachable(deployment: DeployedService) -> str:
    """`/healthz` and `/readyz`, and whether the account that is lent plays anything."""
    for path in ("/healthz", "/readyz"):
        answer = deployment.ask(path[1:], "GET", path, credentials={})
        expect(answer.status_code == 200, f"{path}: {in_short(answer)}")
    if deployment.is_viewer:
        mine = deployment.ask("list", "GET", "/me/streams")
        expect(mine.status_code == 200, f"the token: {in_short(mine)}")
        active = mine.json()["active"]
        expect(
            active == 0,
            f"this viewer plays on {active} devices: lend an account that plays nothing",
        )
    return "/healthz, /readyz"


@promise(
    "a call without credentials, or with bad ones, is refused",
    "AUTH_…, API_KEYS, DEBUG (it has to be 0)",
)
def unauthorised(deployment: DeployedService) -> str:
    """401 for each."""
    if deployment.may_be_open:
        raise Skipped("local development is open to its own machine")
    bad: tuple[dict[str, str], ...] = (
        {},
        {"Authorization": "Bearer e30.e30.e30"},
        {"X-API-Key": "not-a-key"},
    )
    for credentials in bad:
        for method, body in (("GET", {}), ("POST", {"json": {"streamId": "verify"}})):
            answer = deployment.ask(
                "refused",
                method,
                "/users/verify-nobody/streams",
                credentials=credentials,
                **body,
            )
            _is_problem(answer, 401, "unauthenticated")
    return "401 each time"


@promise(
    "a viewer reaches no other user, and sets no limit",
    "streams:operate and streams:admin in viewers' tokens",
)
def forbidden(deployment: DeployedService) -> str:
    """403 for each."""
    if deployment.token is None:
        raise Skipped("needs a viewer's bearer token")
    for method, path, body in (
        ("GET", "/users/verify-nobody/streams", {}),
        ("POST", "/users/verify-nobody/streams", {"json": {"streamId": "verify"}}),
        ("PUT", "/me/limit", {"json": {"limit": 100}}),
    ):
        answer = deployment.ask(
            "refused", method, path, credentials=deployment.as_viewer, **body
        )
        _is_problem(answer, 403, "forbidden")
    return "403 each time"


@promise(
    "of many starts at once exactly as many as the limit are admitted",
    "the condition of the write",
)
def limit_under_a_race(deployment: DeployedService) -> str:
    """Each on a device of its own."""
    user = deployment.user()
    limit = user.limit()
    number = max(deployment.at_once, limit + 1)
    answers = deployment.together(
        [lambda at=at: user.start(f"racer-{at}") for at in range(number)]
    )  # type: ignore[misc]
    seen = sorted(answer.status_code for answer in answers)
    expect(
        seen == [201] * limit + [409] * (number - limit),
        f"{number} starts, limit {limit}: {_counted(seen)}",
    )
    active = user.listing()["active"]
    expect(active == limit, f"{limit} were admitted, and {active} hold a slot")
    return f"{number} at once: {_counted(seen)}"


@promise(
    "one device is one slot, however often it starts",
    "deviceId and Idempotency-Key on their way to the service",
)
def idempotent_start(deployment: DeployedService) -> str:
    """The same `deviceId` at once, the same `Idempotency-Key` twice."""
    user = deployment.user()
    user.limit()
    answers = deployment.together([lambda: user.start("tv")] * SAME_DEVICE_AT_ONCE)
    seen = sorted(answer.status_code for answer in answers)
    expect(
        seen == [200] * (SAME_DEVICE_AT_ONCE - 1) + [201],
        f"the same device at once: {_counted(seen)}",
    )
    user = deployment.user()
    keyed = [
        user.start(None, headers={"Idempotency-Key": "verify-once"}).status_code
        for _ in range(2)
    ]
    expect(keyed == [201, 200], f"the same Idempotency-Key twice: {keyed}")
    held = [stream["id"] for stream in user.listing()["streams"]]
    expect(held == ["verify-once"], f"the slots after it are held by {held}")
    return f"{SAME_DEVICE_AT_ONCE} at once: {_counted(seen)}"


@promise(
    "a slot that was taken over stays lost to the player before",
    "epochs: is an older release still serving?",
)
def fenced(deployment: DeployedService) -> str:
    """The token of before neither renews nor stops."""
    user = deployment.user()
    before, after = user.started("tv"), user.started("tv")
    expect(
        after["epoch"] > before["epoch"],
        f"epochs {before['epoch']}, then {after['epoch']}",
    )
    for act in (user.renew, user.stop):
        answer = act(before)
        _is_problem(answer, 410, "stream-ended")
        expect(
            answer.json()["reason"] == "taken-over", f"reason {answer.json()['reason']}"
        )
    answer = user.renew(after)
    expect(answer.status_code == 200, f"the new player's heartbeat: {in_short(answer)}")
    return "410 taken-over"


@promise(
    "a denial lists who holds the slots, and says when to try again",
    "a proxy that rewrites 4xx answers",
)
def denial(deployment: DeployedService) -> str:
    """409 with `limit`, every holder, and `Retry-After`."""
    user = deployment.user()
    holders = user.fill()
    answer = user.start("one-too-many")
    _is_problem(answer, 409, "stream-limit-reached")
    listed = sorted(stream["id"] for stream in answer.json()["streams"])
    expect(
        listed == sorted(stream["id"] for stream in holders),
        f"it lists {listed or 'nobody'}",
    )
    expect(answer.json()["limit"] == len(holders), f"limit {answer.json()['limit']}")
    wait = answer.headers.get("Retry-After", "")
    longest = max(stream["leaseSeconds"] for stream in holders) + 1
    expect(
        wait.isdigit() and 1 <= int(wait) <= longest, f"Retry-After: {wait or 'none'}"
    )
    return f"{len(listed)} holders, Retry-After {wait}"


@promise(
    "who holds a slot renews at the limit",
    "the heartbeat's way: throttling, a web ACL, old tokens' keys",
)
def holders_renew(deployment: DeployedService) -> str:
    """Each gets a new token, which renews again."""
    user = deployment.user()
    for stream in user.fill():
        for _ in range(2):
            answer = user.renew(stream)
            expect(
                answer.status_code == 200,
                f"a heartbeat at the limit: {in_short(answer)}",
            )
            stream |= answer.json()
    return "200 each time"


@promise(
    "a device that crashed starts again at once, in its own slot",
    "ids: does the player send a deviceId?",
)
def own_slot(deployment: DeployedService) -> str:
    """At the limit."""
    user = deployment.user()
    first = user.fill()[0]
    answer = user.start(first["deviceId"])
    expect(answer.status_code == 200, in_short(answer))
    return "200 at the limit"


@promise(
    "a crashed player's slot is free when its lease has ended",
    "clocks of the instances; a cache in front",
)
def ghosts(deployment: DeployedService) -> str:
    """Fill the slots, wait for the leases to end, start on another device."""
    user = deployment.user()
    lease = max(stream["leaseSeconds"] for stream in user.fill())
    if lease > deployment.patience_seconds:
        raise Skipped(
            f"leases last {lease:g} s: --patience {lease + 1:g} would wait for their end"
        )
    deployment.sleep(lease + 1)
    answer = user.start("newcomer")
    expect(answer.status_code == 201, f"{lease + 1:g} s later: {in_short(answer)}")
    listed = [stream["id"] for stream in user.listing()["streams"]]
    expect(listed == ["newcomer"], f"and {listed} hold a slot")
    return f"after {lease:g} s"


@promise(
    "a player's stop frees its slot at once, and can be repeated",
    "POST …/stop on its way to the service",
)
def stop(deployment: DeployedService) -> str:
    """204, twice; then there is room."""
    user = deployment.user()
    stream = user.fill()[0]
    seen = [user.stop(stream).status_code for _ in range(2)]
    expect(seen == [204, 204], f"twice: {seen}")
    answer = user.start("next")
    expect(answer.status_code == 201, f"the next start: {in_short(answer)}")
    return "204, 204, then a 201"


@promise(
    "a player whose stream is over is told why", "a proxy that rewrites 4xx answers"
)
def ended_says_why(deployment: DeployedService) -> str:
    """Stopped by somebody else, and replaced by another device of the viewer's."""
    user = deployment.user()
    if user.limit() < 2:
        raise Skipped("needs a limit of two")
    stopped, replaced = user.started("a"), user.started("b")
    expect(user.end("a").status_code == 204, "DELETE did not answer 204")
    user.started("c", replace=["b"])
    for stream, reason, by in ((stopped, "stopped", None), (replaced, "replaced", "c")):
        answer = user.renew(stream)
        _is_problem(answer, 410, "stream-ended")
        body = answer.json()
        said = body["reason"], body.get("endedBy")
        expect(said == (reason, by), f"{said} instead of {(reason, by)}")
        expect(bool(body["endedAt"]), "without endedAt")
    return "stopped; replaced by c"


@promise("its clock and this machine's agree", "whichever of the two is not set by NTP")
def clock(deployment: DeployedService) -> str:
    """`startedAt` against this machine's, within the round trip; `Date` against `startedAt`."""
    user = deployment.user()
    before = deployment.now()
    answer = user.start("tv")
    after = deployment.now()
    stream = answer.json()
    started = datetime.fromisoformat(stream["startedAt"]).timestamp()
    ahead = started - after if started > after else min(0.0, started - before)
    expect(
        abs(ahead) <= CLOCKS_MAY_DIFFER_SECONDS,
        f"the service is {ahead:+.1f} s ahead of this machine",
    )
    dated = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    expect(
        abs(dated - started) <= CLOCKS_MAY_DIFFER_SECONDS,
        f"Date and startedAt are {dated - started:+.1f} s apart",
    )
    lasts = datetime.fromisoformat(stream["expiresAt"]).timestamp() - started
    expect(
        abs(lasts - stream["leaseSeconds"]) < 0.01,
        f"expiresAt is after {lasts:g} s, leaseSeconds says otherwise",
    )
    return f"{ahead:+.1f} s beyond the round trip of {(after - before) * 1000:.0f} ms"


@promise(
    "web players of the own origins may call, others may not",
    "CORS_ALLOWED_ORIGINS; OPTIONS on its way",
)
def cors(deployment: DeployedService) -> str:
    """A preflight and a call of each."""
    path = "/users/verify-nobody/streams"
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": PLAYERS_SEND,
    }
    for method, headers in (("OPTIONS", asked), ("GET", {})):
        sent = {"Origin": FOREIGN_ORIGIN, **headers}
        allowed = deployment.ask("cors", method, path, headers=sent).headers.get(
            "Access-Control-Allow-Origin"
        )
        expect(allowed is None, f"{method} of {FOREIGN_ORIGIN} is allowed: {allowed}")
    if deployment.origin is None:
        return "no foreign origin; --origin would try your players'"
    preflight = deployment.ask(
        "cors",
        "OPTIONS",
        path,
        credentials={},
        headers={"Origin": deployment.origin, **asked},
    )
    said = preflight.headers
    expect(
        said.get("Access-Control-Allow-Origin") == deployment.origin,
        f"the preflight says {in_short(preflight)}",
    )
    expect(
        "POST" in said.get("Access-Control-Allow-Methods", ""),
        "the preflight does not allow POST",
    )
    missing = _words(PLAYERS_SEND) - _words(
        said.get("Access-Control-Allow-Headers", "")
    )
    expect(not missing, f"the preflight does not allow {', '.join(sorted(missing))}")
    answer = deployment.ask("cors", "GET", path, headers={"Origin": deployment.origin})
    expect(
        answer.headers.get("Access-Control-Allow-Origin") == deployment.origin,
        "a call's answer cannot be read",
    )
    hidden = PLAYERS_READ - _words(
        answer.headers.get("Access-Control-Expose-Headers", "")
    )
    expect(not hidden, f"players cannot read {', '.join(sorted(hidden))}")
    return f"{deployment.origin}, and no foreign one"


@promise(
    "answers carry the headers they need", "a proxy or CDN that drops or adds headers"
)
def headers(deployment: DeployedService) -> str:
    """No cache keeps them, no browser guesses; a start says where and until when."""
    started = deployment.user().start("tv")
    said = started.headers
    expect(
        said.get("Cache-Control") == "no-store",
        f"Cache-Control: {said.get('Cache-Control')}",
    )
    expect(
        said.get("X-Content-Type-Options") == "nosniff",
        "X-Content-Type-Options is not nosniff",
    )
    expect(
        said.get("Location", "").endswith("/streams/tv"),
        f"Location: {said.get('Location')}",
    )
    until = parsedate_to_datetime(said["Expires"]).timestamp()
    expires = datetime.fromisoformat(started.json()["expiresAt"]).timestamp()
    expect(
        abs(until - expires) <= 1, f"Expires is {until - expires:+.0f} s from expiresAt"
    )
    if deployment.url.startswith("https:"):
        expect(
            "Strict-Transport-Security" in said, "Strict-Transport-Security is missing"
        )
    return "Cache-Control, Location, Expires, nosniff"


@promise(
    "what cannot be is refused as a problem, never as a 500",
    "what answers in the service's place",
)
def problems(deployment: DeployedService) -> str:
    """An unknown URL, a malformed body, another media type."""
    user = deployment.user()
    _is_problem(deployment.ask("refused", "GET", "/no-such-thing"), 404, "not-found")
    _is_problem(
        deployment.ask("refused", "POST", user.streams, json={}), 400, "invalid-request"
    )
    xml = {"Content-Type": "application/xml"}
    _is_problem(
        deployment.ask("refused", "POST", user.streams, content="<a/>", headers=xml),
        415,
        "unsupported-media-type",
    )
    _is_problem(
        deployment.ask("refused", "GET", f"{user.streams}/never-there"),
        404,
        "stream-not-found",
    )
    return "404, 400, 415"


@promise(
    "it answers in time",
    "cold starts, the region, instances that are missing (docs/runbook.md)",
)
def latency(deployment: DeployedService) -> str:
    """Heartbeats one after the other; then 95 of 100 of all requests within `slow_ms`, and no 5xx among them."""
    user = deployment.user()
    stream = user.started("tv")
    for _ in range(HEARTBEATS):
        stream |= user.renew(stream).json()
    expect(
        not deployment.failures,
        f"{len(deployment.failures)} answers were 5xx: {'; '.join(deployment.failures[:3])}",
    )
    worst = percentile(deployment.latencies["renew"], 95)
    expect(
        worst <= deployment.slow_ms, f"95 of 100 heartbeats take up to {worst:.0f} ms"
    )
    return f"95 of 100 heartbeats within {worst:.0f} ms"


@promise(
    "nothing is left behind",
    "the users /users/verify-…: DELETE /users/{userId}/streams",
)
def left_nothing(deployment: DeployedService) -> str:
    """Users forgotten, or where that is not allowed their streams ended."""
    left = list(deployment.leave())
    expect(not left, "; ".join(left))
    return f"{len({user.path for user in deployment.users})} users"


def percentile(found: list[float], percent: float) -> float:
    """So many of a hundred are no higher."""
    ordered = sorted(found)
    return ordered[max(0, -int(-len(ordered) * percent // 100) - 1)]


def _counted(statuses: list[int]) -> str:
    return ", ".join(
        f"{statuses.count(status)} × {status}" for status in dict.fromkeys(statuses)
    )


def _words(header: str) -> set[str]:
    return {word.strip().lower() for word in header.split(",")}
