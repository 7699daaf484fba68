"""The pages of `report --html` and `plan_capacity --html`, in Chromium."""

from pathlib import Path
from typing import Literal

import pytest
from django.core.management import call_command
from playwright.sync_api import Browser

from insights import report_formats
from insights.report import report
from insights.report_formats import Scope
from tests.e2e.browser.pages import accessibility_problems
from tests.unit.insights.simulation import SINCE, UNTIL, instant, recorded, simulated

pytestmark = pytest.mark.browser

PAGES = ("report", "estimate")
SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
WIDTHS = (390, 1280)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with both pages."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "report.html").write_text(report_page())
    with (folder / "estimate.html").open("w") as file:
        call_command("plan_capacity", "--concurrent", "10000000", "--html", stdout=file)

    return folder


def report_page() -> str:
    since = instant(SINCE)
    until = instant(UNTIL)
    with simulated():
        figures = report(recorded, since=since, until=until)

    scope = Scope(
        since=since,
        until=until,
        events=len(recorded),
        sample=20,
    )
    return report_formats.as_html(figures, scope=scope)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_a_page_fits_the_screen_and_has_no_violation_of_axe(
    chromium: Browser,
    axe: str,
    folder: Path,
    name: str,
    scheme: Literal["light", "dark"],
    width: int,
) -> None:
    page = chromium.new_page(
        viewport={"width": width, "height": 900}, color_scheme=scheme
    )
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    file = folder / f"{name}.html"
    page.goto(file.as_uri())

    assert accessibility_problems(page, axe) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert len(requests) == 1, "the page itself"

    page.context.close()


def test_charts_follow_the_colours_of_the_scheme(
    chromium: Browser, folder: Path
) -> None:
    colours = set()
    for scheme in SCHEMES:
        page = chromium.new_page(color_scheme=scheme)
        page.goto((folder / "estimate.html").as_uri())
        text = page.locator("svg text").first
        colours.add(text.evaluate("text => getComputedStyle(text).fill"))
        page.context.close()

    assert len(colours) == len(SCHEMES)
