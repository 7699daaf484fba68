"""`manage.py verify`: it finds nothing wrong with the service, and what is wrong with one that is broken."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from django.core.management import CommandError, call_command
from django.core.wsgi import get_wsgi_application

from deploy.blackbox.__main__ import main
from deploy.blackbox.caller import DeployedService
from deploy.blackbox.checks import CHECKS, outcomes
from streams.models import UserStreams
from streams_project.credentials import ApiKey
from streams_project.wsgi import bounded
from tests.conftest import serving
from tests.http.test_authentication import SECRET, claims
from tests.servers import PROJECT, free_port

PLAYER = "https://watch.example.com"
OPERATOR, ADMIN = "key-of-an-operator", "key-of-an-administrator"


@dataclass
class Altered:
    """What the service answers, to be spoilt."""

    status: str
    headers: dict[str, str]
    content: bytes

    @property
    def code(self) -> int:
        return int(self.status.split()[0])

    @property
    def body(self) -> Any:
        return json.loads(self.content)

    def become(self, status: str, body: Any = None) -> "Altered":
        content = b"" if body is None else json.dumps(body).encode()
        return Altered(
            status, self.headers | {"Content-Length": str(len(content))}, content
        )

    def without(self, *names: str) -> "Altered":
        kept = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in names
        }
        return Altered(self.status, kept, self.content)


@dataclass
class Intercepted:
    """A request on its way to the service. `pass_on` sends it there, with changes."""

    environ: Mapping[str, Any]
    content: bytes
    application: Any

    @property
    def call(self) -> str:
        return f"{self.environ['REQUEST_METHOD']} {self.environ['PATH_INFO'].rpartition('/')[2]}"

    def pass_on(self, content: bytes | None = None, **changes: str) -> Altered:
        sent = self.content if content is None else content
        said: list[Any] = []
        environ = {
            **self.environ,
            "wsgi.input": BytesIO(sent),
            "CONTENT_LENGTH": str(len(sent)),
            **changes,
        }
        result = self.application(
            environ,
            lambda status, headers, exc_info=None: said.extend((status, headers)),
        )
        return Altered(said[0], dict(said[1]), b"".join(result))


type Breakage = Callable[[Intercepted], Altered]


def broken(application: Any, fault: Breakage) -> Any:
    def spoilt(environ: dict[str, Any], start_response: Any) -> Any:
        content = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        answer = fault(Intercepted(environ, content, application))
        start_response(answer.status, list(answer.headers.items()))
        return [answer.content]

    return spoilt


def lets_everybody_in(asked: Intercepted) -> Altered:
    return asked.pass_on(HTTP_X_API_KEY=ADMIN, HTTP_AUTHORIZATION="")


def admits_beyond_the_limit(asked: Intercepted) -> Altered:
    answer = asked.pass_on()
    if asked.call == "POST streams" and answer.code == 409:
        other = asked.environ["PATH_INFO"].replace("/streams", "-2/streams")
        return asked.pass_on(PATH_INFO=other)
    return answer


def forgets_the_device(asked: Intercepted) -> Altered:
    if asked.call == "POST streams" and asked.content.startswith(b'{"streamId"'):
        body = json.loads(asked.content)
        body.pop("deviceId", None)
        return asked.pass_on(json.dumps(body).encode())
    return asked.pass_on()


def forgets_the_idempotency_key(asked: Intercepted) -> Altered:
    return (
        asked.pass_on(HTTP_IDEMPOTENCY_KEY=os.urandom(8).hex())
        if asked.call == "POST streams"
        else asked.pass_on()
    )


def fails_at_the_limit(asked: Intercepted) -> Altered:
    answer = asked.pass_on()
    return answer.become("500 Internal Server Error") if answer.code == 409 else answer


def names_no_holders(asked: Intercepted) -> Altered:
    answer = asked.pass_on()
    return (
        answer.become("409 Conflict", answer.body | {"streams": []})
        if answer.code == 409
        else answer
    )


def says_nothing_of_when_to_try_again(asked: Intercepted) -> Altered:
    return asked.pass_on().without("retry-after")


def takes_no_heartbeat_at_the_limit(asked: Intercepted) -> Altered:
    answer = asked.pass_on()
    if asked.call == "POST heartbeat" and answer.code == 200:
        listed = asked.pass_on(
            b"",
            REQUEST_METHOD="GET",
            PATH_INFO=asked.environ["PATH_INFO"].partition("/streams")[0] + "/streams",
            HTTP_X_API_KEY=ADMIN,
        )
        if listed.body["available"] == 0:
            return answer.become("503 Service Unavailable", {"type": "store-contended"})
    return answer


def stops_nothing(asked: Intercepted) -> Altered:
    return (
        Altered("204 No Content", {}, b"")
        if asked.call == "POST stop"
        else asked.pass_on()
    )


def renews_what_was_taken_over(asked: Intercepted) -> Altered:
    answer = asked.pass_on()
    return answer.become("200 OK", {}) if b"taken-over" in answer.content else answer


def gives_no_reason(asked: Intercepted) -> Altered:
    answer = asked.pass_on()
    if answer.code == 410 and answer.body["reason"] in ("stopped", "replaced"):
        return answer.become("404 Not Found", {"type": "stream-not-found"})
    return answer


def has_a_clock_of_its_own(asked: Intercepted) -> Altered:
    answer = asked.pass_on()
    if b'"startedAt"' not in answer.content or "streams" in answer.body:
        return answer
    later = {
        name: (
            datetime.fromisoformat(answer.body[name]) + timedelta(seconds=90)
        ).isoformat()
        for name in ("startedAt", "expiresAt")
    }
    return answer.become(answer.status, answer.body | later)


def knows_no_web_players(asked: Intercepted) -> Altered:
    return asked.pass_on().without("access-control-allow-origin")


def lets_every_page_read(asked: Intercepted) -> Altered:
    answer = asked.pass_on()
    return Altered(
        answer.status,
        answer.headers | {"Access-Control-Allow-Origin": "*"},
        answer.content,
    )


def may_be_cached(asked: Intercepted) -> Altered:
    return asked.pass_on().without("cache-control")


def answers_in_html(asked: Intercepted) -> Altered:
    answer = asked.pass_on()
    is_unknown = asked.environ["PATH_INFO"] == "/no-such-thing"
    return (
        Altered(
            answer.status, answer.headers | {"Content-Type": "text/html"}, b"Not found"
        )
        if is_unknown
        else answer
    )


def keeps_ghosts(asked: Intercepted) -> Altered:
    """Its clock stands still: see `served`."""
    return asked.pass_on()


def forgets_nobody(asked: Intercepted) -> Altered:
    is_user = (
        asked.environ["REQUEST_METHOD"] == "DELETE"
        and "/streams" not in asked.environ["PATH_INFO"]
    )
    return Altered("204 No Content", {}, b"") if is_user else asked.pass_on()


def has_no_store(asked: Intercepted) -> Altered:
    problem = {"type": "store-unavailable"}
    answer = asked.pass_on()
    return (
        answer.become("503 Service Unavailable", problem)
        if asked.call == "GET readyz"
        else answer
    )


@pytest.fixture(autouse=True)
def guarded(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service as it asks for credentials, and takes calls of a web player's."""
    from rest_framework.views import APIView

    from streams.authentication import ApiKeyAuthentication, BearerAuthentication

    settings.API_KEYS = [
        ApiKey(
            "operator",
            sha256(OPERATOR.encode()).hexdigest(),
            frozenset({"streams:operate"}),
        ),
        ApiKey(
            "admin",
            sha256(ADMIN.encode()).hexdigest(),
            frozenset({"streams:operate", "streams:admin"}),
        ),
    ]
    settings.AUTH_JWT_SECRETS, settings.AUTH_ALGORITHMS = [SECRET], ["HS256"]
    settings.AUTH_ISSUER, settings.AUTH_AUDIENCE = "https://id.example.com", "streams"
    settings.OPEN_ACCESS = False
    monkeypatch.setattr(
        APIView, "authentication_classes", [BearerAuthentication, ApiKeyAuthentication]
    )
    settings.CORS_ALLOWED_ORIGINS = [PLAYER]
    settings.MIDDLEWARE = [
        "corsheaders.middleware.CorsMiddleware",
        *settings.MIDDLEWARE,
    ]


