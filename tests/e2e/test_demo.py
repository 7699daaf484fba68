"""`make demo`: the edge cuts off a player that ignores the service."""

import os
import re
import shutil
import sys
import uuid
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from clients.demo.__main__ import playlist
from tests.servers import PROJECT, free_port, running

TIMEOUT_MS = 20_000


@pytest.fixture
def demo() -> Iterator[str]:
    """Yield the demo with a heartbeat every two seconds and a grace of two."""
    demo_port = free_port()
    environment = os.environ | {
        "PORT": str(free_port()),
        "DEMO_PORT": str(demo_port),
        "LEASE_SECONDS": "6",
        "EDGE_TOKEN_GRACE_SECONDS": "2",
        "DYNAMODB_TABLE": f"Demo-{uuid.uuid4()}",
    }
    command = [sys.executable, "-m", "clients.demo", "--sample"]
    with running(command, environment):
        yield f"http://127.0.0.1:{demo_port}"


@pytest.fixture
def pages() -> Iterator[tuple[Page, Page]]:
    """Two pages that share no cookies."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium, "These tests need Chromium: apt-get install chromium."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"]
        )
        yield browser.new_context().new_page(), browser.new_context().new_page()
        browser.close()


def expect_state(page: Page, state: str) -> None:
    body = page.locator("body")
    expect(body).to_have_attribute("data-state", state, timeout=TIMEOUT_MS)


def seconds_played(page: Page) -> float:
    seconds: float = page.evaluate("document.querySelector('video').currentTime")
    return seconds


def wait_until_played(page: Page, seconds: float) -> None:
    page.wait_for_function(
        f"document.querySelector('video').currentTime > {seconds}",
        timeout=TIMEOUT_MS,
    )


@pytest.mark.browser
def test_the_edge_cuts_off_a_replaced_player_which_names_its_successor(
    demo: str, user_id: str, pages: tuple[Page, Page]
) -> None:
    without_token = httpx.get(f"{demo}/media/film/live.m3u8")
    assert without_token.headers["X-Edge-Token-Refused"] == "missing"

    tv, tablet = pages
    tv.goto(f"{demo}/?user={user_id}&device=Living room TV")
    tablet.goto(f"{demo}/?user={user_id}&device=Kitchen tablet")
    tv.get_by_role("button", name="Play").click()
    expect_state(tv, "playing")
    wait_until_played(tv, 1)

    tablet.get_by_role("button", name="Play").click()
    expect_state(tablet, "denied")
    tablet.get_by_role("button", name="End Living room TV and play here").click()
    expect_state(tablet, "playing")
    wait_until_played(tablet, 1)

    expect_state(tv, "cut-off")
    expect(tv.get_by_role("status")).to_have_text(
        "Cut off by the edge. Kitchen tablet took its place."
    )
    expect(tv.locator("#edge")).to_have_text("403: expired")
    expect(tablet.locator("body")).to_have_attribute("data-state", "playing")
    wait_until_played(tablet, seconds_played(tablet) + 1)


def test_the_live_playlist_loops() -> None:
    text = playlist(19, 8)
    assert "#EXT-X-MEDIA-SEQUENCE:14\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n" in text
    segments = re.findall(r"^(\d\.mpegts|#EXT-X-DISCONTINUITY$)", text, re.MULTILINE)
    assert segments == [
        "6.mpegts",
        "7.mpegts",
        "#EXT-X-DISCONTINUITY",
        "0.mpegts",
        "1.mpegts",
        "2.mpegts",
    ]


def test_the_vendored_library_has_its_licence_and_does_not_ship() -> None:
    demo = PROJECT / "clients" / "demo"
    manifest = PROJECT / "deploy" / "package" / "manifest.txt"
    assert "Apache License" in (demo / "hls.js.LICENSE").read_text()
    assert "hls.js" in (PROJECT / "docs" / "dependencies.md").read_text()
    assert "clients/demo" not in manifest.read_text()
