"""The pages in a real Chromium, as people use them."""

import json
import os
import re
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from streams import service
from streams.browsable.document import document
from tests.builders import asking, changed
from tests.e2e.test_permissions import ADMIN_KEY, hashed
from tests.servers import brief_server, running, runserver
from tests.viewer import Viewer
from tests.wsgi_servers import serving_under

pytestmark = pytest.mark.browser

TAGS: dict[str, list[str]] = {}
"""The operations, as the docs group them."""
for _item in document()["paths"].values():
    for _operation in _item.values():
        TAGS.setdefault(_operation["tags"][0], []).append(_operation["operationId"])
AXE = "axe-core@4.14.1"
SCREENSHOTS = os.environ.get("SCREENSHOTS")
"""The folder for screenshots.

Those of the docs: `SCREENSHOTS=docs/screenshots make test TESTS='-m browser -k fits'`.
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        where = shutil.which("chromium") or shutil.which("google-chrome")
        assert where, "These tests need Chromium: apt-get install chromium."
        browser = playwright.chromium.launch(
            executable_path=where, args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Yield a service whose leases last five seconds, so that heartbeats are quick."""
    with brief_server() as server:
        yield server.url


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """Yield a tab. A mistake in a page, or a breach of its policy, fails the test."""
    tab = chromium.new_page()
    wrong: list[str] = []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on(
        "console",
        lambda said: (
            wrong.append(said.text) if "Content Security Policy" in said.text else None
        ),
    )
    yield tab
    tab.context.close()
    assert wrong == []


@pytest.fixture
def viewer(url: str, user_id: str) -> Iterator[Viewer]:
    with httpx.Client(base_url=url, timeout=30) as api:
        yield Viewer(api, user_id)


@pytest.fixture
def console(page: Page, url: str, user_id: str) -> Page:
    page.goto(f"{url}/console?user={quote(user_id)}")
    expect(page.locator("#count")).to_have_text("0 of 3 in use")
    return page


def add_player(console: Page, device: str, title: str = "News") -> Locator:
    console.get_by_label("Device").fill(device)
    console.get_by_label("Title").fill(title)
    console.get_by_role("button", name="Add a player").click()
    return console.get_by_role("article", name=f"Player {device}", exact=True)


def state(player: Locator) -> Locator:
    return player.get_by_role("status")


def test_a_refused_viewer_ends_a_stream_and_plays_and_the_ended_player_learns_it(
    console: Page,
) -> None:
    players = {
        device: add_player(console, device) for device in ("TV", "Phone", "Laptop")
    }
    for player in players.values():
        expect(state(player)).to_have_text("plays")
    expect(console.locator("#count")).to_have_text("3 of 3 in use")

    tablet = add_player(console, "Tablet")
    expect(state(tablet)).to_have_text("denied: every slot is taken")
    assert tablet.get_by_role("listitem").all_inner_texts() == [
        f"End News on {device} and play here" for device in players
    ]
    expect(console.locator("#log")).to_contain_text(
        "Tablet was denied. The slots are held by News on TV;"
    )

    with console.expect_request(
        lambda sent: "replace" in (sent.post_data or "")
    ) as sent:
        tablet.get_by_role("button", name="End News on Phone and play here").click()
    assert [
        type(one["epoch"]) for one in json.loads(sent.value.post_data or "")["replace"]
    ] == [int], "the playback that was seen"
    expect(state(tablet)).to_have_text("plays")
    expect(state(players["Phone"])).to_have_text("ended: replaced")
    expect(state(players["TV"])).to_have_text("plays")
    expect(console.locator("#count")).to_have_text("3 of 3 in use")


def test_a_crashed_players_slot_frees_after_its_lease_and_at_once_for_its_own_device(
    console: Page,
) -> None:
    tv, phone = add_player(console, "TV"), add_player(console, "Phone")
    for player in (tv, phone):
        expect(state(player)).to_have_text("plays")
        player.get_by_role("button", name="Crash").click()
    expect(console.locator("#count")).to_have_text("2 of 3 in use")
    phone.get_by_role("button", name="Play").click()
    expect(state(phone)).to_have_text("plays")
    expect(console.locator("#count")).to_have_text("1 of 3 in use", timeout=15_000)
    expect(console.locator("#slots")).to_contain_text("Phone")


