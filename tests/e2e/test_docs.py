"""README and docs: their code runs, their answers are true, their links work."""

import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jwt
import pytest
from django.core.management import get_commands, load_command_class

from streams import __version__
from tests.servers import PROJECT, Server, running, runserver

PAGES = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md")])
EXAMPLE = "http://127.0.0.1:8000"
FOLDERS = (
    "streams",
    "streams_project",
    "stages",
    "capacity",
    "openapi",
    "deploy",
    "insights",
    "docs",
    "tests",
    "clients",
    "bench",
)
PRODUCTION = "https://limits.example.com"


class Block(NamedTuple):
    """A fenced block of a page."""

    page: Path
    language: str
    text: str


def blocks_of(page: Path) -> list[Block]:
    fenced = re.findall(r"^( *)```(\w*)\n(.*?)^\1```$", page.read_text(), re.M | re.S)
    return [
        Block(page, language, re.sub(f"^{indent}", "", text, flags=re.M))
        for indent, language, text in fenced
    ]


def with_code(*languages: str, outside: str = "") -> list[Any]:
    """Return the pages with code in these languages, except the page `outside`."""
    pages = [
        page
        for page in PAGES
        if any(block.language in languages for block in blocks_of(page))
    ]
    return [
        pytest.param(page, id=str(page.relative_to(PROJECT)))
        for page in pages
        if page.name != outside
    ]


@pytest.fixture
def server() -> Iterator[Server]:
    """Run the server of `make run`, with a table for this test."""
    environment = os.environ | {
        "DYNAMODB_TABLE": f"Docs-{uuid.uuid4()}",
        "PYTHONUNBUFFERED": "1",
    }
    with running(runserver(), environment) as started:
        yield started


MAKE = r"(\.ci/on-dynamodb-local )?make "


def is_making(line: str) -> bool:
    return re.match(MAKE, line) is not None


def run(server: Server, command: str) -> str:
    """Run lines of shell, stop at the first failure, and return the output."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command.replace(EXAMPLE, server.url)],
        cwd=PROJECT,
        env=server.environment | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("page", with_code("sh"))
def test_the_commands_of_a_page_run_and_answer_as_shown(
    server: Server, page: Path
) -> None:
    """The blocks of a page are one session.

    Other tests run the targets of `make`. This one checks that they exist.
    """
    session = ""
    shown_answers: list[Any] = []
    for block in blocks_of(page):
        if block.language == "sh":
            lines = block.text.splitlines()
            targets = [line.split("#")[0].strip() for line in lines if is_making(line)]
            session += "".join(
                f"make --dry-run -o .venv/ready {re.sub(MAKE, '', target)} >/dev/null\n"
                for target in targets
            )
            session += (
                "\n".join(line for line in lines if not is_making(line))
                + "\nprintf '\\n===\\n'\n"
            )
            shown_answers.append(None)
        elif block.language == "json":
            shown_answers[-1] = json.loads(block.text)
    answers = run(server, session).split("\n===\n")

    for answer, shown in zip(answers, shown_answers, strict=False):
        if shown is not None:
            assert_alike(json.loads(answer.strip().splitlines()[-1]), shown)


VOLATILE = {
    "startedAt",
    "expiresAt",
    "endedAt",
    "leaseSeconds",
    "heartbeatSeconds",
    "epoch",
    "token",
}


def assert_alike(answer: dict[str, Any], shown: dict[str, Any]) -> None:
    """Assert that both have the same members in the same order.

    Values are equal, except those that differ at each call.
    """
    assert list(answer) == list(shown)
    for name, value in shown.items():
        if name in VOLATILE:
            assert type(answer[name]) is type(value), name
        else:
            assert answer[name] == value, name


@pytest.mark.parametrize("page", with_code("python", outside="README.md"))
def test_the_python_of_a_page_runs(server: Server, page: Path) -> None:
    for block in blocks_of(page):
        if block.language == "python":
            assert run_python(block.text.replace(EXAMPLE, server.url)) == (
                "over: stopped\n"
            )


def run_python(code: str) -> str:
    """Run Python code in a new process, and return the output."""
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning", "-c", code],
        cwd=PROJECT,
        env=os.environ | {"PYTHONPATH": "clients/python"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


APP = """
from unittest.mock import Mock