@dataclass
class OurClock:
    """Of the service and of this side; it goes on when somebody sleeps, unless it stands still."""

    stands_still: bool = False
    ahead: float = 0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.ahead += 0 if self.stands_still else seconds

    def time(self) -> float:
        return time.time() + self.ahead

    def time_ns(self) -> int:
        return time.time_ns() + int(self.ahead * 1e9)


@contextmanager
def served(
    monkeypatch: pytest.MonkeyPatch, fault: Breakage, **options: Any
) -> Iterator[DeployedService]:
    clock = OurClock(stands_still=fault is keeps_ghosts)
    monkeypatch.setattr("streams.views.time", SimpleNamespace(time_ns=clock.time_ns))
    told: dict[str, Any] = {
        "api_key": ADMIN,
        "origin": PLAYER,
        "patience_seconds": 60,
        "at_once": 6,
    } | options
    with serving(broken(bounded(get_wsgi_application()), fault)) as url:
        deployment = DeployedService(
            url=url, sleep=clock.sleep, now=clock.time, slow_ms=60_000, **told
        )
        with deployment.client:
            yield deployment


def outcome(deployment: DeployedService) -> dict[str, str]:
    return {found.check.name: found.outcome for found in outcomes(deployment)}


def named(outcomes: Mapping[str, str], wanted: str) -> set[str]:
    return {name for name, found in outcomes.items() if found == wanted}


