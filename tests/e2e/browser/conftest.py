"""Fixtures of the tests in Chromium."""

import os
import subprocess
import tarfile
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.browser.chromium import launched
from tests.e2e.browser.pages import expect_count, open_console
from tests.e2e.test_permissions import ADMIN_KEY, hashed
from tests.servers import brief_server, running, runserver
from tests.viewer import Viewer

AXE = "axe-core@4.14.1"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Serve a service whose leases last five seconds, so that heartbeats are quick."""
    with brief_server() as server:
        yield server.url


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """Open a tab. A script error or a violation of its policy fails the test."""
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
    open_console(page, url, user_id)
    expect_count(page, "0 of 3 in use")
    return page


@pytest.fixture(scope="module")
def guarded_url() -> Iterator[str]:
    """Serve a service that asks for an API key."""
    key = hashed(ADMIN_KEY, "streams:operate streams:admin")
    with running(
        runserver(), os.environ | {"API_KEYS": key, "PYTHONUNBUFFERED": "1"}
    ) as server:
        yield server.url


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