player = Mock()
show_devices = Mock()
credentials = {{"Authorization": "Bearer {token}"}}
"""
"""The names that the README's example takes from a viewer's app."""


def test_the_example_of_the_readme_runs_for_a_viewer() -> None:
    environment = os.environ | {
        "DYNAMODB_TABLE": f"Docs-{uuid.uuid4()}",
        "PYTHONUNBUFFERED": "1",
        "AUTH_JWT_SECRETS": secrets.token_urlsafe(48),
        "AUTH_ISSUER": "https://id.example.com/",
        "AUTH_AUDIENCE": "streams",
    }
    claims = {
        "sub": "ana",
        "iss": environment["AUTH_ISSUER"],
        "aud": environment["AUTH_AUDIENCE"],
        "exp": int(time.time()) + 600,
    }
    token = jwt.encode(claims, environment["AUTH_JWT_SECRETS"])
    examples = [
        block.text
        for block in blocks_of(PROJECT / "README.md")
        if "StreamClient(" in block.text
    ]
    assert len(examples) == 1
    show = "\nprint(client.stream['userId'], show_devices.called)\n"

    with running(runserver(), environment) as server:
        example = examples[0].replace(PRODUCTION, server.url)
        printed = run_python(APP.format(token=token) + example + show)

    assert printed == "ana False\n"


def test_the_app_of_the_readme_answers_in_another_project(tmp_path: Path) -> None:
    run_django(tmp_path, "-m", "django", "startproject", "site_of_tests", ".")
    for block in blocks_of(PROJECT / "README.md"):
        if name := re.match(r"# (settings|urls)\.py\n", block.text):
            with (tmp_path / "site_of_tests" / f"{name[1]}.py").open("a") as file:
                file.write(block.text)

    printed = run_django(
        tmp_path,
        "-c",
        "import django; django.setup()\n"
        "from django.test import Client\n"
        "answer = Client().get('/me/streams', headers={'host': 'localhost'})\n"
        "print(answer.status_code, answer.json()['type'])\n",
    )

    assert printed == "401 unauthenticated\n"


def run_django(project: Path, *arguments: str) -> str:
    """Run Python in another project, with this repository on its path."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env={
            "PYTHONPATH": str(PROJECT),
            "DJANGO_SETTINGS_MODULE": "site_of_tests.settings",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.node
@pytest.mark.parametrize("page", with_code("js"))
def test_the_javascript_of_a_page_runs(
    server: Server, page: Path, tmp_path: Path
) -> None:
    """The test adds an app with the names that the page uses.

    Node does not import over HTTP, so the test imports the file that is served.
    """
    app = """
const calls = [];
const session = { token: "x" };
const video = {
  play: () => calls.push("play"),
  pause: (reason) => calls.push(`pause: ${reason}`),
};
const showChoice = (names) => calls.push(names);
const showHint = (hint) => calls.push(hint);
"""
    client = PROJECT / "clients" / "web" / "streams-client.js"
    for block in blocks_of(page):
        if block.language == "js":
            served = f"{EXAMPLE}/static/client/streams-client.js"
            assert served in block.text
            with server.client() as http:
                assert (
                    http.get("/static/client/streams-client.js").text
                    == client.read_text()
                )
            imports, _, rest = block.text.replace(served, client.as_uri()).partition(
                "\n"
            )
            script = tmp_path / "page.mjs"
            script.write_text(
                f"{imports}{app}{rest}console.log(JSON.stringify(calls));".replace(
                    EXAMPLE, server.url
                )
            )
            done = subprocess.run(
                [shutil.which("node") or "node", str(script)],
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout) == ["play", "pause: stopped"]


def inline_commands() -> Iterator[tuple[str, list[str]]]:
    for page in PAGES:
        prose = re.sub(r"^( *)```.*?^\1```$", "", page.read_text(), flags=re.M | re.S)
        for span in re.findall(r"`([^`]+)`", prose):
            words = (
                shlex.split(span)
                if re.match(r"(zappa|make|python manage.py|manage.py) ", span)
                else []
            )
            if words:
                yield span, words


REHEARSED = {
    "certify",
    "deploy",
    "manage",
    "rollback",
    "status",
    "tail",
    "undeploy",
    "update",
}
"""Commands that `make rehearse` runs, and others of zappa. `certify` needs a domain."""
PLACEHOLDERS = {"STAGE": "test", "URL": "https://streams.example.com"}
"""Values for the placeholders of arguments."""


@pytest.mark.parametrize(
    ("span", "words"),
    [pytest.param(span, words, id=span) for span, words in inline_commands()],
)
def test_a_command_in_a_sentence_is_one_that_exists(
    span: str, words: list[str]
) -> None:
    if words[0] == "zappa":
        assert words[1] in REHEARSED
        return
    if words[0] == "make":
        options = [word for word in words[1:] if word != "…"]
        subprocess.run(
            ["make", "--dry-run", "-o", ".venv/ready", *options],
            cwd=PROJECT,
            check=True,
            capture_output=True,
        )
        return
    name, *arguments = words[words.index("manage.py") + 1 :]
    arguments = [argument for argument in arguments if argument != "…"]
    parser = load_command_class(get_commands()[name], name).create_parser(
        "manage.py", name
    )
    if arguments:
        parser.parse_args(
            [PLACEHOLDERS.get(argument, argument) for argument in arguments]
        )


def links() -> Iterator[Any]:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target:
                yield pytest.param(page, target, id=f"{page.name}: {target}")


@pytest.mark.parametrize(("page", "target"), list(links()))
def test_a_link_leads_to_a_file(page: Path, target: str) -> None:
    assert (page.parent / target).exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_file_that_a_page_names_exists(page: Path) -> None:
    named = set(
        re.findall(
            rf"`((?:{'|'.join(FOLDERS)})/[a-z0-9_/.-]*)`",
            page.read_text(),
        )
    )
    missing = {name for name in named if not (PROJECT / name).exists()}

    names_removed_files = page.name == "CHANGELOG.md"
    assert missing == set() or names_removed_files


def test_the_changelog_begins_with_what_is_unreleased_and_then_this_version() -> None:
    headings = re.findall(
        r"^## \[(.*?)\]", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert headings[:2] == ["Unreleased", __version__]
