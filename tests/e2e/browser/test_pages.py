"""The pages of the API: each call is made and explained on its page."""

import json
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser.pages import (
    SCREENSHOTS,
    click_button,
    expect_answer,
    expect_count,
    expect_text,
    open_console,
    open_user_page,
    started_at_the_page,
)
from tests.e2e.test_permissions import ADMIN_KEY
from tests.viewer import Viewer
from tests.wsgi_servers import serving_under

pytestmark = pytest.mark.browser


def test_a_stream_is_started_renewed_and_stopped_with_one_click_each(
    page: Page, url: str, viewer: Viewer
) -> None:
    started_at_the_page(page, url, viewer.user_id)
    expect(page).to_have_url(f"{url}/users/{viewer.user_id}/streams/tv")
    for _ in range(2):  # the second is sent with the token that came with the first
        page.locator("#quick-renewStream").click()
        expect_text(page, "#answer", "/heartbeat")
        expect_answer(page, "200 OK")
        page.reload()
        expect(page.locator("#answer")).not_to_contain_text("/heartbeat")

    page.locator("#quick-stopStream").click()
    expect_answer(page, "204 No Content")

    assert viewer.list()["active"] == 0

    page.get_by_role("link", name="Streams").click()
    expect_text(page, "#answer", "0 of 3 in use, 3 free.")


def test_a_page_without_a_token_explains_what_a_heartbeat_needs(
    page: Page, url: str, viewer: Viewer
) -> None:
    token = viewer.started(deviceId="tv")["token"]
    open_user_page(page, url, viewer.user_id, "streams/tv")
    expect(page.locator("#quick-renewStream")).to_be_disabled()
    expect(
        page.get_by_text("This tab does not have the stream's token.")
    ).to_be_visible()
    body = json.dumps({"token": token})
    page.locator("#renewStream-body").fill(body)
    page.locator("#renewStream").get_by_role("button").click()
    expect_answer(page, "200 OK")
    expect(page.locator("#quick-renewStream")).to_be_enabled()


def test_a_rejected_body_stays_in_the_form(page: Page, url: str, user_id: str) -> None:
    open_user_page(page, url, user_id, "streams")
    body = page.get_by_label("Body, application/json")
    body.fill('{"streamId": ""}')
    click_button(page, "Start a stream", exact=True)
    expect_text(page, "#answer", "This field may not be blank.")
    expect(body).to_have_value('{"streamId": ""}')
    body.fill('{"streamId": "456"}')
    click_button(page, "Start a stream", exact=True)
    expect_answer(page, "201 Created")


def test_a_denied_viewer_stops_a_stream_and_starts(
    page: Page, url: str, viewer: Viewer
) -> None:
    viewer.limit(1)
    viewer.started(deviceId="phone", deviceName="Phone", title="News")
    open_user_page(page, url, viewer.user_id, "streams")
    click_button(page, "Start a stream", exact=True)
    expect_answer(
        page, "409 Conflict: The user has reached the limit of concurrent streams."
    )
    click_button(page, "End News on Phone")
    click_button(page, "Confirm")
    expect_answer(page, "204 No Content")
    page.go_back()
    click_button(page, "Start a stream", exact=True)
    expect_answer(page, "201 Created")


def test_a_call_that_ends_a_stream_asks_for_confirmation(
    page: Page, url: str, viewer: Viewer
) -> None:
    viewer.started(deviceId="tv")
    open_user_page(page, url, viewer.user_id, "streams/tv")
    end = page.get_by_role("button", name="End a stream", exact=True)
    end.click()
    expect(page.get_by_role("dialog")).to_contain_text("End a stream? DELETE")
    click_button(page, "Cancel")
    expect(page.get_by_role("dialog")).to_be_hidden()

    assert viewer.list()["active"] == 1

    end.click()
    click_button(page, "Confirm")
    expect_answer(page, "204 No Content")

    assert viewer.list()["active"] == 0


def test_an_html_form_sends_the_filled_fields(
    page: Page, url: str, viewer: Viewer
) -> None:
    open_user_page(page, url, viewer.user_id, "limit")
    page.get_by_text("HTML form").click()
    form = page.locator("#setLimit-form")
    form.get_by_label("limit").fill("0")
    form.get_by_label("whenFull").select_option("evict-oldest")
    form.get_by_label("endSurplus").check()
    form.get_by_role("button").click()
    expect_answer(page, "200 OK")
    expect_text(page, "#body", '"limit": 0')
    expect_text(page, "#body", '"ended": []')


