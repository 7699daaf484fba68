"""Steps on the pages, and their checks."""

import os
from urllib.parse import quote

from playwright.sync_api import Locator, Page, expect

from streams.browsable.document import document

TAGS: dict[str, list[str]] = {}
"""Operations by tag, as the page groups them."""
for _item in document()["paths"].values():
    for _operation in _item.values():
        TAGS.setdefault(_operation["tags"][0], []).append(_operation["operationId"])
SCREENSHOTS = os.environ.get("SCREENSHOTS")
"""The folder of the screenshots in the docs.

SCREENSHOTS=docs/screenshots make test TESTS='-m browser -k fits' writes them.
"""


def add_player(console: Page, device: str, title: str = "News") -> Locator:
    console.get_by_label("Device").fill(device)
    console.get_by_label("Title").fill(title)
    console.get_by_role("button", name="Add a player").click()
    return console.get_by_role("article", name=f"Player {device}", exact=True)


def state(player: Locator) -> Locator:
    return player.get_by_role("status")


def started_at_the_page(page: Page, url: str, user_id: str) -> None:
    """Start a stream with the body that the page suggests."""
    page.goto(f"{url}/users/{quote(user_id)}/streams")
    page.get_by_role("button", name="Start a stream", exact=True).click()
    expect(page.locator("#answer-title")).to_have_text("201 Created")


def open_docs(page: Page, url: str) -> None:
    page.goto(f"{url}/docs")
    expect(page.get_by_role("heading", name="Concurrent-stream limits")).to_be_visible()


def operation(page: Page, id: str) -> Locator:
    return page.locator(
        f"#operations-{next(tag for tag in TAGS if id in TAGS[tag])}-{id}"
    )


def tried(page: Page, id: str, user_id: str) -> Locator:
    """Try an operation for a user with suggested values, and return it."""
    call = operation(page, id)
    call.get_by_role("button").first.click()
    call.get_by_role("button", name="Try it out").click()
    call.get_by_placeholder("userId").fill(user_id)
    call.get_by_role("button", name="Execute").click()
    return call.locator(".live-responses-table .response .response-col_status")


def accessibility_problems(
    page: Page, axe: str, *, but: tuple[str, ...] = ()
) -> list[tuple[str, list[str]]]:
    """Return the rules that a page breaks, and the elements, with all details open."""
    page.evaluate(
        "for (const item of document.querySelectorAll('details')) item.open = true"
    )
    page.evaluate(axe)
    found = page.evaluate(
        "rules => axe.run({ rules })", {rule: {"enabled": False} for rule in but}
    )
    return [
        (one["id"], [node["html"] for node in one["nodes"]])
        for one in found["violations"]
    ]
