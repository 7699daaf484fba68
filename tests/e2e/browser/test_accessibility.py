"""Accessibility of the pages, as axe checks it."""

from typing import Literal
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser.pages import (
    accessibility_problems,
    click_button,
    expect_text,
    open_docs,
    open_user_page,
    operation,
)
from tests.viewer import Viewer

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "path",
    [
        "console?user={}",
        "users/{}/streams",
        "users/{}/streams/tv",
        "users/{}/streams/nobody",
        "users/{}/streams/a b",
        "users/{}/limit",
        "healthz",
    ],
)
def test_a_page_is_accessible(
    page: Page,
    url: str,
    axe: str,
    viewer: Viewer,
    path: str,
    scheme: Literal["light", "dark"],
) -> None:
    viewer.started(deviceId="tv", deviceName="TV", title="News")
    page.emulate_media(color_scheme=scheme)
    path_of_user = path.format(quote(viewer.user_id))
    page.goto(f"{url}/{path_of_user}")
    expect(page.locator("#answer-title, #slots h3").first).to_be_visible()

    assert accessibility_problems(page, axe) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_denied_start_is_accessible(
    page: Page, url: str, axe: str, viewer: Viewer, scheme: Literal["light", "dark"]
) -> None:
    viewer.limit(1)
    viewer.started(deviceId="phone", deviceName="Phone", title="News")
    page.emulate_media(color_scheme=scheme)
    open_user_page(page, url, viewer.user_id, "streams")
    click_button(page, "Start a stream", exact=True)
    expect_text(page, "#answer-title", "409")

    assert accessibility_problems(page, axe) == []


BROKEN_BY_SWAGGER_UI = (
    "color-contrast",  # the colours of methods and versions
    "heading-order",  # its title is followed by the third level
    "nested-interactive",  # the button of an operation contains a link
    "region",  # its header is in no landmark
    "select-name",  # its lists have no label
)
"""Rules that the markup and style of Swagger UI break."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_docs_are_accessible_except_for_rules_that_swagger_ui_breaks(
    page: Page, url: str, axe: str, scheme: Literal["light", "dark"]
) -> None:
    page.emulate_media(color_scheme=scheme)
    open_docs(page, url)
    start = operation(page, "startStream")
    start.get_by_role("button").first.click()
    assert accessibility_problems(page, axe, but=BROKEN_BY_SWAGGER_UI) == []
