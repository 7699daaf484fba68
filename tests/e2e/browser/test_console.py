"""The console: players, operators, and the network between them."""

import json
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from streams import service
from tests.builders import asking, changed
from tests.e2e.browser.pages import (
    SCREENSHOTS,
    add_player,
    click_button,
    expect_count,
    expect_state,
    expect_text,
    open_console,
    state,
)
from tests.viewer import Viewer
from tests.wsgi_servers import serving_under

pytestmark = pytest.mark.browser


def test_a_denied_viewer_replaces_a_stream_and_its_player_learns_it(
    console: Page,
) -> None:
    devices = ("TV", "Phone", "Laptop")
    players = {device: add_player(console, device) for device in devices}
    for player in players.values():
        expect_state(player, "playing")
    expect_count(console, "3 of 3 in use")

    tablet = add_player(console, "Tablet")
    expect_state(tablet, "denied: every slot is taken")

    assert tablet.get_by_role("listitem").all_inner_texts() == [
        f"End News on {device} and play here" for device in players
    ]

    expect_text(console, "#log", "Tablet was denied. The slots are held by News on TV;")

    with console.expect_request(
        lambda sent: "replace" in (sent.post_data or "")
    ) as sent:
        click_button(tablet, "End News on Phone and play here")

    body = json.loads(sent.value.post_data or "")
    types_of_epochs = [type(replaced["epoch"]) for replaced in body["replace"]]
    assert types_of_epochs == [int], "the playback that was seen"

    expect_state(tablet, "playing")
    expect_state(players["Phone"], "ended: replaced")
    expect_state(players["TV"], "playing")
    expect_count(console, "3 of 3 in use")


def test_the_slot_of_a_crashed_player_is_free_after_its_lease(
    console: Page,
) -> None:
    tv = add_player(console, "TV")
    phone = add_player(console, "Phone")
    for player in (tv, phone):
        expect_state(player, "playing")
        click_button(player, "Crash")
    expect_count(console, "2 of 3 in use")
    click_button(phone, "Play")
    expect_state(phone, "playing")
    expect_count(console, "1 of 3 in use", timeout=15_000)
    expect_text(console, "#slots", "Phone")


def test_a_player_reports_a_lost_network_and_continues_afterwards(
    console: Page,
) -> None:
    tv = add_player(console, "TV")
    expect_state(tv, "playing")
    tv.get_by_label("Network").uncheck()
    expect(state(tv)).to_contain_text("offline: network-error")
    tv.get_by_label("Network").check()
    expect_state(tv, "playing again", timeout=15_000)


def test_a_browser_that_was_offline_continues(console: Page) -> None:
    tv = add_player(console, "TV")
    expect_state(tv, "playing")
    console.context.set_offline(True)
    expect(state(tv)).to_contain_text("offline: network-error")
    console.context.set_offline(False)
    expect_state(tv, "playing again", timeout=15_000)


def test_an_operator_ends_a_stream_and_its_player_learns_it(
    console: Page, viewer: Viewer
) -> None:
    tv = add_player(console, "TV")
    expect_state(tv, "playing")
    epoch = viewer.list()["streams"][0]["epoch"]
    with console.expect_request(lambda sent: sent.method == "DELETE") as sent:
        click_button(console, "End News on TV")

    assert sent.value.url.endswith(f"?epoch={epoch}")
    assert sent.value.post_data is None
    assert sent.value.headers.get("content-type") is None

    expect_state(tv, "ended: stopped")
    expect_count(console, "0 of 3 in use")

    assert viewer.list()["active"] == 0


def test_a_stopped_player_frees_its_slot(console: Page, viewer: Viewer) -> None:
    tv = add_player(console, "TV")
    expect_state(tv, "playing")
    with console.expect_request("**/stop") as sent:
        click_button(tv, "Stop")

    body = json.loads(sent.value.post_data or "")
    assert list(body) == ["token"]

    expect_count(console, "0 of 3 in use")

    assert viewer.list()["active"] == 0


def test_the_limit_is_changed_and_cleared(console: Page, viewer: Viewer) -> None:
    console.get_by_label("Limit", exact=True).fill("1")
    console.get_by_label("When full").select_option("evict-oldest")
    click_button(console, "Set")
    expect_count(console, "0 of 1 in use")
    first = add_player(console, "TV")
    second = add_player(console, "Phone")
    expect_state(first, "ended: evicted")
    expect_state(second, "playing")
    click_button(console, "Default")
    expect_count(console, "1 of 3 in use")

    limit = viewer.api.get(f"/users/{viewer.user_id}/limit").json()
    assert limit["isDefault"] is True


