"""`verify` finds no fault in the service, and every fault that is added to it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from django.core.wsgi import get_wsgi_application

from deploy.verify.checks import CHECKS, results
from deploy.verify.service import DeployedService
from streams.credentials import ApiKey
from streams.models import UserStreams
from streams.wsgi import bounded
from tests.e2e.faulty_service import (
    ADMIN_KEY,
    FAILED_CHECKS,
    Fault,
    has_no_store,
    keeps_ghosts,
    no_fault,
    with_fault,
)
from tests.http.bearer_tokens import SECRET, claims
from tests.wsgi_servers import serving

PLAYER_ORIGIN = "https://watch.example.com"
OPERATOR_KEY = "key-of-an-operator"


@pytest.fixture(autouse=True)
def authentication(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Configure credentials and the origin of a web player."""
    from streams.api_view import StreamsAPIView
    from streams.authentication import ApiKeyAuthentication, BearerAuthentication

    settings.API_KEYS = [
        api_key("operator", OPERATOR_KEY, "streams:operate"),
        api_key("admin", ADMIN_KEY, "streams:operate", "streams:admin"),
    ]
    settings.AUTH_JWT_SECRETS = [SECRET]
    settings.AUTH_ALGORITHMS = ["HS256"]
    settings.AUTH_ISSUER = "https://id.example.com"
    settings.AUTH_AUDIENCE = "streams"
    settings.OPEN_ACCESS = False
    settings.CORS_ALLOWED_ORIGINS = [PLAYER_ORIGIN]
    settings.MIDDLEWARE = [
        "streams_project.cross_origin.CrossOriginMiddleware",
        *settings.MIDDLEWARE,
    ]
    monkeypatch.setattr(
        StreamsAPIView,
        "authentication_classes",
        [BearerAuthentication, ApiKeyAuthentication],
    )


def api_key(name: str, key: str, *scopes: str) -> ApiKey:
    return ApiKey(name, sha256(key.encode()).hexdigest(), frozenset(scopes))


@dataclass
class SharedClock:
    """The clock of the service and of the checks. Sleeping advances it."""

    stands_still: bool = False
    ahead_seconds: float = 0
    sleeps: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        if not self.stands_still:
            self.ahead_seconds += seconds

    def time(self) -> float:
        return time.time() + self.ahead_seconds

    def time_ns(self) -> int:
        return time.time_ns() + int(self.ahead_seconds * 1e9)


@contextmanager
def deployed(
    monkeypatch: pytest.MonkeyPatch, fault: Fault, **options: Any
) -> Iterator[DeployedService]:
    """Serve the service with a fault. The checks run as an administrator by default."""
    clock = SharedClock(stands_still=fault is keeps_ghosts)
    monkeypatch.setattr("streams.views.time", SimpleNamespace(time_ns=clock.time_ns))
    arguments: dict[str, Any] = {
        "api_key": ADMIN_KEY,
        "origin": PLAYER_ORIGIN,
        "patience_seconds": 60,
        "at_once": 6,
        "slow_ms": 60_000,
        "sleep": clock.sleep,
        "now": clock.time,
    }
    with serving(with_fault(bounded(get_wsgi_application()), fault)) as url:
        service = DeployedService(url=url, **(arguments | options))
        with service.client:
            yield service


def outcomes(service: DeployedService) -> dict[str, str]:
    """Run every check and return its outcome, by the name of the check."""
    return {result.check.name: result.outcome for result in results(service)}


def checks_with(outcome: str, outcomes: dict[str, str]) -> set[str]:
    return {name for name, value in outcomes.items() if value == outcome}


def viewer(user_id: str) -> dict[str, Any]:
    return {"api_key": None, "token": token(user_id)}


def token(user_id: str) -> str:
    return jwt.encode(claims(sub=user_id), SECRET)


@pytest.mark.parametrize(
    ("options", "skipped"),
    [
        pytest.param(
            {"token": token("ana")}, set(), id="an administrator with a viewer's token"
        ),
        pytest.param({}, {"forbidden"}, id="an administrator"),
        pytest.param({"api_key": OPERATOR_KEY}, {"forbidden"}, id="an operator"),
        pytest.param(viewer("a viewer | 7"), set(), id="a viewer"),
    ],
)
def test_the_service_passes_every_check_for_every_caller(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], skipped: set[str]
) -> None:
    with deployed(monkeypatch, no_fault, **options) as service:
        observed = outcomes(service)

    assert checks_with("failed", observed) == set()
    assert checks_with("skipped", observed) == skipped
    assert service.failures == []


def test_an_administrators_check_erases_its_users(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with deployed(monkeypatch, no_fault) as service:
        outcomes(service)

    user_ids = [user.path.removeprefix("/users/") for user in service.users]
    assert user_ids
    for user_id in user_ids:
        item = UserStreams.get(user_id)
        assert len(item.leases.attribute_values) == 0
        assert len(item.ended.attribute_values) == 0
        assert item.limit is None


def test_a_viewers_check_ends_the_viewers_streams(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user_id = "without streams afterwards"
    with deployed(monkeypatch, no_fault, **viewer(user_id)) as service:
        outcomes(service)

    assert len(UserStreams.get(user_id).leases.attribute_values) == 0


@pytest.mark.parametrize("fault", FAILED_CHECKS, ids=lambda fault: fault.__name__)
def test_a_fault_fails_exactly_the_checks_of_its_promises(
    monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    with deployed(monkeypatch, fault) as service:
        observed = outcomes(service)

    failed = checks_with("failed", observed)
    # Whether two calls show another fault depends on which of them comes first.
    by_chance = {"one-order"} - FAILED_CHECKS[fault]
    assert failed - by_chance == FAILED_CHECKS[fault]


def test_without_a_store_the_other_checks_are_skipped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with deployed(monkeypatch, has_no_store) as service:
        observed = outcomes(service)

    assert checks_with("failed", observed) == {"reachable"}
    assert len(checks_with("skipped", observed)) == len(CHECKS) - 1
    assert service.users == []


def test_the_streams_of_a_viewer_who_plays_continue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = {"streamId": "film", "deviceId": "tv"}
    with deployed(monkeypatch, no_fault, **viewer("a viewer who plays")) as service:
        start = service.ask("start", "POST", "/me/streams", json=body)
        assert start.status_code == 201

        observed = outcomes(service)

        listing = service.ask("list", "GET", "/me/streams").json()
    assert checks_with("failed", observed) == {"reachable"}
    assert listing["active"] == 1
