"""The service behind Zappa's entry point: every kind of event, below any mount."""

import base64
import html
import json
import os
import re
from dataclasses import dataclass
from typing import Any

import pytest
from apig_wsgi import make_lambda_handler
from pytest_django.fixtures import Settings

from tests.lambda_events import (
    API,
    HOSTS,
    OWN,
    STAGE,
    WAYS,
    Event,
    Make,
    balancer,
    content,
    function_url,
    header,
    http_api,
    http_api_on_a_domain,
    lambda_handler,
    rest_api,
    rest_api_on_a_domain,
    zappa_settings,
)

from streams_project import lambda_entry  # isort: skip  # tests.lambda_events makes it ready


JSON = {"Content-Type": "application/json", "Accept": "application/json"}


BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@dataclass
class Client:
    """A client that sends its requests in one kind of event."""

    make: Make
    prefix: str

    def ask(
        self, method: str, path: str, body: Any = None, query: str = "", **headers: str
    ) -> Event:
        """Send a request to a path below the mount of the service."""
        sent = JSON | {name.replace("_", "-"): value for name, value in headers.items()}
        text = "" if body is None else json.dumps(body)
        answer: Event = lambda_handler(
            self.make(method, self.prefix + path, query, sent, text), None
        )
        return answer


@pytest.fixture(autouse=True)
def hosts(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = HOSTS


@pytest.fixture(params=list(WAYS.values()), ids=list(WAYS))
def client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Client:
    make, prefix, base_path = request.param
    monkeypatch.setattr(zappa_settings, "BASE_PATH", base_path)
    return Client(make, prefix)


def test_a_stream_lives_from_start_to_stop(client: Client, user_id: str) -> None:
    started = client.ask(
        "POST", f"/users/{user_id}/streams", {"streamId": "456", "deviceId": "tv"}
    )

    assert started["statusCode"] == 201
    assert header(started, "Location") == f"{client.prefix}/users/{user_id}/streams/tv"

    token = {"token": content(started)["token"]}

    assert (
        client.ask("POST", f"/users/{user_id}/streams/tv/heartbeat", token)[
            "statusCode"
        ]
        == 200
    )
    assert content(client.ask("GET", f"/users/{user_id}/streams"))["active"] == 1

    stopped = client.ask("DELETE", f"/users/{user_id}/streams/tv")

    assert stopped["statusCode"] == 204
    assert stopped["body"] == ""
    assert content(client.ask("GET", f"/users/{user_id}/streams"))["active"] == 0


def test_each_page_is_served_with_its_files(client: Client, user_id: str) -> None:
    assert (
        header(client.ask("GET", "/", **BROWSER), "Location")
        == f"{client.prefix}/console"
    )

    for page in (f"/users/{user_id}/streams", "/console", "/docs"):
        answer = client.ask("GET", page, **BROWSER)
        assert answer["statusCode"] == 200
        assert (header(answer, "Content-Type") or "")[:9] == "text/html"
        assets = [
            html.unescape(url)
            for url in re.findall(
                r'(?:rel="stylesheet" href|src)="([^"]+)"', answer["body"]
            )
        ]
        assert len(assets) >= 2
        for url in assets:
            assert url.startswith(f"{client.prefix}/static/")
            assert (
                client.ask("GET", url.removeprefix(client.prefix))["statusCode"] == 200
            ), url

    picture = "/static/drf_spectacular_sidecar/swagger-ui-dist/favicon-32x32.png"
    answer = client.ask("GET", picture)

    assert answer["statusCode"] == 200
    assert answer["isBase64Encoded"] is True
    assert base64.b64decode(answer["body"]).startswith(b"\x89PNG")


NAMES = [
    "streams",
    "limit",
    "stop",
    "heartbeat",
    "me",
    "users",
    "healthz",
    STAGE,
    f"{STAGE}ing",
    "v1",
    "v10",
    "static",
]


@pytest.mark.parametrize("name", NAMES)
def test_the_ids_of_a_user_and_a_stream_may_equal_a_segment_of_a_route(
    client: Client, name: str
) -> None:
    streams = f"/users/{name}/streams"
    client.ask("DELETE", f"{streams}/{name}")
    started = client.ask("PUT", f"{streams}/{name}", {"streamId": name})

    assert started["statusCode"] in (200, 201), started
    assert header(started, "Location") == f"{client.prefix}{streams}/{name}"

    beat = client.ask(
        "POST", f"{streams}/{name}/heartbeat", {"token": content(started)["token"]}
    )

    assert beat["statusCode"] == 200
    assert content(beat)["userId"] == name
    assert content(beat)["id"] == name
    assert content(client.ask("GET", f"/users/{name}/limit"))["userId"] == name
    assert client.ask("DELETE", f"{streams}/{name}")["statusCode"] == 204


@pytest.mark.parametrize(
    "path", [f"/{STAGE}ing/healthz", "/v10/healthz", "/v1healthz", f"/{STAGE}healthz"]
)
@pytest.mark.parametrize(
    "make",
    [http_api, http_api_on_a_domain, rest_api_on_a_domain, function_url, balancer],
)
def test_a_path_that_only_starts_like_the_mount_is_not_below_it(
    make: Make, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zappa_settings, "BASE_PATH", "v1")
    answer = lambda_handler(make("GET", path, "", JSON, ""), None)
    assert answer["statusCode"] == 404
    assert content(answer)["type"] == "not-found"


@pytest.mark.parametrize("name", ["u", "us", "users", "me", "healthz"])
def test_a_stage_or_base_path_may_equal_the_start_of_a_route(
    name: str, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = rest_api("GET", f"/{STAGE}/users/{user_id}/streams", "", JSON, "")
    event["requestContext"]["stage"] = name

    assert lambda_handler(event, None)["statusCode"] == 200

    monkeypatch.setattr(zappa_settings, "BASE_PATH", name)
    for make in (rest_api_on_a_domain, http_api_on_a_domain):
        assert (
            lambda_handler(
                make("GET", f"/{name}/users/{user_id}/streams", "", JSON, ""), None
            )["statusCode"]
            == 200
        )


def test_a_query_is_accepted_as_the_client_wrote_it(
    client: Client, user_id: str
) -> None:
    many = "&".join(f"a{number}=1" for number in range(200))
    for query in ("a=1&a=2&b=%2B%20%C3%A9&c", "a=%ff&=&%00", many):
        assert (
            client.ask("GET", f"/users/{user_id}/streams", query=query)["statusCode"]
            == 200
        )


def test_every_error_is_a_problem(client: Client, user_id: str) -> None:
    for answer, status in (
        (client.ask("GET", "/nothing"), 404),
        (client.ask("GET", "/users/" + "x" * 2000), 400),
        (client.ask("PATCH", f"/users/{user_id}/streams"), 405),
        (client.ask("GET", f"/users/{user_id}/streams", Accept="image/png"), 406),
        (
            client.ask(
                "POST", f"/users/{user_id}/streams", {}, Content_Type="text/csv"
            ),
            415,
        ),
        (
            client.ask(
                "POST", f"/users/{user_id}/streams", {}, Content_Encoding="gzip"
            ),
            415,
        ),
    ):
        assert answer["statusCode"] == status
        assert header(answer, "Content-Type") == "application/problem+json"
        assert header(answer, "Cache-Control") == "no-store"


def test_a_body_in_base64_is_read(client: Client, user_id: str) -> None:
    event = client.make(
        "POST", f"{client.prefix}/users/{user_id}/streams", "", JSON, ""
    )
    event |= {
        "body": base64.b64encode(b'{"streamId":"456"}').decode(),
        "isBase64Encoded": True,
    }

    assert lambda_handler(event, None)["statusCode"] == 201


@pytest.mark.parametrize("host", [API.upper(), f"{API}:443", OWN.title()])
def test_a_host_may_be_in_capitals_and_with_a_port(host: str, user_id: str) -> None:
    event = http_api_on_a_domain(
        "GET", f"/users/{user_id}/streams", "", JSON | {"Host": host}, ""
    )
    assert lambda_handler(event, None)["statusCode"] == 200


def test_a_body_that_was_sent_in_chunks_is_whole_in_an_event(
    client: Client, user_id: str
) -> None:
    streams = f"/users/{user_id}/streams"
    start = {"streamId": "456", "deviceId": "tv"}
    chunked = {"Transfer_Encoding": "chunked"}

    assert client.ask("POST", streams, start, **chunked)["statusCode"] == 201
    assert client.ask("DELETE", f"{streams}/tv", **chunked)["statusCode"] == 204


@pytest.mark.parametrize("path", ["/readyz", "/readyz/"])
def test_the_readiness_is_answered_at_an_address(path: str) -> None:
    event = rest_api_on_a_domain("GET", path, "", JSON | {"Host": "10.0.3.7"}, "")
    assert lambda_handler(event, None)["statusCode"] == 200


@pytest.mark.parametrize(
    "sent", [[OWN, OWN], [OWN, "evil.example"], ["10.0.3.7"], [""], []], ids=str
)
def test_only_a_health_check_may_have_an_unknown_double_or_missing_host(
    sent: list[str], user_id: str
) -> None:
    def ask(path: str) -> Event:
        event = rest_api_on_a_domain("GET", path, "", JSON, "")
        event["headers"] = {"Host": sent[-1]} if sent else None
        event["multiValueHeaders"] = {"Host": sent} if sent else None
        answer: Event = lambda_handler(event, None)
        return answer

    assert ask("/healthz")["statusCode"] == 200

    for path in (f"/users/{user_id}/streams", "/console", "/", "/healthz//"):
        answer = ask(path)
        assert answer["statusCode"] == 400
        assert content(answer)["errors"].keys() == {"Host"}


def test_a_health_check_of_a_load_balancer_needs_no_host() -> None:
    event = balancer("GET", "/healthz", "", {}, "")
    event["headers"] = {"user-agent": "ELB-HealthChecker/2.0"}
    assert lambda_handler(event, None)["statusCode"] == 200


def seen_by_the_application(event: Event) -> dict[str, Any]:
    """Return the WSGI environment that the application receives."""
    seen: dict[str, Any] = {}

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.update(environ)
        start_response("204 No Content", [])
        return []

    make_lambda_handler(lambda_entry._mounted(application))(
        event | lambda_entry._unambiguous_headers(event), None
    )
    return seen


@pytest.mark.parametrize("make", [make for make, *_ in WAYS.values()], ids=WAYS)
def test_a_sender_cannot_choose_its_address(make: Make) -> None:
    spoofed = (
        {}
        if make.__name__.startswith("balancer")
        else {"X-Forwarded-For": "192.0.2.66, 192.0.2.67"}
    )
    assert (
        seen_by_the_application(make("GET", "/", "", spoofed, ""))["REMOTE_ADDR"]
        == "203.0.113.7"
    )


@pytest.mark.parametrize("make", [make for make, *_ in WAYS.values()], ids=WAYS)
def test_a_header_with_an_underscore_is_not_the_one_with_a_hyphen(make: Make) -> None:
    sent = {
        "X_API_Key": "stolen",
        "Authorization": "Bearer x",
        "Idempotency_Key": "other",
    }
    seen = seen_by_the_application(make("GET", "/", "", sent, ""))

    assert seen["HTTP_AUTHORIZATION"] == "Bearer x"
    assert "HTTP_X_API_KEY" not in seen
    assert "HTTP_IDEMPOTENCY_KEY" not in seen


def test_text_that_is_not_ascii_is_handled_everywhere(
    client: Client, user_id: str
) -> None:
    odd = "日本\u00e9\U0001f600"

    assert client.ask("GET", f"/users/{odd}/streams")["statusCode"] == 400
    assert client.ask("GET", f"/{odd}")["statusCode"] == 404

    for name in ("Accept", "Authorization", "X_API_Key", "Origin", "Cookie", "Referer"):
        assert (
            client.ask("GET", f"/users/{user_id}/streams", **{name: odd})["statusCode"]
            == 200
        )

    started = client.ask(
        "POST", f"/users/{user_id}/streams", {"streamId": odd, "title": odd}
    )

    assert started["statusCode"] == 201
    assert content(started)["title"] == odd


def test_zappa_handles_its_own_events(capsys: pytest.CaptureFixture[str]) -> None:
    assert lambda_handler({"manage": "check"}, None) == {}
    assert "no issues" in capsys.readouterr().out
    assert lambda_handler({"command": "os.getcwd"}, None) == os.getcwd()

    warm = {
        "detail-type": "Scheduled Event",
        "resources": ["arn:aws:events:eu-west-1:1:rule/x-handler.keep_warm_callback"],
    }

    assert lambda_handler(warm, None) is None
