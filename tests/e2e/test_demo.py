"""`make demo`, as a person sees it: a player that does not obey is cut off by the edge when another takes its place."""

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

WITHIN_MS = 20_000


@pytest.fixture
def demo() -> Iterator[str]:
    """The demo with short leases: a heartbeat every second or two, and a second of grace."""
    ports = {"PORT": str(free_port()), "DEMO_PORT": str(free_port())}
    brief = {
        "LEASE_SECONDS": "6",
        "EDGE_TOKEN_GRACE_SECONDS": "2",
        "DYNAMODB_TABLE": f"Demo-{uuid.uuid4()}",
    }
    with running(
        [sys.executable, "-m", "clients.demo", "--sample"], os.environ | ports | brief
    ):
        yield f"http://127.0.0.1:{ports['DEMO_PORT']}"


def is_in_state(page: Page, state: str) -> None:
    expect(page.locator("body")).to_have_attribute(
        "data-state", state, timeout=WITHIN_MS
    )


def seconds_played(page: Page) -> float:
    played: float = page.evaluate("document.querySelector('video').currentTime")
    return played


@pytest.mark.browser
def test_a_player_whose_place_is_taken_is_cut_off_by_the_edge_and_says_who_took_it(
    demo: str, user_id: str
) -> None:
    assert (
        httpx.get(f"{demo}/media/film/live.m3u8").headers["X-Edge-Token-Refused"]
        == "missing"
    )
    with sync_playwright() as playwright:
        where = shutil.which("chromium") or shutil.which("google-chrome")
        assert where, "These tests need Chromium: apt-get install chromium."
        browser = playwright.chromium.launch(
            executable_path=where, args=["--no-sandbox"]
        )
        tv, tablet = (browser.new_context().new_page() for _ in range(2))
        for page, device in ((tv, "Living room TV"), (tablet, "Kitchen tablet")):
            page.goto(f"{demo}/?user={user_id}&device={device}")
        tv.get_by_role("button", name="Play").click()
        is_in_state(tv, "playing")
        tv.wait_for_function(
            "document.querySelector('video').currentTime > 1", timeout=WITHIN_MS
        )

        tablet.get_by_role("button", name="Play").click()
        is_in_state(tablet, "denied")
        tablet.get_by_role("button", name="End Living room TV and play here").click()
        is_in_state(tablet, "playing")
        tablet.wait_for_function(
            "document.querySelector('video').currentTime > 1", timeout=WITHIN_MS
        )

        is_in_state(tv, "cut-off")
        expect(tv.get_by_role("status")).to_have_text(
            "Cut off by the edge. Kitchen tablet took its place."
        )
        expect(tv.locator("#edge")).to_have_text("403: expired")
        expect(tablet.locator("body")).to_have_attribute("data-state", "playing")
        before = seconds_played(tablet)
        tablet.wait_for_function(
            f"document.querySelector('video').currentTime > {before} + 1",
            timeout=WITHIN_MS,
        )
        browser.close()


def test_the_live_playlist_goes_on_for_ever() -> None:
    text = playlist(19, 8)
    assert "#EXT-X-MEDIA-SEQUENCE:14\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n" in text
    assert re.findall(r"^(\d\.mpegts|#EXT-X-DISCONTINUITY$)", text, re.MULTILINE) == [
        "6.mpegts",
        "7.mpegts",
        "#EXT-X-DISCONTINUITY",
        "0.mpegts",
        "1.mpegts",
        "2.mpegts",
    ]


def test_what_is_vendored_is_named_with_its_licence_and_does_not_ship() -> None:
    demo = PROJECT / "clients" / "demo"
    assert "Apache License" in (demo / "hls.js.LICENSE").read_text()
    assert "hls.js" in (PROJECT / "docs" / "dependencies.md").read_text()
    assert (
        "clients/demo"
        not in (PROJECT / "deploy" / "package" / "manifest.txt").read_text()
    )
