"""The API in a browser, at the root of a host and under the path of a stage."""

import html
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from streams.browsable.document import document
from streams.views import LimitView, StreamViewSet
from tests.servers import PROJECT
from tests.viewer import Viewer
from tests.wsgi_servers import serving_under

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.fixture(
    scope="module", params=["", "/test"], ids=["at the root", "under a stage"]
)
def base_url(request: pytest.FixtureRequest) -> Iterator[str]:
    with serving_under(request.param) as url:
        yield url


@pytest.fixture
def browser(base_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=base_url, headers=BROWSER) as client:
        yield client


def path(browser: httpx.Client, of: str) -> str:
    """Return a path as the pages of this service write it."""
    return browser.base_url.path.rstrip("/") + of


def links(page: httpx.Response) -> set[str]:
    return {html.unescape(link) for link in re.findall(r'<a href="([^"]+)"', page.text)}


def words(page: httpx.Response) -> str:
    """Return the text of a page without its markup."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", "", page.text)))


def test_the_root_redirects_to_the_console(
    browser: httpx.Client,
) -> None:
    assert browser.get("/").headers["Location"] == path(browser, "/console")


@pytest.mark.parametrize("page", ["/users/user-1/streams", "/docs", "/console"])
def test_a_page_comes_with_its_style_and_scripts(
    browser: httpx.Client, page: str
) -> None:
    answer = browser.get(page)
    assert answer.headers["Content-Type"].startswith("text/html")
    assets = re.findall(r'(?:rel="stylesheet" href|src)="([^"]+)"', answer.text)
    assert len(assets) >= 2
    for asset in assets:
        assert asset.startswith(path(browser, "/static/"))
        file = browser.get(str(browser.base_url.copy_with(path=asset)))
        assert file.status_code == 200, asset
        assert file.headers["Content-Type"].startswith(("text/css", "text/javascript"))


@pytest.mark.parametrize(
    ("of", "view", "methods"),
    [
        (
            "streams",
            StreamViewSet,
            {"list": "listStreams", "create": "startStream", "clear": "endStreams"},
        ),
        (
            "streams/tv",
            StreamViewSet,
            {
                "retrieve": "readStream",
                "update": "startStreamAs",
                "destroy": "endStream",
                "heartbeat": "renewStream",
                "stop": "stopStream",
            },
        ),
        (
            "limit",
            LimitView,
            {"get": "readLimit", "put": "setLimit", "delete": "clearLimit"},
        ),
    ],
    ids=["streams", "a stream", "the limit"],
)
def test_a_page_explains_each_of_its_calls(
    browser: httpx.Client, user_id: str, of: str, view: type, methods: dict[str, str]
) -> None:
    page = words(browser.get(f"/users/{user_id}/{of}"))
    operations = {
        one["operationId"]: one
        for item in document()["paths"].values()
        for one in item.values()
    }
    for name, id in methods.items():
        for paragraph in inspect.getdoc(getattr(view, name)).split("\n\n"):  # type: ignore[union-attr]
            assert (
                " ".join(paragraph.replace("`", "").split()).removesuffix(".") in page
            )
        for status, answer in operations[id]["responses"].items():
            refusal = answer.get("$ref", "").rpartition("/")[2].replace("-or-", ", ")
            assert f"{status}{refusal}" in page


def prefilled(page: httpx.Response, operation: str) -> Any:
    """Return the example body in the form of an operation."""
    body = re.search(rf'id="{operation}-body"[^>]*>([^<]*)<', page.text)
    assert body, operation
    return json.loads(html.unescape(body[1]))


def test_the_example_body_of_a_form_is_valid(
    browser: httpx.Client, user_id: str
) -> None:
    streams, limit = f"/users/{user_id}/streams", f"/users/{user_id}/limit"
    page = browser.get(streams)
    assert browser.post(streams, json=prefilled(page, "startStream")).status_code == 201
    page = browser.get(f"{streams}/phone")
    assert (
        browser.put(
            f"{streams}/phone", json=prefilled(page, "startStreamAs")
        ).status_code
        == 201
    )
    assert (
        browser.put(limit, json=prefilled(browser.get(limit), "setLimit")).status_code
        == 200
    )
    heartbeat = browser.post(
        f"{streams}/phone/heartbeat", json=prefilled(page, "renewStream")
    )
    assert "The token is not valid for this stream" in words(heartbeat), (
        "its shape is right; the token is an example"
    )


def test_pages_link_to_what_is_near(
    browser: httpx.Client, api: httpx.Client, user_id: str
) -> None:
    for id in ("tv", "a:b|c"):
        Viewer(api, user_id).started(deviceId=id)
    of_user = path(browser, f"/users/{user_id}")
    streams = {f"{of_user}/streams/tv", f"{of_user}/streams/a%3Ab%7Cc"}
    near = {
        f"{of_user}/streams",
        f"{of_user}/limit",
        path(browser, f"/console?user={user_id}"),
        path(browser, "/docs"),
    }
    as_json = {f"{of_user}/streams?format=json", f"{of_user}/limit?format=json"}
    page = browser.get(f"/users/{user_id}/streams")
    assert links(page) - as_json == near | streams
    assert links(browser.get(f"/users/{user_id}/streams/a:b|c")) >= near
    assert links(browser.get(f"/users/{user_id}/limit")) - as_json == near
    for link in near | streams:
        assert (
            browser.get(
                str(browser.base_url.copy_with(raw_path=link.encode()))
            ).status_code
            == 200
        )


def test_the_page_of_a_denied_start_lists_the_holders_with_a_button_to_end_them(
    browser: httpx.Client, api: httpx.Client, user_id: str
) -> None:
    viewer = Viewer(api, user_id)
    viewer.limit(1)
    viewer.started(deviceId="tv", deviceName="Living room TV", title="News")
    page = browser.post(f"/users/{user_id}/streams", json={"streamId": "456"})
    assert page.status_code == 409
    assert (
        "409 Conflict: The user has reached the limit of concurrent streams."
        in words(page)
    )
    assert "News on Living room TV" in words(page)
    assert re.search(r"Retry in \d+ seconds\.", words(page))
    assert (
        f'data-method="DELETE" action="{path(browser, f"/users/{user_id}/streams/tv")}"'
        in page.text
    )


def test_the_page_of_an_invalid_request_names_each_field(
    browser: httpx.Client, user_id: str
) -> None:
    sent = {"deviceId": "a b", "title": "", "replace": ["tv", "a b"]}
    page = browser.post(f"/users/{user_id}/streams", json=sent)
    facts = re.findall(
        r"<dt>([^<]+)</dt><dd>([^<]+)</dd>", page.text.partition("</section>")[0]
    )
    assert dict(facts).keys() == {"streamId", "deviceId", "replace, number 2"}
    assert dict(facts)["streamId"] == "This field is required."


def test_the_page_of_an_ended_stream_contains_the_reason(
    browser: httpx.Client, api: httpx.Client, user_id: str
) -> None:
    Viewer(api, user_id).started(deviceId="tv")
    assert "204 No Content The stream has ended." in words(
        browser.delete(f"/users/{user_id}/streams/tv")
    )
    page = words(browser.get(f"/users/{user_id}/streams/tv"))
    assert "410 Gone: The stream has ended." in page
    assert "reasonstopped" in page


def test_the_page_of_a_users_streams_lists_the_endings_with_their_reasons(
    browser: httpx.Client, api: httpx.Client, user_id: str
) -> None:
    viewer = Viewer(api, user_id)
    viewer.started(deviceId="tv")
    viewer.started(deviceId="phone", replace=["tv"])
    page = words(browser.get(f"/users/{user_id}/streams"))
    assert re.search(r"Ended streams ?tv ?replaced by phone, \d{4}-", page)


@pytest.mark.parametrize("bad", ["a%23b", "%2e%2e", "x" * 256, "<script>%3F"])
def test_the_page_of_an_invalid_user_id_links_to_no_page_of_that_user(
    browser: httpx.Client, bad: str
) -> None:
    page = browser.get(f"/users/{bad}/streams")
    assert page.status_code == 400
    assert "userId" in words(page)
    assert links(page) == {path(browser, "/console"), path(browser, "/docs")}
    assert "<script>" not in page.text.replace('<script type="module"', "")


def test_the_page_of_a_body_that_is_not_json_says_so_once(
    browser: httpx.Client, user_id: str
) -> None:
    answer = browser.post(
        f"/users/{user_id}/streams",
        content="{",
        headers={"Content-Type": "application/json"},
    )
    shown = words(answer).partition("Headers")[0]
    as_json = re.sub(r"\{.*\}", "", shown)

    assert answer.status_code == 400
    assert as_json.count("The body is not JSON") == 1


def test_the_location_of_a_new_stream_contains_the_path_of_the_stage(
    browser: httpx.Client, user_id: str
) -> None:
    response = browser.put(
        f"/users/{user_id}/streams/tv",
        json={"streamId": "456"},
        headers={"Accept": "*/*"},
    )
    assert (
        response.headers["Location"]
        == browser.base_url.path.rstrip("/") + f"/users/{user_id}/streams/tv"
    )


def test_a_title_with_markup_does_no_harm_on_the_page(
    browser: httpx.Client, api: httpx.Client, user_id: str
) -> None:
    Viewer(api, user_id).started("456", title="<script>alert(1)</script>")
    assert "<script>alert(1)" not in browser.get(f"/users/{user_id}/streams").text


WITHOUT_PAGES = """
import json, sys
from django.test import RequestFactory
from streams_project.wsgi import application

