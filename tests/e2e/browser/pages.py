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


def click_button(scope: Page | Locator, name: str, *, exact: bool = False) -> None:
    """Click a button. Without `exact`, a part of its name is enough."""
    scope.get_by_role("button", name=name, exact=exact).click()


def expect_count(console: Page, text: str, *, timeout: float | None = None) -> None:
    """Wait until the console shows this use of the slots."""
    expect(console.locator("#count")).to_have_text(text, timeout=timeout)


def expect_state(player: Locator, text: str, *, timeout: float | None = None) -> None:
    """Wait until the player of the console shows this state."""
    expect(state(player)).to_have_text(text, timeout=timeout)


def expect_answer(page: Page, title: str) -> None:
    """Wait until the page shows the answer with this title."""
    expect(page.locator("#answer-title")).to_have_text(title)


def expect_text(page: Page, selector: str, text: str) -> None:
    """Wait until the element of the page contains this text."""
    expect(page.locator(selector)).to_contain_text(text)


def add_player(console: Page, device: str, title: str = "News") -> Locator:
    console.get_by_label("Device").fill(device)
    console.get_by_label("Title").fill(title)
    click_button(console, "Add a player")
    return console.get_by_role("article", name=f"Player {device}", exact=True)


def state(player: Locator) -> Locator:
    return player.get_by_role("status")


def started_at_the_page(page: Page, url: str, user_id: str) -> None:
    """Start a stream with the body that the page suggests."""
    open_user_page(page, url, user_id, "streams")
    click_button(page, "Start a stream", exact=True)
    expect_answer(page, "201 Created")


def open_user_page(page: Page, url: str, user_id: str, path: str) -> None:
    """Open a page of the API below a user."""
    page.goto(f"{url}/users/{quote(user_id)}/{quote(path)}")


def open_console(page: Page, url: str, user_id: str) -> None:
    """Open the console with a user's streams."""
    page.goto(f"{url}/console?user={quote(user_id)}")


def open_docs(page: Page, url: str) -> None:
    page.goto(f"{url}/docs")
    expect(page.get_by_role("heading", name="Concurrent-stream limits")).to_be_visible()


def operation(page: Page, id: str) -> Locator:
    (tag,) = [tag for tag, ids in TAGS.items() if id in ids]
    return page.locator(f"#operations-{tag}-{id}")


def tried(page: Page, id: str, user_id: str) -> Locator:
    """Try an operation for a user with suggested values, and return it."""
    call = operation(page, id)
    call.get_by_role("button").first.click()
    click_button(call, "Try it out")
    call.get_by_placeholder("userId").fill(user_id)
    click_button(call, "Execute")
    return call.locator(".live-responses-table .response .response-col_status")


def accessibility_problems(
    page: Page, axe: str, *, but: tuple[str, ...] = ()
) -> list[tuple[str, list[str]]]:
    """Return the rules that a page breaks, and the elements, with all details open."""
    page.evaluate(
        "for (const item of document.querySelectorAll('details')) item.open = true"
    )
    page.evaluate(axe)
    rules = {rule: {"enabled": False} for rule in but}
    results = page.evaluate("rules => axe.run({ rules })", rules)

    problems = []
    for violation in results["violations"]:
        elements = [node["html"] for node in violation["nodes"]]
        problems.append((violation["id"], elements))
    return problems
