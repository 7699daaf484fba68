"""The API in a browser, at the root of a host and under a stage's path."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.core.wsgi import get_wsgi_application

from tests.conftest import Viewer, serving

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.fixture(scope="module", params=["", "/test"], ids=["at the root", "under a stage"])
def base_url(request: pytest.FixtureRequest) -> Iterator[str]:
    application, prefix = get_wsgi_application(), request.param

    def mounted(environ: dict[str, Any], start_response: Any) -> Any:
        environ["SCRIPT_NAME"] = prefix
        environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix(prefix)
        return application(environ, start_response)

    with serving(mounted) as url:
        yield url + prefix


@pytest.fixture
def browser(base_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=base_url, headers=BROWSER) as client:
        yield client


def test_a_person_sees_a_page_with_its_style_and_scripts(browser: httpx.Client, user_id: str) -> None:
    page = browser.get(f"/users/{user_id}/streams")
    assert page.headers["Content-Type"].startswith("text/html")
    assert "The streams of a user" in page.text
    assets = re.findall(r'(?:href|src)="([^"]+\.(?:css|js))"', page.text)
    assert len(assets) > 5
    for asset in assets:
        assert asset.startswith(browser.base_url.path.rstrip("/") + "/static/")
        answer = browser.get(str(browser.base_url.copy_with(path=asset)))
        assert answer.status_code == 200, asset
        assert answer.headers["Content-Type"].startswith(("text/css", "text/javascript"))


def test_a_person_sees_a_problem_as_a_page(browser: httpx.Client, user_id: str) -> None:
    page = browser.get(f"/users/{user_id}/streams/nobody")
    assert page.status_code == 404
    assert page.headers["Content-Type"].startswith("text/html")
    assert "stream-not-found" in page.text


def test_the_place_of_a_new_stream_is_under_the_same_path(browser: httpx.Client, user_id: str) -> None:
    response = browser.put(f"/users/{user_id}/streams/tv", json={"streamId": "456"}, headers={"Accept": "*/*"})
    assert response.headers["Location"] == browser.base_url.path.rstrip("/") + f"/users/{user_id}/streams/tv"


def test_a_title_with_markup_does_no_harm_on_the_page(browser: httpx.Client, api: httpx.Client, user_id: str) -> None:
    Viewer(api, user_id).started("456", title="<script>alert(1)</script>")
    assert "<script>alert(1)" not in browser.get(f"/users/{user_id}/streams").text
