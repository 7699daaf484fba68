"""The console: players, operators, and the network between them."""

import json
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from streams import service
from tests.builders import asking, changed
from tests.e2e.browser.pages import SCREENSHOTS, add_player, state
from tests.viewer import Viewer
from tests.wsgi_servers import serving_under

pytestmark = pytest.mark.browser


def test_a_denied_viewer_replaces_a_stream_and_its_player_learns_it(
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


def test_the_slot_of_a_crashed_player_is_free_after_its_lease(
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


def test_a_player_reports_a_lost_network_and_continues_afterwards(
    console: Page,
) -> None:
    tv = add_player(console, "TV")
    expect(state(tv)).to_have_text("plays")
    tv.get_by_label("Network").uncheck()
    expect(state(tv)).to_contain_text("offline: network-error")
    tv.get_by_label("Network").check()
    expect(state(tv)).to_have_text("plays again", timeout=15_000)


def test_a_browser_that_was_offline_continues(console: Page) -> None:
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


def test_a_stopped_player_frees_its_slot(console: Page, viewer: Viewer) -> None:
    tv = add_player(console, "TV")
    expect(state(tv)).to_have_text("plays")
    with console.expect_request(lambda sent: sent.url.endswith("/stop")) as sent:
        tv.get_by_role("button", name="Stop").click()

    assert list(json.loads(sent.value.post_data or "")) == ["token"]

    expect(console.locator("#count")).to_have_text("0 of 3 in use")

    assert viewer.list()["active"] == 0


def test_the_limit_is_changed_and_cleared(console: Page, viewer: Viewer) -> None:
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
    expect(console.locator("#slots")).to_contain_text("<img src=x")
    expect(console).to_have_title("Streams console")


def test_an_hour_is_shown_in_minutes(console: Page, user_id: str) -> None:
    patient = replace(
        service.store, plans=changed(service.store.plans, lease_ms=3_600_000)
    )
    patient.start(user_id, asking("tv"), now=time.time_ns() // 1_000_000)
    expect(console.locator("#slots")).to_contain_text("60 min left")


def test_a_problem_of_a_request_of_the_console_is_shown(console: Page) -> None:
    console.get_by_label("User", exact=True).fill("no such#user")
    console.get_by_role("button", name="Show").click()
    expect(console.get_by_role("alert")).to_contain_text(
        "userId: Must have 1 to 255 printable ASCII characters"
    )


def test_a_closed_tab_frees_its_slot(console: Page, viewer: Viewer) -> None:
    expect(state(add_player(console, "TV"))).to_have_text("plays")

    assert viewer.list()["active"] == 1

    left_at = time.monotonic()
    console.goto("about:blank")
    while viewer.list()["active"]:
        assert time.monotonic() - left_at < 4, "a lease would have ended by then"


def test_a_page_that_closes_sends_its_stop_as_a_beacon(
    console: Page, viewer: Viewer
) -> None:
    expect(state(add_player(console, "TV"))).to_have_text("plays")
    with console.expect_request(lambda sent: sent.url.endswith("/stop")) as sent:
        console.evaluate("dispatchEvent(new Event('pagehide'))")

    assert (sent.value.method, sent.value.resource_type) == ("POST", "ping"), "a beacon"
    assert sent.value.headers["content-type"].lower() == "text/plain;charset=utf-8"


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
    assert console.evaluate(ZAPPING, [url, viewer.user_id, 10]) == {
        "admitted": [9],
        "reported": ["channel-9"],
    }

    # A start that arrived after the last one has the slot until the client
    # takes it back.
    until = time.monotonic() + 10
    while [stream["streamId"] for stream in viewer.list()["streams"]] != ["channel-9"]:
        assert time.monotonic() < until


def test_heartbeats_continue_while_timers_of_the_page_are_throttled(
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
        "Tablet with a very long name",
    ):
        expect(state(add_player(page, device, "The Great Escape"))).to_have_text(
            re.compile("plays|denied")
        )

    assert page.evaluate("document.documentElement.scrollWidth") <= width

    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS) / f"console-{scheme}-{width}.png")
    page.context.close()


def test_the_console_works_under_a_stage(page: Page, user_id: str) -> None:
    with serving_under("/test") as url:
        page.goto(f"{url}/console?user={quote(user_id)}")
        expect(state(add_player(page, "TV"))).to_have_text("plays")
        expect(page.locator("#count")).to_have_text("1 of 3 in use")
