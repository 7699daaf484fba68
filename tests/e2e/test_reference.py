"""The generated pages equal what the code says, and the site contains every page."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs import commands, conf
from streams.problems import PROBLEMS
from streams_project import environment
from tests.servers import PROJECT

type Done = subprocess.CompletedProcess[str]


def test_the_generated_pages_equal_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "docs.reference", "--check"],
        cwd=PROJECT,
        env={"DEBUG": "1"},
        capture_output=True,
        text=True,
    )

    outdated = done.stdout.split()
    assert outdated == [], f"run: make reference {done.stderr}"
    assert done.returncode == 0, done.stderr


def test_every_problem_is_in_the_page_of_errors() -> None:
    errors = (PROJECT / "docs" / "errors.md").read_text()

    types = {problem.type for problem in PROBLEMS.values()}
    assert types <= set(re.findall(r"`([a-z-]+)`", errors))


def test_every_variable_is_in_the_page_of_settings() -> None:
    page = (PROJECT / "docs" / "settings.md").read_text()

    described = re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE)
    assert sorted(described) == sorted(environment.VARIABLES)


def test_every_command_of_the_project_is_in_the_page_of_commands() -> None:
    page = (PROJECT / "docs" / "commands.md").read_text()

    headings = re.findall(r"^## (\w+)$", page, re.MULTILINE)
    assert headings == list(commands.own_commands())
    assert {"streams", "limit", "why", "release", "runserver"} <= set(headings)


def test_every_page_is_in_the_tree_of_the_site() -> None:
    pages = [*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md")]
    names = {str(page.relative_to(PROJECT).with_suffix("")) for page in pages}

    in_tree = {page for pages in conf.TREE.values() for page in pages}
    assert in_tree | {conf.HOME} == names


def build_site(source: Path, site: Path, *options: str) -> Done:
    """Build a site with the project's configuration."""
    sphinx = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--quiet"]
    command: list[str | Path] = [
        *sphinx,
        "-c",
        PROJECT / "docs",
        *options,
        source,
        site,
    ]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_site_has_a_tree_and_a_search_index(tmp_path: Path) -> None:
    done = build_site(PROJECT, tmp_path)

    assert done.returncode == 0, done.stderr
    home = (tmp_path / "README.html").read_text()
    captions = re.findall(r'class="caption-text">([^<]+)<', home)
    assert captions == list(conf.TREE)
    assert "heartbeat" in (tmp_path / "searchindex.js").read_text()
    assert "README.html" in (tmp_path / "index.html").read_text()


def test_a_link_to_a_heading_that_does_not_exist_fails_the_site(
    tmp_path: Path,
) -> None:
    source = tmp_path / "source"
    (source / "docs").mkdir(parents=True)
    (source / "README.md").write_text("# Home\n\n[Plans](docs/plans.md#missing)\n")
    (source / "docs" / "plans.md").write_text("# Plans\n")

    done = build_site(source, tmp_path / "site", "-D", "include_patterns=**")

    assert done.returncode != 0
    assert "missing" in done.stderr


@pytest.mark.node
def test_a_row_with_a_missing_cell_fails_the_markdown_linter(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n| a | b |\n|---|---|\n| 1 |\n")
    subprocess.run(["npm", "ci", "--prefix", ".ci", "--silent"], cwd=PROJECT)

    done = subprocess.run(
        [
            PROJECT / ".ci/node_modules/.bin/markdownlint-cli2",
            *("--config", PROJECT / ".markdownlint-cli2.jsonc", page.name),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert "MD056" in done.stderr


def find_phrases(path: Path) -> list[str]:
    """Run the hook on a file, and return what it prints."""
    done = subprocess.run(
        [sys.executable, PROJECT / "docs" / "phrases.py", path],
        capture_output=True,
        text=True,
    )
    lines = done.stdout.splitlines()
    assert done.returncode == bool(lines)
    return lines


PROSE = {
    "a sentence of a page": ("page.md", "# Page\n\nIt has to stop.\n"),
    "a docstring": ("module.py", '"""It has to stop."""\n'),
    "a comment": ("module.py", "limit = 3  # it has to stop\n"),
}
EXEMPT = {
    "code in a page": ("page.md", "```text\nIt has to stop.\n```\n`has to`\n"),
    "a string": ("module.py", 'text = "it has to stop"\n'),
    "a line with the mark": (
        "page.md",
        "It has to stop. <!-- phrase: allowed, a quotation -->\n",
    ),
    "a docstring with the mark": (
        "module.py",
        '"""Stop.\n\nIt has to stop.\n"""  # phrase: allowed, a quotation\n',
    ),
}


@pytest.mark.parametrize(("name", "text"), PROSE.values(), ids=PROSE)
def test_the_hook_finds_a_turn_of_phrase(
    tmp_path: Path,
    name: str,
    text: str,
) -> None:
    path = tmp_path / name
    path.write_text(text)

    (line,) = find_phrases(path)

    assert '“has to”: write "must"' in line


@pytest.mark.parametrize(("name", "text"), EXEMPT.values(), ids=EXEMPT)
def test_the_hook_accepts_code_and_marked_lines(
    tmp_path: Path,
    name: str,
    text: str,
) -> None:
    path = tmp_path / name
    path.write_text(text)

    assert find_phrases(path) == []
