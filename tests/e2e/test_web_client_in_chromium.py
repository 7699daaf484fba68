"""The web client in Chromium: old engines, several tabs, and other origins."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.browser.chromium import launched
from tests.servers import PROJECT, brief_server
from tests.wsgi_servers import serving

pytestmark = pytest.mark.browser

CLIENT = (PROJECT / "clients" / "web" / "streams-client.js").read_bytes()
WITHOUT_NEWER_FEATURES = """
delete AbortSignal.timeout;
delete AbortSignal.any;
delete Navigator.prototype.sendBeacon;
for (const name of ["crypto", "Worker", "reportError", "sessionStorage"]) {
  Object.defineProperty(window, name, { value: undefined });
}
"""
START = """async ([service, userId]) => {
  const { StreamClient, tabId, timerWorker } = await import("/client.js");
  const events = [];
  const on = {
    admitted: () => events.push("admitted"),
    ended: (reason) => events.push(reason),
  };
  window.client = new StreamClient({ url: service, userId, on, worker: timerWorker() });
  const isAdmitted = await window.client.start({ streamId: "456", deviceId: tabId() });
  return { isAdmitted, events };
}"""
TAB_ID = "async () => (await import('/client.js')).tabId()"
FIRE_TIMER = """async () => {
  const worker = (await import("/client.js")).timerWorker();
  return new Promise((resolve) => {
    worker.addEventListener("message", ({ data }) => resolve(data));
    worker.postMessage({ turn: 7, ms: 1 });
  });
}"""


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Serve the client, and an empty page at every other path."""
    is_client = environ["PATH_INFO"] == "/client.js"
    content_type = "text/javascript" if is_client else "text/html"
    start_response("200 OK", [("Content-Type", content_type)])
    return [CLIENT if is_client else b"<!doctype html><title>Player</title>"]


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with serving(app) as url:
        yield url


@pytest.fixture(scope="module")
def service(origin: str) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CORS_ALLOWED_ORIGINS", origin)
        with brief_server() as server:
            yield server.url


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture
def page(chromium: Browser, origin: str) -> Iterator[Page]:
    context = chromium.new_context()
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("script", ["", WITHOUT_NEWER_FEATURES], ids=["new", "old"])
def test_a_player_starts_and_stops(
    page: Page, origin: str, service: str, user_id: str, script: str
) -> None:
    page.add_init_script(script)
    page.goto(origin)
    started = page.evaluate(START, [service, user_id])
    assert started == {"isAdmitted": True, "events": ["admitted"]}

    page.evaluate("window.client.close()")
    assert page.evaluate("window.client.stream") is None


def test_a_reload_keeps_the_tabs_id_and_a_copied_tab_gets_a_new_one(
    page: Page, origin: str
) -> None:
    page.goto(origin)
    first = page.evaluate(TAB_ID)
    assert page.evaluate(TAB_ID) == first

    page.reload()
    assert page.evaluate(TAB_ID) == first

    with page.expect_popup() as popup:
        page.evaluate("void window.open('/')")
    copy = popup.value
    copy.wait_for_load_state()
    assert copy.evaluate("sessionStorage.length") == 1, "the browser copied it"
    assert copy.evaluate(TAB_ID) != first

    page.reload()
    assert page.evaluate(TAB_ID) == first


def test_the_timer_worker_fires(page: Page, origin: str) -> None:
    page.goto(origin)
    assert page.evaluate(FIRE_TIMER) == 7