def ask(path):
    answer = []

    def start_response(status, headers):
        answer.extend([int(status.split()[0]), dict(headers)["Content-Type"]])

    requests = RequestFactory(HTTP_HOST="localhost")
    request = requests.get(path, HTTP_ACCEPT="text/html,*/*;q=0.8")
    application(request.environ, start_response)
    return answer

answers = {path: ask(path) for path in sys.argv[1:]}
assert "streams.views" in sys.modules
of_pages = ("streams.browsable", "openapi", "drf_spectacular", "whitenoise")
loaded = [name for name in sys.modules if name.startswith(of_pages)]
print(json.dumps([answers, loaded]))
"""
PAGES = [
    "/",
    "/docs",
    "/console",
    "/console/",
    "/openapi.json",
    "/static/streams/style.css",
]
PAGES += [
    "/static/streams/openapi.json",
    "/static/client/streams-client.js",
    "/static/rest_framework/css/default.css",
]


def test_without_pages_the_service_neither_loads_nor_serves_them() -> None:
    """Assert that a cold start loads neither renderer, document nor Swagger UI."""
    command = [sys.executable, "-c", WITHOUT_PAGES, "/healthz", *PAGES]
    environment = os.environ | {"DEBUG": "1", "BROWSABLE_API": "0"}
    done = subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True
    )
    answers, loaded = json.loads(done.stdout)
    assert loaded == []
    assert answers.pop("/healthz") == [200, "application/json"]
    assert answers == {path: [404, "application/problem+json"] for path in PAGES}