def test_a_player_whose_network_is_cut_says_so_and_plays_on_when_it_is_back(
    console: Page,
) -> None:
    tv = add_player(console, "TV")
    expect(state(tv)).to_have_text("plays")
    tv.get_by_label("Network").uncheck()
    expect(state(tv)).to_contain_text("offline: network-error")
    tv.get_by_label("Network").check()
    expect(state(tv)).to_have_text("plays again", timeout=15_000)


def test_a_browser_that_goes_offline_and_comes_back_plays_on(console: Page) -> None:
    tv = add_player(console, "TV")
    expect(state(tv)).to_have_text("plays")
    console.context.set_offline(True)
    expect(state(tv)).to_contain_text("offline: network-error")
    console.context.set_offline(False)
    expect(state(tv)).to_have_text("plays again", timeout=15_000)


def test_an_operator_ends_a_stream_and_its_player_learns_it(
    console: Page, viewer: Viewer
) -> None:
    tv = add_player(console, "TV")
    expect(state(tv)).to_have_text("plays")
    epoch = viewer.list()["streams"][0]["epoch"]
    with console.expect_request(lambda sent: sent.method == "DELETE") as sent:
        console.get_by_role("button", name="End News on TV").click()
    assert sent.value.url.endswith(f"?epoch={epoch}")
    assert (sent.value.post_data, sent.value.headers.get("content-type")) == (
        None,
        None,
    )
    expect(state(tv)).to_have_text("ended: stopped")
    expect(console.locator("#count")).to_have_text("0 of 3 in use")
    assert viewer.list()["active"] == 0


def test_a_player_that_is_stopped_frees_its_slot(console: Page, viewer: Viewer) -> None:
    tv = add_player(console, "TV")
    expect(state(tv)).to_have_text("plays")
    with console.expect_request(lambda sent: sent.url.endswith("/stop")) as sent:
        tv.get_by_role("button", name="Stop").click()
    assert list(json.loads(sent.value.post_data or "")) == ["token"]
    expect(console.locator("#count")).to_have_text("0 of 3 in use")
    assert viewer.list()["active"] == 0


def test_the_limit_is_changed_and_given_back_to_the_default(
    console: Page, viewer: Viewer
) -> None:
    console.get_by_label("Limit").fill("1")
    console.get_by_label("When full").select_option("evict-oldest")
    console.get_by_role("button", name="Set").click()
    expect(console.locator("#count")).to_have_text("0 of 1 in use")
    first, second = add_player(console, "TV"), add_player(console, "Phone")
    expect(state(first)).to_have_text("ended: evicted")
    expect(state(second)).to_have_text("plays")
    console.get_by_role("button", name="Default").click()
    expect(console.locator("#count")).to_have_text("1 of 3 in use")
    assert viewer.api.get(f"/users/{viewer.user_id}/limit").json()["isDefault"] is True


def test_each_request_is_shown_with_what_was_sent_and_answered(
    console: Page, user_id: str
) -> None:
    add_player(console, "TV", "The Great Escape")
    line = console.locator(
        "#requests details:not(.poll)", has_text=f"201 POST /users/{user_id}/streams"
    )
    line.locator("summary").click()
    expect(line.locator("pre").first).to_contain_text('"streamId": "the-great-escape"')
    expect(line.locator("pre").last).to_contain_text('"heartbeatSeconds"')


def test_a_title_with_markup_does_no_harm_in_the_console(
    console: Page, viewer: Viewer
) -> None:
    viewer.started("456", title="<img src=x onerror=document.title='harm'>")
    expect(console.locator("#slots")).to_contain_text("<img src=x")
    expect(console).to_have_title("Streams console")


