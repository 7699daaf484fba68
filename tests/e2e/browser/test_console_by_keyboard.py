"""The console by keyboard, with a screen reader, and for an operator in a hurry."""

import json
import os
import re
from collections.abc import Iterator
from typing import Literal

import httpx
import pytest
from playwright.sync_api import Page, Request, Route, expect

from tests.e2e.browser.pages import (
    accessibility_problems,
    add_player,
    click_button,
    expect_count,
    expect_state,
    expect_text,
    open_console,
)
from tests.e2e.test_permissions import ADMIN_KEY
from tests.servers import running, runserver
from tests.viewer import Viewer

pytestmark = pytest.mark.browser

SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")


@pytest.fixture
def changes(console: Page) -> list[Request]:
    """Return the requests of the console that change the limit, as they are sent."""
    sent: list[Request] = []
    console.on(
        "request",
        lambda request: (
            sent.append(request)
            if request.url.endswith("/limit") and request.method != "GET"
            else None
        ),
    )
    return sent


def focused(page: Page) -> str:
    """Return the name of the element that has the focus."""
    name: str = page.evaluate(
        "document.activeElement.ariaLabel ?? document.activeElement.id"
    )
    return name


def test_only_set_commits_and_only_what_changed(
    console: Page, changes: list[Request], viewer: Viewer
) -> None:
    console.get_by_label("Plan").focus()
    for key in ("ArrowDown", "ArrowUp", "ArrowDown"):
        console.keyboard.press(key)
    console.get_by_label("When full").select_option("evict-oldest")
    assert changes == []

    click_button(console, "Set")
    expect_text(console, "#log", "When full: evict-oldest.")
    (request,) = changes
    body = json.loads(request.post_data or "")
    assert body == {"limit": 3, "whenFull": "evict-oldest"}

    console.get_by_label("When full").select_option("deny")
    click_button(console, "Set")
    expect_text(console, "#log", "The default limit applies.")

    limit = viewer.api.get(f"/users/{viewer.user_id}/limit").json()
    assert limit["isDefault"] is True


def test_a_suspension_names_the_streams_that_end_and_asks(
    console: Page, changes: list[Request]
) -> None:
    tv = add_player(console, "TV")
    expect_state(tv, "playing")
    expect_count(console, "1 of 3 in use")

    click_button(console, "Suspend")
    dialog = console.get_by_role("dialog")
    expect(dialog.get_by_role("listitem")).to_have_text(["News on TV"])
    click_button(dialog, "Cancel")
    expect_state(tv, "playing")
    assert changes == []

    click_button(console, "Suspend")
    click_button(dialog, "Suspend")
    expect_state(tv, "ended: suspended")
    expect_count(console, "0 of 0 in use")


def test_the_focus_stays_near_the_button_that_was_used(console: Page) -> None:
    tv = add_player(console, "TV")
    expect_state(tv, "playing")
    click_button(tv, "Pause")
    expect_state(tv, "paused")
    assert focused(console) == "Resume News on TV"

    click_button(tv, "Stop")
    expect_state(tv, "stopped")
    assert focused(console) == "Play News on TV"

    click_button(tv, "Play")
    expect_state(tv, "playing")
    assert focused(console) == "Player TV"

    click_button(console, "End News on TV")
    expect_count(console, "0 of 3 in use")
    assert focused(console) == "slots-title"

    click_button(tv, "Remove")
    expect(tv).to_have_count(0)
    assert focused(console) == "device"


def test_the_focus_stays_in_the_player_that_replaced_another(console: Page) -> None:
    for device in ("TV", "Phone", "Laptop"):
        expect_state(add_player(console, device), "playing")
    tablet = add_player(console, "Tablet")
    expect_state(tablet, "denied: every slot is taken")

    click_button(tablet, "End News on TV and play here")
    expect_state(tablet, "playing")
    assert focused(console) == "Player Tablet"


@pytest.mark.parametrize("id", ["log", "requests"])
def test_a_long_list_is_scrolled_by_keyboard(console: Page, id: str) -> None:
    list = console.locator(f"#{id}")
    list.focus()
    expect(list).to_be_focused()


def test_a_player_that_waits_is_not_offline(console: Page, url: str) -> None:
    problem = {"type": "too-many-starts", "title": "Too quickly.", "status": 429}

    def refuse(route: Route) -> None:
        if route.request.method != "POST":
            route.continue_()
            return
        route.fulfill(
            status=429,
            headers={"Retry-After": "60"},
            content_type="application/problem+json",
            body=json.dumps(problem),
        )

    console.route("**/streams", refuse)
    tv = add_player(console, "TV")
    expect_state(tv, "waiting: Too quickly.")


@pytest.fixture(scope="module")
def explaining_url() -> Iterator[str]:
    """Serve a service that keeps its events, as `make run` does."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    del environment["EVENTS"]
    with running(runserver(), environment) as server:
        yield server.url


def test_the_link_to_why_keeps_the_user_and_the_time_zone(
    page: Page, explaining_url: str
) -> None:
    user = "a" * 255
    open_console(page, explaining_url, "ana")
    page.get_by_label("User", exact=True).fill(user)
    click_button(page, "Show")
    expect_text(page, "#whose", user)
    expect_count(page, "0 of 3 in use")

    page.get_by_role("link", name="Why was a start denied?").click()
    expect(page.get_by_label("User")).to_have_value(user)
    zone: str = page.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone")
    expect(page.get_by_label("Zone")).to_have_value(zone)


def test_why_is_readable_on_a_phone(
    page: Page, explaining_url: str, axe: str, user_id: str
) -> None:
    with httpx.Client(base_url=explaining_url, timeout=30) as api:
        viewer = Viewer(api, user_id)
        viewer.limit(1)
        viewer.started(deviceId="tv", deviceType="tv")
        viewer.start(deviceId="a-" + "long-" * 20 + "id")
        viewer.end("tv")
        viewer.started(deviceId="phone")

    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{explaining_url}/console/why?user={user_id}&zone=Europe/Madrid")
    bar = page.locator(".drawing .bar").first.bounding_box()
    assert bar
    assert bar["height"] >= 12
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        assert accessibility_problems(page, axe) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390

    bars = page.locator(".drawing .bar").count()
    page.get_by_role("link", name="Link to this period").click()
    expect(page.get_by_label("Since")).to_have_value(re.compile(r"\+0[12]:00$"))
    assert page.locator(".drawing .bar").count() == bars == 2


def test_credentials_that_are_entered_later_load_the_plan_and_the_limit(
    page: Page, guarded_url: str, user_id: str
) -> None:
    open_console(page, guarded_url, user_id)
    expect(page.get_by_role("alert")).to_contain_text("Credentials are missing.")

    page.get_by_text("Credentials", exact=True).click()
    page.get_by_label("API key").fill(ADMIN_KEY)
    click_button(page, "Use", exact=True)

    expect_count(page, "0 of 3 in use")
    expect(page.get_by_label("Limit", exact=True)).to_have_value("3")
    expect(page.get_by_label("Plan")).to_have_value("default")


def test_the_console_is_accessible_after_each_action(console: Page, axe: str) -> None:
    tv = add_player(console, "TV")
    expect_state(tv, "playing")
    assert accessibility_problems(console, axe) == []

    click_button(tv, "Crash")
    for device in ("Phone", "Laptop"):
        expect_state(add_player(console, device), "playing")
    expect(add_player(console, "Tablet")).to_contain_text("denied")
    assert accessibility_problems(console, axe) == []

    click_button(console, "Suspend")
    expect(console.get_by_role("dialog")).to_be_visible()
    assert accessibility_problems(console, axe) == []
