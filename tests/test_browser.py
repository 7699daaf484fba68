"""The pages in a real Chromium, as people use them."""

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

from streams import views
from tests.conftest import Viewer, asking, serving_under
from tests.servers import brief_server

pytestmark = pytest.mark.browser

AXE = "axe-core@4.14.1"
SCREENSHOTS = os.environ.get("SCREENSHOTS")
"""A folder: `SCREENSHOTS=docs/screenshots make test TESTS='-m browser -k fits'` makes those of the docs."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        where = shutil.which("chromium") or shutil.which("google-chrome")
        assert where, "These tests need Chromium: apt-get install chromium."
        browser = playwright.chromium.launch(executable_path=where, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A service whose leases last five seconds, so that heartbeats are quick."""
    with brief_server() as server:
        yield server.url


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A tab. What a page may not do, by its own policy or by a mistake in it, fails the test."""
    tab = chromium.new_page()
    wrong: list[str] = []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
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


def test_a_refused_viewer_picks_a_stream_to_end_and_plays_and_the_ended_player_learns_it(console: Page) -> None:
    players = {device: add_player(console, device) for device in ("TV", "Phone", "Laptop")}
    for player in players.values():
        expect(state(player)).to_have_text("plays")
    expect(console.locator("#count")).to_have_text("3 of 3 in use")

    tablet = add_player(console, "Tablet")
    expect(state(tablet)).to_have_text("denied: every slot is taken")
    assert tablet.get_by_role("listitem").all_inner_texts() == [
        f"End News on {device} and play here" for device in players
    ]
    expect(console.locator("#log")).to_contain_text("Tablet was denied. The slots are held by News on TV;")

    tablet.get_by_role("button", name="End News on Phone and play here").click()
    expect(state(tablet)).to_have_text("plays")
    expect(state(players["Phone"])).to_have_text("ended: replaced")
    expect(state(players["TV"])).to_have_text("plays")
    expect(console.locator("#count")).to_have_text("3 of 3 in use")


def test_a_crashed_players_slot_frees_after_its_lease_and_at_once_for_its_own_device(console: Page) -> None:
    tv, phone = add_player(console, "TV"), add_player(console, "Phone")
    for player in (tv, phone):
        expect(state(player)).to_have_text("plays")
        player.get_by_role("button", name="Crash").click()
    expect(console.locator("#count")).to_have_text("2 of 3 in use")
    phone.get_by_role("button", name="Play").click()
    expect(state(phone)).to_have_text("plays")
    expect(console.locator("#count")).to_have_text("1 of 3 in use", timeout=15_000)
    expect(console.locator("#slots")).to_contain_text("Phone")


def test_a_player_whose_network_is_cut_says_so_and_plays_on_when_it_is_back(console: Page) -> None:
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


def test_an_operator_ends_a_stream_and_its_player_learns_it(console: Page, viewer: Viewer) -> None:
    tv = add_player(console, "TV")
    expect(state(tv)).to_have_text("plays")
    console.get_by_role("button", name="End News on TV").click()
    expect(state(tv)).to_have_text("ended: stopped")
    expect(console.locator("#count")).to_have_text("0 of 3 in use")
    assert viewer.list()["active"] == 0


def test_a_player_that_is_stopped_frees_its_slot(console: Page, viewer: Viewer) -> None:
    tv = add_player(console, "TV")
    expect(state(tv)).to_have_text("plays")
    tv.get_by_role("button", name="Stop").click()
    expect(console.locator("#count")).to_have_text("0 of 3 in use")
    assert viewer.list()["active"] == 0


def test_the_limit_is_changed_and_given_back_to_the_default(console: Page, viewer: Viewer) -> None:
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


def test_each_request_is_shown_with_what_was_sent_and_answered(console: Page, user_id: str) -> None:
    add_player(console, "TV", "The Great Escape")
    line = console.locator("#requests details:not(.poll)", has_text=f"201 POST /users/{user_id}/streams")
    line.locator("summary").click()
    expect(line.locator("pre").first).to_contain_text('"streamId": "the-great-escape"')
    expect(line.locator("pre").last).to_contain_text('"heartbeatSeconds"')


def test_a_title_with_markup_does_no_harm_in_the_console(console: Page, viewer: Viewer) -> None:
    viewer.started("456", title="<img src=x onerror=document.title='harm'>")
    expect(console.locator("#slots")).to_contain_text("<img src=x")
    expect(console).to_have_title("Streams console")


def test_an_hour_that_is_left_is_told_in_minutes(console: Page, user_id: str) -> None:
    patient = replace(views.store, policy=replace(views.store.policy, lease_ms=3_600_000))
    patient.start(user_id, asking("tv"), now=time.time_ns() // 1_000_000)
    expect(console.locator("#slots")).to_contain_text("60 min left")


def test_a_problem_of_the_console_itself_is_told(console: Page) -> None:
    console.get_by_label("User", exact=True).fill("no such/user")
    console.get_by_role("button", name="Show").click()
    expect(console.get_by_role("alert")).to_contain_text("userId: Must be 1 to 128 characters")


def test_a_tab_that_is_closed_frees_its_slot(console: Page, viewer: Viewer) -> None:
    expect(state(add_player(console, "TV"))).to_have_text("plays")
    assert viewer.list()["active"] == 1
    left_at = time.monotonic()
    console.goto("about:blank")
    while viewer.list()["active"]:
        assert time.monotonic() - left_at < 4, "a lease would have ended by then"


def test_heartbeats_go_on_where_the_pages_own_timers_are_held_back(page: Page, url: str, user_id: str) -> None:
    page.add_init_script("window.setTimeout = () => 0")
    page.goto(f"{url}/console?user={quote(user_id)}")
    tv = add_player(page, "TV")
    expect(state(tv)).to_have_text("plays")
    beats = page.locator("#requests details", has_text="/heartbeat")
    expect(beats).to_have_count(4, timeout=15_000)
    expect(state(tv)).to_have_text("plays")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 900)], ids=["phone", "desktop"])
def test_the_console_fits_the_screen(
    chromium: Browser, url: str, user_id: str, scheme: Literal["light", "dark"], width: int, height: int
) -> None:
    page = chromium.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.goto(f"{url}/console?user={quote(user_id)}")
    for device in ("Living room TV", "Ana's phone", "Laptop", "Tablet with a long name of its own"):
        expect(state(add_player(page, device, "The Great Escape"))).to_have_text(re.compile("plays|denied"))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS) / f"console-{scheme}-{width}.png")
    page.context.close()


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Deque's checker of accessibility, as a script."""
    folder = tmp_path_factory.mktemp("axe")
    subprocess.run(["npm", "pack", "--silent", AXE], cwd=folder, check=True, capture_output=True, timeout=120)
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        script = archive.extractfile("package/axe.min.js")
        assert script
        return script.read().decode()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["console?user={}"])
def test_a_page_can_be_used_by_everyone(
    page: Page, url: str, axe: str, viewer: Viewer, path: str, scheme: Literal["light", "dark"]
) -> None:
    viewer.started(deviceName="TV", title="News")
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{url}/{path.format(quote(viewer.user_id))}")
    expect(page.get_by_text("News").first).to_be_visible()
    page.evaluate(axe)
    found = page.evaluate("axe.run()")
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]] == []


def test_the_console_works_under_a_stage(page: Page, user_id: str) -> None:
    with serving_under("/test") as url:
        page.goto(f"{url}/console?user={quote(user_id)}")
        expect(state(add_player(page, "TV"))).to_have_text("plays")
        expect(page.locator("#count")).to_have_text("1 of 3 in use")