def token(subject: str) -> str:
    return jwt.encode(claims(sub=subject), SECRET)


def viewer(user_id: str) -> dict[str, Any]:
    return {"api_key": None, "token": token(user_id)}


CALLERS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "an administrator, with a viewer's token": ({"token": token("ana")}, set()),
    "an administrator": ({}, {"forbidden"}),
    "an operator": ({"api_key": OPERATOR}, {"forbidden"}),
    "a viewer": (viewer("a viewer | 7"), set()),
}


@pytest.mark.parametrize("name", CALLERS)
def test_a_sound_deployment_holds_whoever_looks(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    options, skipped = CALLERS[name]
    with served(monkeypatch, Intercepted.pass_on, **options) as deployment:
        found = outcome(deployment)
    assert named(found, "failed") == set()
    assert named(found, "skipped") == skipped
    assert deployment.failures == []


@pytest.mark.parametrize(
    "options", [{}, viewer("left with nothing")], ids=["administrator", "viewer"]
)
def test_nothing_is_left_behind(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    with served(monkeypatch, Intercepted.pass_on, **options) as deployment:
        outcome(deployment)
        users = [user.path.removeprefix("/users/") for user in deployment.users]
    if options:
        assert len(UserStreams.get("left with nothing").leases.attribute_values) == 0
    else:
        assert [user for user in users if UserStreams.count(user)] == []


FAULTS: dict[Breakage, set[str]] = {
    lets_everybody_in: {"unauthorised"},
    admits_beyond_the_limit: {"limit-under-a-race", "denial"},
    forgets_the_device: {
        "idempotent-start",
        "fenced",
        "own-slot",
        "ghosts",
        "ended-says-why",
        "headers",
    },
    forgets_the_idempotency_key: {"idempotent-start"},
    fails_at_the_limit: {"limit-under-a-race", "denial", "latency"},
    names_no_holders: {"denial"},
    says_nothing_of_when_to_try_again: {"denial"},
    takes_no_heartbeat_at_the_limit: {"holders-renew", "latency"},
    stops_nothing: {"fenced", "stop"},
    renews_what_was_taken_over: {"fenced"},
    gives_no_reason: {"ended-says-why"},
    has_a_clock_of_its_own: {"clock", "headers"},
    knows_no_web_players: {"cors"},
    lets_every_page_read: {"cors"},
    may_be_cached: {"headers"},
    answers_in_html: {"problems"},
    keeps_ghosts: {"ghosts"},
    forgets_nobody: {"left-nothing"},
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_broken_deployment_is_found_out(
    monkeypatch: pytest.MonkeyPatch, fault: Breakage
) -> None:
    with served(monkeypatch, fault) as deployment:
        assert named(outcome(deployment), "failed") == FAULTS[fault]


def test_without_a_store_nothing_else_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with served(monkeypatch, has_no_store) as deployment:
        found = outcome(deployment)
    assert named(found, "failed") == {"reachable"}
    assert len(named(found, "skipped")) == len(CHECKS) - 1
    assert deployment.users == []


def test_an_account_that_plays_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with served(
        monkeypatch, Intercepted.pass_on, **viewer("somebody who plays")
    ) as deployment:
        playing = deployment.ask(
            "start", "POST", "/me/streams", json={"streamId": "film", "deviceId": "tv"}
        )
        assert named(outcome(deployment), "failed") == {"reachable"}
        assert deployment.ask("list", "GET", "/me/streams").json()["active"] == 1
    assert playing.status_code == 201


def test_a_person_gets_a_table_and_a_program_json_and_an_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(monkeypatch, Intercepted.pass_on) as deployment:
        assert main([deployment.url, "--api-key", ADMIN, "--slow-ms", "60000"]) == 0
        said = capsys.readouterr().out
        assert (
            "yes of many starts at once exactly as many as the limit are admitted (16 at once: 3 × 201"
            in said
        )
        assert (
            "-   a crashed player's slot is free when its lease has ended: leases last 60 s: --patience 61"
            in said
        )
        assert said.endswith(f"{deployment.url}: 16 hold; 2 skipped.\n")
    with served(monkeypatch, names_no_holders) as deployment:
        assert (
            main([deployment.url, "--api-key", ADMIN, "--slow-ms", "60000", "--json"])
            == 1
        )
        body = json.loads(capsys.readouterr().out)
        assert body["holds"] is False
        assert [
            check["name"] for check in body["checks"] if check["outcome"] == "failed"
        ] == ["denial"]
        assert body["latencyMs"]["start"]["count"] > 16
        monkeypatch.setenv("VERIFY_API_KEY", ADMIN)
        with pytest.raises(CommandError, match="Not everything holds"):
            call_command("verify", deployment.url, "--slow-ms", "60000")
        said = capsys.readouterr().out
        assert (
            "NO  a denial lists who holds the slots, and says when to try again: it lists nobody"
            in said
        )
        assert "look at: a proxy that rewrites 4xx answers" in said


def test_it_needs_neither_django_nor_any_variable() -> None:
    """A machine that has httpx, and nothing else of this project's."""
    port = free_port()
    only = "import sys; sys.modules.update(dict.fromkeys(('django', 'boto3', 'pynamodb'))); "
    run = f"import runpy; sys.argv[1:] = ['http://127.0.0.1:{port}']; "
    command = [
        sys.executable,
        "-c",
        f"{only}{run}runpy.run_module('deploy.blackbox', run_name='__main__')",
    ]
    done = subprocess.run(
        command,
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith(
        "NO  it answers, and so does its store: no answer: "
    ), done.stdout + done.stderr


@pytest.mark.parametrize(
    "url", ["streams.example.com", "ftp://streams.example.com", "https://"]
)
def test_what_is_no_url_is_refused(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([url])
    assert "is no URL such as https://streams.example.com" in capsys.readouterr().err


def test_a_stage_is_called_at_api_gateways_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    called: list[str] = []
    monkeypatch.setattr(
        "deploy.management.commands.verify.api_of",
        lambda stage, client: {"id": "a1b2c3"},
    )
    monkeypatch.setattr("stages.Stage.client", lambda self, service: None)

    def looked(write: object, *, url: str, **more: object) -> bool:
        called.append(url)
        return True

    monkeypatch.setattr("deploy.management.commands.verify.verify", looked)
    call_command("verify", "--stage", "production")
    assert called == ["https://a1b2c3.execute-api.eu-west-1.amazonaws.com/production"]
    with pytest.raises(
        CommandError, match=r"zappa_settings\.json has no stage 'nowhere'"
    ):
        call_command("verify", "--stage", "nowhere")
    monkeypatch.setattr(
        "deploy.management.commands.verify.api_of", lambda stage, client: None
    )
    with pytest.raises(
        CommandError, match="There is no API of the stage test: zappa deploy test"
    ):
        call_command("verify", "--stage", "test")
