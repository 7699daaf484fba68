"""Problems link to their explanation, and speak the caller's language."""

import gettext
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from babel.messages.pofile import read_po

from streams import languages
from streams.plan_files import read_plans
from streams.problems import PROBLEMS, help_url
from tests.servers import PROJECT
from tests.viewer import Viewer

GERMAN = {"Accept-Language": "de-AT, de;q=0.9, en;q=0.5"}
CATALOGUES = sorted(languages.CATALOGUES.glob("*/LC_MESSAGES/django.po"))


def start(viewer: Viewer, body: Any, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return viewer.api.post(viewer.url, json=body, headers=named)


@pytest.mark.parametrize(
    ("accepted", "title", "required", "shown"),
    [
        ("", "The request is not valid.", "This field is required.", "en"),
        (
            "de",
            "Die Anfrage ist nicht gültig.",
            "Dieses Feld ist zwingend erforderlich.",
            "de",
        ),
        (
            "de-AT;q=0.8, en;q=0.2",
            "Die Anfrage ist nicht gültig.",
            "Dieses Feld ist zwingend erforderlich.",
            "de",
        ),
        (
            "fr",
            "The request is not valid.",
            "Ce champ est obligatoire.",
            "en, fr",
        ),
        ("tlh, *", "The request is not valid.", "This field is required.", "en"),
        ("\\x00;q=x", "The request is not valid.", "This field is required.", "en"),
    ],
)
def test_a_problem_speaks_the_language_that_the_caller_prefers(
    viewer: Viewer, accepted: str, title: str, required: str, shown: str
) -> None:
    answer = start(viewer, {}, Accept_Language=accepted)

    body = answer.json()
    assert body["type"] == "invalid-request"
    assert body["title"] == title
    assert body["errors"]["streamId"] == [required]
    assert answer.headers["Content-Language"] == shown
    assert "Accept-Language" in answer.headers["Vary"]


def test_a_message_with_a_number_is_translated_too(viewer: Viewer) -> None:
    answer = start(viewer, {"streamId": "x" * 300}, **GERMAN)

    message = "Darf höchstens 256 Bytes in UTF-8 haben."
    assert answer.json()["errors"]["streamId"] == [message]


def test_details_and_the_rules_of_refusals_are_translated(viewer: Viewer) -> None:
    viewer.limit(1)
    viewer.started(deviceId="tv")
    denied = start(viewer, {"streamId": "film", "deviceId": "web"}, **GERMAN).json()
    path = viewer.api.get("/users/a%23b/streams", headers=GERMAN).json()

    assert denied["title"] == "Die Höchstzahl gleichzeitiger Streams ist erreicht."
    assert path["errors"]["userId"][0].startswith("Muss 1 bis 255")


def test_an_admitted_start_has_no_language(viewer: Viewer) -> None:
    answer = start(viewer, {"streamId": "film"}, **GERMAN)

    assert answer.status_code == 201
    assert "Content-Language" not in answer.headers
    assert "Link" not in answer.headers


@pytest.mark.parametrize("file", sorted((PROJECT / "docs" / "plans").glob("*.toml")))
def test_the_messages_of_the_example_plans_have_a_translation(file: Path) -> None:
    from streams.conf import settings

    plans = read_plans("PLANS", file, default=settings.PLANS.default)
    with languages.speaking("de"):
        for plan in plans.all:
            for rule in plan.rules:
                if rule.message:
                    assert languages.translated(rule.message) != rule.message


@pytest.mark.parametrize("file", CATALOGUES, ids=lambda file: file.parts[-3])
def test_a_catalogue_translates_every_title_and_is_compiled(file: Path) -> None:
    with file.open("rb") as source:
        catalogue = read_po(source)
    with file.with_suffix(".mo").open("rb") as compiled:
        translations = gettext.GNUTranslations(compiled)

    titles = {problem.title for problem in PROBLEMS.values()}
    assert titles <= {message.id for message in catalogue}
    for message in catalogue:
        if message.id:
            assert translations.gettext(str(message.id)) == message.string
            assert _places(message.id) == _places(message.string)


def _places(text: Any) -> set[str]:
    return set(re.findall(r"\{\w+\}", text))


@pytest.mark.parametrize(
    ("has_pages", "documentation", "expected"),
    [
        (True, "", "/docs/problems#not-found"),
        (True, "https://docs.example.com/errors.html", "/docs/problems#not-found"),
        (
            False,
            "https://docs.example.com/errors.html",
            "https://docs.example.com/errors.html#not-found",
        ),
        (False, "", None),
    ],
)
def test_a_problem_links_to_the_page_that_explains_it(
    settings: Any, has_pages: bool, documentation: str, expected: str | None
) -> None:
    settings.BROWSABLE_API = has_pages
    settings.PROBLEM_DOCUMENTATION = documentation

    assert help_url("not-found") == expected


def test_the_link_of_a_problem_resolves(api: httpx.Client) -> None:
    problem = api.get("/no-such-path")
    match = re.fullmatch(r'<([^>]+)#([\w-]+)>; rel="help"', problem.headers["Link"])
    assert match
    url, fragment = match.groups()

    page = api.get(url, headers={"Accept": "text/html"})

    assert page.status_code == 200
    assert f'id="{fragment}"' in page.text
    for each in PROBLEMS.values():
        assert f'id="{each.type}"' in page.text
        assert each.title in page.text
