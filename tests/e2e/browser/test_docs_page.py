"""The page of the OpenAPI document at /docs."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser.pages import TAGS, click_button, open_docs, operation, tried
from tests.e2e.test_permissions import ADMIN_KEY
from tests.viewer import Viewer
from tests.wsgi_servers import serving_under

pytestmark = pytest.mark.browser


def test_the_docs_show_every_operation_and_load_from_no_other_host(
    page: Page, url: str
) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    open_docs(page, url)
    for ids in TAGS.values():
        for id in ids:
            expect(operation(page, id)).to_be_visible()

        section = operation(page, ids[0])
        section.get_by_role("button").first.click()
        responses = section.get_by_role("heading", name="Responses")
        expect(responses).to_be_visible()

    expect(page.locator(".errors-wrapper")).to_have_count(0)

    own = (f"{url}/", "data:")
    foreign = [requested for requested in requests if not requested.startswith(own)]
    assert foreign == []


def test_a_start_can_be_tried_in_the_docs(page: Page, url: str, viewer: Viewer) -> None:
    open_docs(page, url)
    status = tried(page, "startStream", viewer.user_id)
    expect(status).to_contain_text("201")
    (stream,) = viewer.list()["streams"]
    assert stream["id"] == "tv"


def test_the_docs_work_under_a_stage(page: Page, user_id: str) -> None:
    with serving_under("/test") as url:
        open_docs(page, url)
        status = tried(page, "startStream", user_id)
        expect(status).to_contain_text("201")


def test_the_docs_send_the_entered_credentials(
    page: Page, guarded_url: str, user_id: str
) -> None:
    open_docs(page, guarded_url)
    status = tried(page, "startStream", user_id)
    expect(status).to_contain_text("401")
    page.get_by_role("button", name="Authorize").first.click()
    page.locator("#api_key_value").fill(ADMIN_KEY)
    page.get_by_role("button", name="Apply credentials").first.click()
    page.get_by_role("button", name="Close").first.click()
    start = operation(page, "startStream")
    click_button(start, "Execute")
    answered = start.locator(".live-responses-table .response .response-col_status")
    expect(answered).to_contain_text("201")
