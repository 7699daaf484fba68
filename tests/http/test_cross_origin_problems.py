"""A player of another origin can send its headers and read every problem."""

from collections.abc import Iterator

import httpx
import pytest
from django.core.wsgi import get_wsgi_application
from pytest_django.fixtures import Settings

from streams.wsgi import bounded
from tests.http.requests_by_hand import BODY, OTHER_HOST, assert_problem
from tests.wsgi_servers import serving

pytestmark = pytest.mark.usefixtures("service_unharmed")

PLAYER = "https://watch.example.com"


TRACING = [
    "traceparent",
    "tracestate",
    "baggage",
    "sentry-trace",
    "x-request-id",
    "x-amzn-trace-id",
]


@pytest.fixture
def for_players(settings: Settings) -> Iterator[httpx.Client]:
    """Yield a client of the service that sends the origin of a web player."""
    settings.CORS_ALLOWED_ORIGINS = [PLAYER]
    settings.MIDDLEWARE = [
        "streams_project.cross_origin.CrossOriginMiddleware",
        *settings.MIDDLEWARE,
    ]
    with (
        serving(bounded(get_wsgi_application())) as url,
        httpx.Client(base_url=url, headers={"Origin": PLAYER}) as client,
    ):
        yield client


def test_tracing_headers_pass_the_preflight(for_players: httpx.Client) -> None:
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": ", ".join(TRACING),
    }
    answer = for_players.options("/users/u/streams", headers=asked)

    assert answer.status_code == 200

    allowed = answer.headers["Access-Control-Allow-Headers"].split(", ")

    assert {*TRACING, "authorization", "content-type", "idempotency-key"} <= set(
        allowed
    )


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/nothing", {}, 404),
        ("GET", "/" + "x" * 3000, {}, 400),
        ("GET", "/users/a%23b/streams", {}, 400),
        ("GET", "/users/u/streams", {"Host": OTHER_HOST}, 400),
        ("GET", "/users/u/streams", {"Accept": "image/png"}, 406),
        ("PATCH", "/users/u/streams", {}, 405),
        ("GET", "/users/u/streams/none", {}, 404),
        (
            "POST",
            "/users/u/streams",
            {"Content-Type": "application/json; charset=uu"},
            415,
        ),
        ("POST", "/users/u/streams", {"Content-Encoding": "gzip"}, 415),
    ],
)
def test_a_player_of_another_origin_can_read_every_refusal(
    for_players: httpx.Client,
    method: str,
    path: str,
    headers: dict[str, str],
    status: int,
) -> None:
    answer = for_players.request(
        method, path, content=BODY if method == "POST" else None, headers=headers
    )

    assert_problem(answer, status, answer.json()["type"])
    assert answer.headers["Access-Control-Allow-Origin"] == PLAYER

    exposed = answer.headers["Access-Control-Expose-Headers"].lower().split(", ")

    assert {"expires", "location", "retry-after", "date"} <= set(exposed)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