def test_an_hour_that_is_left_is_told_in_minutes(console: Page, user_id: str) -> None:
    patient = replace(
        service.store, plans=changed(service.store.plans, lease_ms=3_600_000)
    )
    patient.start(user_id, asking("tv"), now=time.time_ns() // 1_000_000)
    expect(console.locator("#slots")).to_contain_text("60 min left")


def test_a_problem_of_the_console_itself_is_told(console: Page) -> None:
    console.get_by_label("User", exact=True).fill("no such#user")
    console.get_by_role("button", name="Show").click()
    expect(console.get_by_role("alert")).to_contain_text(
        "userId: Must have 1 to 255 printable ASCII characters"
    )


def test_a_tab_that_is_closed_frees_its_slot(console: Page, viewer: Viewer) -> None:
    expect(state(add_player(console, "TV"))).to_have_text("plays")
    assert viewer.list()["active"] == 1
    left_at = time.monotonic()
    console.goto("about:blank")
    while viewer.list()["active"]:
        assert time.monotonic() - left_at < 4, "a lease would have ended by then"


def test_a_page_that_goes_away_sends_its_stop_as_a_beacon(
    console: Page, viewer: Viewer
) -> None:
    expect(state(add_player(console, "TV"))).to_have_text("plays")
    with console.expect_request(lambda sent: sent.url.endswith("/stop")) as sent:
        console.evaluate("dispatchEvent(new Event('pagehide'))")
    assert (sent.value.method, sent.value.resource_type) == ("POST", "ping"), "a beacon"
    assert sent.value.headers["content-type"].lower() == "text/plain;charset=utf-8"


ZAPPING = """async ([api, userId, count]) => {
  const { StreamClient } = await import(`${api}/static/client/streams-client.js`);
  const told = [];
  const on = {
    admitted: ({ streamId }) => told.push(streamId),
    ended: (reason) => told.push(reason),
  };
  const client = new StreamClient({ url: api, userId, on });
  const starts = Array.from({ length: count }, (_, number) =>
    client.start({ streamId: `channel-${number}` }),
  );
  const admitted = await Promise.all(starts);
  const numbers = admitted.map((is, number) => is && number);
  return { admitted: numbers.filter((number) => number !== false), told };
}"""


def test_a_viewer_who_zaps_fast_watches_the_last_channel_in_one_slot(
    console: Page, url: str, viewer: Viewer
) -> None:
    assert console.evaluate(ZAPPING, [url, viewer.user_id, 10]) == {
        "admitted": [9],
        "told": ["channel-9"],
    }
    # Starts that the service met after the last one hold the slot until the client
    # takes it back.
    until = time.monotonic() + 10
    while [stream["streamId"] for stream in viewer.list()["streams"]] != ["channel-9"]:
        assert time.monotonic() < until


def test_heartbeats_go_on_where_the_pages_own_timers_are_held_back(
    page: Page, url: str, user_id: str
) -> None:
    page.add_init_script("window.setTimeout = () => 0")
    page.goto(f"{url}/console?user={quote(user_id)}")
    tv = add_player(page, "TV")
    expect(state(tv)).to_have_text("plays")
    beats = page.locator("#requests details", has_text="/heartbeat")
    expect(beats).to_have_count(4, timeout=15_000)
    expect(state(tv)).to_have_text("plays")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("width", "height"), [(390, 844), (1280, 900)], ids=["phone", "desktop"]
)
def test_the_console_fits_the_screen(
    chromium: Browser,
    url: str,
    user_id: str,
    scheme: Literal["light", "dark"],
    width: int,
    height: int,
) -> None:
    page = chromium.new_page(
        viewport={"width": width, "height": height}, color_scheme=scheme
    )
    page.goto(f"{url}/console?user={quote(user_id)}")
    for device in (
        "Living room TV",
        "Ana's phone",
        "Laptop",
        "Tablet with a long name of its own",
    ):
        expect(state(add_player(page, device, "The Great Escape"))).to_have_text(
            re.compile("plays|denied")
        )
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS) / f"console-{scheme}-{width}.png")
    page.context.close()


def started_at_the_page(page: Page, url: str, user_id: str) -> None:
    """Start the stream that the page has ready, and return it."""
    page.goto(f"{url}/users/{quote(user_id)}/streams")
    page.get_by_role("button", name="Start a stream", exact=True).click()
    expect(page.locator("#answer-title")).to_have_text("201 Created")


def test_a_stream_is_started_kept_alive_and_stopped_with_a_press_each(
    page: Page, url: str, viewer: Viewer
) -> None:
    started_at_the_page(page, url, viewer.user_id)
    expect(page).to_have_url(f"{url}/users/{viewer.user_id}/streams/tv")
    for _ in range(2):  # the second is sent with the token that came with the first
        page.locator("#quick-renewStream").click()
        expect(page.locator("#answer")).to_contain_text("/heartbeat")
        expect(page.locator("#answer-title")).to_have_text("200 OK")
        page.reload()
        expect(page.locator("#answer")).not_to_contain_text("/heartbeat")
    page.locator("#quick-stopStream").click()
    expect(page.locator("#answer-title")).to_have_text("204 No Content")
    assert viewer.list()["active"] == 0
    page.get_by_role("link", name="Streams").click()
    expect(page.locator("#answer")).to_contain_text("0 of 3 in use, 3 free.")


