"""README and docs: every block of code runs, every answer they show is true, every link leads somewhere."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.core.management import get_commands, load_command_class

from streams import __version__
from streams.problems import PROBLEMS
from tests.servers import PROJECT, Server, running, runserver

PAGES = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md")])
EXAMPLE = "http://127.0.0.1:8000"


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


def with_code(*languages: str) -> list[Any]:
    pages = [
        page
        for page in PAGES
        if any(block.language in languages for block in blocks_of(page))
    ]
    return [pytest.param(page, id=str(page.relative_to(PROJECT))) for page in pages]


@pytest.fixture
def server() -> Iterator[Server]:
    """What `make run` serves, on a table of its own."""
    environment = os.environ | {
        "DYNAMODB_TABLE": f"Docs-{uuid.uuid4()}",
        "PYTHONUNBUFFERED": "1",
    }
    with running(runserver(), environment) as started:
        yield started


def is_making(line: str) -> bool:
    return line.startswith("make ")


def run(server: Server, command: str) -> str:
    """A line or more of shell, to the last word; what they print."""
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
    """The blocks of a page are one session. `make` targets have tests of their own: here they only have to exist."""
    session = ""
    wanted: list[Any] = []
    for block in blocks_of(page):
        if block.language == "sh":
            lines = block.text.splitlines()
            targets = [line.split("#")[0].strip() for line in lines if is_making(line)]
            session += "".join(
                f"make --dry-run -o .venv/ready {target[5:]} >/dev/null\n"
                for target in targets
            )
            session += (
                "\n".join(line for line in lines if not is_making(line))
                + "\nprintf '\\n===\\n'\n"
            )
            wanted.append(None)
        elif block.language == "json":
            wanted[-1] = json.loads(block.text)
    answers = run(server, session).split("\n===\n")
    for answer, shown in zip(answers, wanted, strict=False):
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
    """The same members in the same order; the same values, but of what differs each time."""
    assert list(answer) == list(shown)
    for name, value in shown.items():
        if name in VOLATILE:
            assert type(answer[name]) is type(value), name
        else:
            assert answer[name] == value, name


@pytest.mark.parametrize("page", with_code("python"))
def test_the_python_of_a_page_runs(server: Server, page: Path) -> None:
    for block in blocks_of(page):
        if block.language == "python":
            done = subprocess.run(
                [
                    sys.executable,
                    "-W",
                    "error::DeprecationWarning",
                    "-c",
                    block.text.replace(EXAMPLE, server.url),
                ],
                cwd=PROJECT,
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert done.returncode == 0, done.stderr
            assert done.stdout == "over: stopped\n"


@pytest.mark.node
@pytest.mark.parametrize("page", with_code("js"))
def test_the_javascript_of_a_page_runs(
    server: Server, page: Path, tmp_path: Path
) -> None:
    """With an app around it that has what the page takes for given. Node does not import over HTTP: the file is the
    one that the service serves."""
    app = """
const said = [];
const session = { token: "x" }, video = { play: () => said.push("play"), pause: (why) => said.push(`pause: ${why}`) };
const showChoice = (names) => said.push(names), showHint = (hint) => said.push(hint);
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
                f"{imports}{app}{rest}console.log(JSON.stringify(said));".replace(
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
"""What `make rehearse` does with the real zappa, or what zappa itself has; `certify` needs a domain."""
MEANT = {"STAGE": "test", "URL": "https://streams.example.com"}
"""What stands for an argument of one's own."""


@pytest.mark.parametrize(
    ("span", "words"),
    [pytest.param(*found, id=found[0]) for found in inline_commands()],
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
        parser.parse_args([MEANT.get(argument, argument) for argument in arguments])


def links() -> Iterator[Any]:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target:
                yield pytest.param(page, target, id=f"{page.name}: {target}")


@pytest.mark.parametrize(("page", "target"), list(links()))
def test_a_link_leads_somewhere(page: Path, target: str) -> None:
    assert (page.parent / target).exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_file_that_a_page_names_is_there(page: Path) -> None:
    named = set(
        re.findall(
            r"`((?:streams|streams_project|openapi|stages|deploy|tests|clients|bench)/[a-z0-9_/.-]*)`",
            page.read_text(),
        )
    )
    gone = {name for name in named if not (PROJECT / name).exists()}
    assert gone == set() or page.name == "CHANGELOG.md", "which names what was removed"


def test_the_changelog_begins_with_what_is_unreleased_and_then_this_version() -> None:
    headings = re.findall(
        r"^## \[(.*?)\]", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert headings[:2] == ["Unreleased", __version__]


def test_every_problem_is_in_the_readme() -> None:
    errors = (
        (PROJECT / "README.md")
        .read_text()
        .partition("## Errors")[2]
        .partition("\n## ")[0]
    )
    assert {problem.type for problem in PROBLEMS.values()} <= set(
        re.findall(r"`([a-z-]+)`", errors)
    )


def test_every_setting_is_in_the_readme() -> None:
    settings = (PROJECT / "streams_project" / "settings.py").read_text()
    read = set(
        re.findall(
            r'(?:_read|_flag|_whole|_seconds|_choice|_list|environ\.get)\(\s*"([A-Z_]+)"',
            settings,
        )
    )
    described = (
        (PROJECT / "README.md")
        .read_text()
        .partition("## Configuration")[2]
        .partition("\n## ")[0]
    )
    set_by_aws = {"AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_LAMBDA_FUNCTION_NAME"}
    assert read - set(re.findall(r"`([A-Z_]+)`", described)) <= set_by_aws