def test_each_request_is_shown_with_its_body_and_answer(
    console: Page, user_id: str
) -> None:
    add_player(console, "TV", "The Great Escape")
    line = console.locator(
        "#requests details:not(.poll)", has_text=f"201 POST /users/{user_id}/streams"
    )
    line.locator("summary").click()
    expect(line.locator("pre").first).to_contain_text('"streamId": "the-great-escape"')
    expect(line.locator("pre").last).to_contain_text('"heartbeatSeconds"')


def test_markup_in_a_title_is_escaped_in_the_console(
    console: Page, viewer: Viewer
) -> None:
    viewer.started("456", title="<img src=x onerror=document.title='harm'>")
    expect_text(console, "#slots", "<img src=x")
    expect(console).to_have_title("Streams console")


def test_an_hour_is_shown_in_minutes(console: Page, user_id: str) -> None:
    plans = changed(service.store.plans, lease_ms=3_600_000)
    patient = replace(service.store, plans=plans)
    now = time.time_ns() // 1_000_000
    patient.start(user_id, asking("tv"), now=now)
    expect_text(console, "#slots", "60 min left")


def test_a_problem_of_a_request_of_the_console_is_shown(console: Page) -> None:
    console.get_by_label("User", exact=True).fill("no such#user")
    click_button(console, "Show")
    expect(console.get_by_role("alert")).to_contain_text(
        "userId: Must have 1 to 255 printable ASCII characters"
    )


def test_a_closed_tab_frees_its_slot(console: Page, viewer: Viewer) -> None:
    tv = add_player(console, "TV")
    expect_state(tv, "playing")

    assert viewer.list()["active"] == 1

    left_at = time.monotonic()
    console.goto("about:blank")
    while viewer.list()["active"]:
        assert time.monotonic() - left_at < 4, "a lease would have ended by then"


def test_a_page_that_closes_sends_its_stop_as_a_beacon(
    console: Page, viewer: Viewer
) -> None:
    tv = add_player(console, "TV")
    expect_state(tv, "playing")
    with console.expect_request("**/stop") as sent:
        console.evaluate("dispatchEvent(new Event('pagehide'))")

    assert sent.value.method == "POST"
    assert sent.value.resource_type == "ping", "a beacon"
    media_type = sent.value.headers["content-type"]
    assert media_type.lower() == "text/plain;charset=utf-8"


ZAPPING = """async ([api, userId, count]) => {
  const { StreamClient } = await import(`${api}/static/client/streams-client.js`);

  const reported = [];
  const on = {
    admitted: ({ streamId }) => reported.push(streamId),
    ended: (reason) => reported.push(reason),
  };
  const client = new StreamClient({ url: api, userId, on });

  const numbers = Array.from({ length: count }, (_, number) => number);
  const starts = numbers.map((number) =>
    client.start({ streamId: `channel-${number}` }),
  );
  const results = await Promise.all(starts);

  const admitted = numbers.filter((number) => results[number] !== false);
  return { admitted, reported };
}"""


def test_fast_zapping_uses_one_slot_for_the_last_channel(
    console: Page, url: str, viewer: Viewer
) -> None:
    result = console.evaluate(ZAPPING, [url, viewer.user_id, 10])
    assert result == {
        "admitted": [9],
        "reported": ["channel-9"],
    }

    # A start that arrived after the last one has the slot until the client
    # takes it back.
    until = time.monotonic() + 10
    while _channels(viewer) != ["channel-9"]:
        assert time.monotonic() < until


def _channels(viewer: Viewer) -> list[str]:
    streams = viewer.list()["streams"]
    return [stream["streamId"] for stream in streams]


def test_heartbeats_continue_while_timers_of_the_page_are_throttled(
    page: Page, url: str, user_id: str
) -> None:
    page.add_init_script("window.setTimeout = () => 0")
    open_console(page, url, user_id)
    tv = add_player(page, "TV")
    expect_state(tv, "playing")
    beats = page.locator("#requests details", has_text="/heartbeat")
    expect(beats).to_have_count(4, timeout=15_000)
    expect_state(tv, "playing")


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
    open_console(page, url, user_id)
    for device in (
        "Living room TV",
        "Ana's phone",
        "Laptop",
        "Tablet with a very long name",
    ):
        player = add_player(page, device, "The Great Escape")
        expect(state(player)).to_have_text(re.compile("playing|denied"))

    assert page.evaluate("document.documentElement.scrollWidth") <= width

    if SCREENSHOTS:
        name = f"console-{scheme}-{width}.png"
        page.screenshot(path=Path(SCREENSHOTS) / name)
    page.context.close()


def test_the_console_works_under_a_stage(page: Page, user_id: str) -> None:
    with serving_under("/test") as url:
        open_console(page, url, user_id)
        tv = add_player(page, "TV")
        expect_state(tv, "playing")
        expect_count(page, "1 of 3 in use")