def test_a_page_without_a_streams_token_says_what_a_heartbeat_needs(
    page: Page, url: str, viewer: Viewer
) -> None:
    token = viewer.started(deviceId="tv")["token"]
    page.goto(f"{url}/users/{viewer.user_id}/streams/tv")
    expect(page.locator("#quick-renewStream")).to_be_disabled()
    expect(
        page.get_by_text("This tab does not have the stream's token.")
    ).to_be_visible()
    page.locator("#renewStream-body").fill(json.dumps({"token": token}))
    page.locator("#renewStream").get_by_role("button").click()
    expect(page.locator("#answer-title")).to_have_text("200 OK")
    expect(page.locator("#quick-renewStream")).to_be_enabled()


def test_a_refused_body_stays_to_be_put_right(
    page: Page, url: str, user_id: str
) -> None:
    page.goto(f"{url}/users/{user_id}/streams")
    body = page.get_by_label("Body, application/json")
    body.fill('{"streamId": ""}')
    page.get_by_role("button", name="Start a stream", exact=True).click()
    expect(page.locator("#answer")).to_contain_text("This field may not be blank.")
    expect(body).to_have_value('{"streamId": ""}')
    body.fill('{"streamId": "456"}')
    page.get_by_role("button", name="Start a stream", exact=True).click()
    expect(page.locator("#answer-title")).to_have_text("201 Created")


def test_a_denied_person_stops_a_stream_and_starts(
    page: Page, url: str, viewer: Viewer
) -> None:
    viewer.limit(1)
    viewer.started(deviceId="phone", deviceName="Phone", title="News")
    page.goto(f"{url}/users/{viewer.user_id}/streams")
    page.get_by_role("button", name="Start a stream", exact=True).click()
    expect(page.locator("#answer-title")).to_have_text(
        "409 Conflict: The user has reached the limit of concurrent streams."
    )
    page.get_by_role("button", name="End News on Phone").click()
    page.get_by_role("button", name="Confirm").click()
    expect(page.locator("#answer-title")).to_have_text("204 No Content")
    page.go_back()
    page.get_by_role("button", name="Start a stream", exact=True).click()
    expect(page.locator("#answer-title")).to_have_text("201 Created")


def test_a_call_that_ends_something_is_confirmed_before_it_is_sent(
    page: Page, url: str, viewer: Viewer
) -> None:
    viewer.started(deviceId="tv")
    page.goto(f"{url}/users/{viewer.user_id}/streams/tv")
    end = page.get_by_role("button", name="End a stream", exact=True)
    end.click()
    expect(page.get_by_role("dialog")).to_contain_text("End a stream? DELETE")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert viewer.list()["active"] == 1
    end.click()
    page.get_by_role("button", name="Confirm").click()
    expect(page.locator("#answer-title")).to_have_text("204 No Content")
    assert viewer.list()["active"] == 0


def test_an_html_form_sends_the_fields_that_are_filled_in(
    page: Page, url: str, viewer: Viewer
) -> None:
    page.goto(f"{url}/users/{viewer.user_id}/limit")
    page.get_by_text("HTML form").click()
    form = page.locator("#setLimit-form")
    form.get_by_label("limit").fill("0")
    form.get_by_label("whenFull").select_option("evict-oldest")
    form.get_by_label("endSurplus").check()
    form.get_by_role("button").click()
    expect(page.locator("#answer-title")).to_have_text("200 OK")
    expect(page.locator("#body")).to_contain_text('"limit": 0')
    expect(page.locator("#body")).to_contain_text('"ended": []')


def test_the_options_of_a_page_are_shown(page: Page, url: str, user_id: str) -> None:
    page.goto(f"{url}/users/{user_id}/streams")
    page.get_by_role("button", name="OPTIONS").click()
    expect(page.locator("#answer")).to_contain_text(f"OPTIONS /users/{user_id}/streams")
    expect(page.locator("#body")).to_contain_text("application/json")


def test_the_limit_is_set_and_cleared_at_its_page(
    page: Page, url: str, viewer: Viewer
) -> None:
    page.goto(f"{url}/users/{viewer.user_id}/limit")
    page.locator("#setLimit").get_by_role("button").click()
    expect(page.locator("#body")).to_contain_text('"limit": 5')
    page.get_by_role("button", name="Clear the limit of a user").click()
    page.get_by_role("button", name="Confirm").click()
    expect(page.locator("#answer-title")).to_have_text("204 No Content")
    assert viewer.list()["limit"] == 3


def test_the_keyboard_is_enough_and_the_answer_is_read_out(
    page: Page, url: str, user_id: str
) -> None:
    page.goto(f"{url}/users/{user_id}/streams")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Start a stream":
            break
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_be_focused()
    assert page.locator("#answer").get_attribute("aria-labelledby") == "answer-title"