def test_the_options_of_a_page_are_shown(page: Page, url: str, user_id: str) -> None:
    open_user_page(page, url, user_id, "streams")
    click_button(page, "OPTIONS")
    expect_text(page, "#answer", f"OPTIONS /users/{user_id}/streams")
    expect_text(page, "#body", "application/json")


def test_the_limit_is_set_and_cleared_on_its_page(
    page: Page, url: str, viewer: Viewer
) -> None:
    open_user_page(page, url, viewer.user_id, "limit")
    page.locator("#setLimit").get_by_role("button").click()
    expect_text(page, "#body", '"limit": 5')
    click_button(page, "Clear the limit of a user")
    click_button(page, "Confirm")
    expect_answer(page, "204 No Content")

    assert viewer.list()["limit"] == 3


def test_a_page_is_usable_by_keyboard_and_announces_its_answer(
    page: Page, url: str, user_id: str
) -> None:
    open_user_page(page, url, user_id, "streams")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Start a stream":
            break

    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_be_focused()

    assert page.locator("#answer").get_attribute("aria-labelledby") == "answer-title"


def test_a_page_reports_a_service_that_is_unreachable(
    page: Page, url: str, user_id: str
) -> None:
    open_user_page(page, url, user_id, "streams")
    page.context.set_offline(True)
    click_button(page, "Start a stream", exact=True)
    expect(page.get_by_role("alert")).to_contain_text(
        "The service did not answer with a page"
    )
    expect(
        page.get_by_role("button", name="Start a stream", exact=True)
    ).to_be_visible()


def test_credentials_apply_to_links_and_forms(
    page: Page, guarded_url: str, user_id: str
) -> None:
    open_user_page(page, guarded_url, user_id, "streams")
    expect_answer(page, "401 Unauthorized: Credentials are missing.")
    page.get_by_label("API key").fill(ADMIN_KEY)
    click_button(page, "Use")
    expect_answer(page, "200 OK")
    page.get_by_role("link", name="Limit").click()
    expect(page).to_have_title(f"Limit of {user_id}")
    expect_answer(page, "200 OK")
    page.go_back()
    expect(page).to_have_title(f"Streams of {user_id}")
    click_button(page, "Start a stream", exact=True)
    expect_answer(page, "201 Created")
    page.reload()
    expect_answer(page, "200 OK")


def test_the_console_and_the_pages_share_the_credentials_of_the_tab(
    page: Page, guarded_url: str, user_id: str
) -> None:
    open_console(page, guarded_url, user_id)
    page.get_by_text("Credentials", exact=True).click()
    page.get_by_label("API key").fill(ADMIN_KEY)
    click_button(page, "Use")
    expect_count(page, "0 of 3 in use")
    open_user_page(page, guarded_url, user_id, "streams")
    expect_answer(page, "200 OK")


def test_the_pages_work_under_a_stage(page: Page, user_id: str) -> None:
    with serving_under("/test") as url:
        started_at_the_page(page, url, user_id)
        page.locator("#quick-renewStream").click()
        expect_text(page, "#answer", f"/test/users/{user_id}/streams/tv/heartbeat")
        expect_answer(page, "200 OK")
        page.get_by_role("link", name="Streams").click()
        expect_text(page, "#answer", "1 of 3 in use")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("width", "height"), [(390, 844), (1280, 900)], ids=["phone", "desktop"]
)
@pytest.mark.parametrize(
    "path", ["streams", "streams/tv", "limit", "streams/nobody", "streams/a b"]
)
def test_a_page_of_the_api_fits_the_screen(
    chromium: Browser,
    url: str,
    viewer: Viewer,
    path: str,
    scheme: Literal["light", "dark"],
    width: int,
    height: int,
) -> None:
    viewer.started(
        deviceId="tv",
        deviceName="Living room TV with a very long name",
        title="The Great Escape",
    )
    page = chromium.new_page(
        viewport={"width": width, "height": height}, color_scheme=scheme
    )
    open_user_page(page, url, viewer.user_id, path)
    expect(page.locator("#answer-title")).to_be_visible()

    assert page.evaluate("document.documentElement.scrollWidth") <= width

    if SCREENSHOTS and path == "streams":
        name = f"pages-{scheme}-{width}.png"
        page.screenshot(path=Path(SCREENSHOTS) / name)
    page.context.close()