def test_a_service_that_cannot_be_reached_leaves_the_page_and_says_so(
    page: Page, url: str, user_id: str
) -> None:
    page.goto(f"{url}/users/{user_id}/streams")
    page.context.set_offline(True)
    page.get_by_role("button", name="Start a stream", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text(
        "The service did not answer with a page"
    )
    expect(
        page.get_by_role("button", name="Start a stream", exact=True)
    ).to_be_visible()


@pytest.fixture(scope="module")
def guarded_url() -> Iterator[str]:
    """Yield a service that requires an API key."""
    key = hashed(ADMIN_KEY, "streams:operate streams:admin")
    with running(
        runserver(), os.environ | {"API_KEYS": key, "PYTHONUNBUFFERED": "1"}
    ) as server:
        yield server.url


def test_credentials_open_a_page_and_go_along_with_links_and_forms(
    page: Page, guarded_url: str, user_id: str
) -> None:
    page.goto(f"{guarded_url}/users/{user_id}/streams")
    expect(page.locator("#answer-title")).to_have_text(
        "401 Unauthorized: Credentials are missing."
    )
    page.get_by_label("API key").fill(ADMIN_KEY)
    page.get_by_role("button", name="Use").click()
    expect(page.locator("#answer-title")).to_have_text("200 OK")
    page.get_by_role("link", name="Limit").click()
    expect(page).to_have_title(f"Limit of {user_id}")
    expect(page.locator("#answer-title")).to_have_text("200 OK")
    page.go_back()
    expect(page).to_have_title(f"Streams of {user_id}")
    page.get_by_role("button", name="Start a stream", exact=True).click()
    expect(page.locator("#answer-title")).to_have_text("201 Created")
    page.reload()
    expect(page.locator("#answer-title")).to_have_text("200 OK")


def test_the_console_and_the_pages_share_the_credentials_of_the_tab(
    page: Page, guarded_url: str, user_id: str
) -> None:
    page.goto(f"{guarded_url}/console?user={quote(user_id)}")
    page.get_by_text("Credentials", exact=True).click()
    page.get_by_label("API key").fill(ADMIN_KEY)
    page.get_by_role("button", name="Use").click()
    expect(page.locator("#count")).to_have_text("0 of 3 in use")
    page.goto(f"{guarded_url}/users/{user_id}/streams")
    expect(page.locator("#answer-title")).to_have_text("200 OK")


def test_the_pages_work_under_a_stage(page: Page, user_id: str) -> None:
    with serving_under("/test") as url:
        started_at_the_page(page, url, user_id)
        page.locator("#quick-renewStream").click()
        expect(page.locator("#answer")).to_contain_text(
            f"/test/users/{user_id}/streams/tv/heartbeat"
        )
        expect(page.locator("#answer-title")).to_have_text("200 OK")
        page.get_by_role("link", name="Streams").click()
        expect(page.locator("#answer")).to_contain_text("1 of 3 in use")


# --- /docs ----------------------------------------------------------------------------


def open_docs(page: Page, url: str) -> None:
    page.goto(f"{url}/docs")
    expect(page.get_by_role("heading", name="Concurrent-stream limits")).to_be_visible()


def operation(page: Page, id: str) -> Locator:
    return page.locator(
        f"#operations-{next(tag for tag in TAGS if id in TAGS[tag])}-{id}"
    )


def tried(page: Page, id: str, user_id: str) -> Locator:
    """Try an operation for a user with its example values, and return it."""
    call = operation(page, id)
    call.get_by_role("button").first.click()
    call.get_by_role("button", name="Try it out").click()
    call.get_by_placeholder("userId").fill(user_id)
    call.get_by_role("button", name="Execute").click()
    return call.locator(".live-responses-table .response .response-col_status")


def test_the_docs_show_every_operation_and_ask_no_other_host(
    page: Page, url: str
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_docs(page, url)
    for ids in TAGS.values():
        for id in ids:
            expect(operation(page, id)).to_be_visible()
            operation(page, id).get_by_role("button").first.click()
            expect(
                operation(page, id).get_by_role("heading", name="Responses")
            ).to_be_visible()
    expect(page.locator(".errors-wrapper")).to_have_count(0)
    assert {one for one in asked if not one.startswith((f"{url}/", "data:"))} == set()


def test_a_start_is_tried_at_the_docs(page: Page, url: str, viewer: Viewer) -> None:
    open_docs(page, url)
    expect(tried(page, "startStream", viewer.user_id)).to_contain_text("201")
    assert [stream["id"] for stream in viewer.list()["streams"]] == ["tv"]


def test_the_docs_work_under_a_stage(page: Page, user_id: str) -> None:
    with serving_under("/test") as url:
        open_docs(page, url)
        expect(tried(page, "startStream", user_id)).to_contain_text("201")


def test_the_docs_send_the_credentials_that_they_are_given(
    page: Page, guarded_url: str, user_id: str
) -> None:
    open_docs(page, guarded_url)
    expect(tried(page, "startStream", user_id)).to_contain_text("401")
    page.get_by_role("button", name="Authorize").first.click()
    page.locator("#api_key_value").fill(ADMIN_KEY)
    page.get_by_role("button", name="Apply credentials").first.click()
    page.get_by_role("button", name="Close").first.click()
    operation(page, "startStream").get_by_role("button", name="Execute").click()
    answered = operation(page, "startStream").locator(
        ".live-responses-table .response .response-col_status"
    )
    expect(answered).to_contain_text("201")


# --- all pages ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Deque's checker of accessibility, as a script."""
    folder = tmp_path_factory.mktemp("axe")
    subprocess.run(
        ["npm", "pack", "--silent", AXE],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=120,
    )
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        script = archive.extractfile("package/axe.min.js")
        assert script
        return script.read().decode()


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
        deviceName="Living room TV with a long name of its own",
        title="The Great Escape",
    )
    page = chromium.new_page(
        viewport={"width": width, "height": height}, color_scheme=scheme
    )
    page.goto(f"{url}/users/{quote(viewer.user_id)}/{quote(path)}")
    expect(page.locator("#answer-title")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if SCREENSHOTS and path == "streams":
        page.screenshot(path=Path(SCREENSHOTS) / f"pages-{scheme}-{width}.png")
    page.context.close()


def unusable(
    page: Page, axe: str, *, but: tuple[str, ...] = ()
) -> list[tuple[str, list[str]]]:
    """Return the faults that axe finds in a page, with all details open."""
    page.evaluate(
        "for (const one of document.querySelectorAll('details')) one.open = true"
    )
    page.evaluate(axe)
    found = page.evaluate(
        "rules => axe.run({ rules })", {rule: {"enabled": False} for rule in but}
    )
    return [
        (one["id"], [node["html"] for node in one["nodes"]])
        for one in found["violations"]
    ]


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
def test_a_page_can_be_used_by_everyone(
    page: Page,
    url: str,
    axe: str,
    viewer: Viewer,
    path: str,
    scheme: Literal["light", "dark"],
) -> None:
    viewer.started(deviceId="tv", deviceName="TV", title="News")
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{url}/{path.format(quote(viewer.user_id))}")
    expect(page.locator("#answer-title, #slots h3").first).to_be_visible()
    assert unusable(page, axe) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_denied_start_can_be_read_by_everyone(
    page: Page, url: str, axe: str, viewer: Viewer, scheme: Literal["light", "dark"]
) -> None:
    viewer.limit(1)
    viewer.started(deviceId="phone", deviceName="Phone", title="News")
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{url}/users/{viewer.user_id}/streams")
    page.get_by_role("button", name="Start a stream", exact=True).click()
    expect(page.locator("#answer-title")).to_contain_text("409")
    assert unusable(page, axe) == []


SWAGGER_UIS_OWN = (
    "color-contrast",  # its colours of methods, versions and quiet text
    "heading-order",  # from its title straight to the third level
    "nested-interactive",  # an operation's button holds a link to it
    "region",  # its head stands before its main part, in no landmark
    "select-name",  # labels stand next to its lists of servers and examples
)
"""Rules that Swagger UI's markup and style break. The rest of the page breaks none."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_docs_can_be_used_by_everyone_as_far_as_swagger_ui_lets_them(
    page: Page, url: str, axe: str, scheme: Literal["light", "dark"]
) -> None:
    page.emulate_media(color_scheme=scheme)
    open_docs(page, url)
    operation(page, "startStream").get_by_role("button").first.click()
    assert unusable(page, axe, but=SWAGGER_UIS_OWN) == []


def test_the_console_works_under_a_stage(page: Page, user_id: str) -> None:
    with serving_under("/test") as url:
        page.goto(f"{url}/console?user={quote(user_id)}")
        expect(state(add_player(page, "TV"))).to_have_text("plays")
        expect(page.locator("#count")).to_have_text("1 of 3 in use")
