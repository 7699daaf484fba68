"""Finds turns of phrase that make prose hard to read: a hook of pre-commit.

Usage: python docs/phrases.py FILE ...

`phrases.toml` has the list. The hook reads the prose of Markdown files, without code,
and the docstrings and comments of Python files. `phrase: allowed` in a comment exempts
a line, or a docstring that ends on this line.
"""

import ast
import io
import re
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

EXEMPTION = "phrase: allowed"
CODE_SPAN = re.compile(r"`[^`]*`")
LIST = Path(__file__).with_suffix(".toml")

type Line = tuple[int, str]
"""The number and text of a line of prose."""


class Find(NamedTuple):
    """A turn of phrase in a file."""

    line: int
    phrase: str
    advice: str


def main(names: list[str]) -> int:
    """Print every find, and return the exit status: 1 if anything was found."""
    status = 0

    for name in names:
        for found in find(Path(name)):
            place = f"{name}:{found.line}"
            print(f"{place}: “{found.phrase}”: {found.advice}.")  # noqa: T201
            status = 1

    return status


def find(path: Path) -> Iterator[Find]:
    """Yield the turns of phrase of a file."""
    phrases = tomllib.loads(LIST.read_text())["phrase"]

    for number, line in _prose(path):
        text = CODE_SPAN.sub("X", line)
        for phrase in phrases:
            for match in re.finditer(phrase["pattern"], text):
                yield Find(number, match[0], phrase["advice"])


def _prose(path: Path) -> Iterator[Line]:
    """Yield the lines of prose that are not exempt."""
    text = path.read_text()
    numbered_lines = enumerate(text.splitlines(), start=1)
    exempt = {number for number, line in numbered_lines if EXEMPTION in line}

    read = _python_lines if path.suffix == ".py" else _markdown_lines
    for number, line in read(text, exempt):
        if number not in exempt:
            yield number, line


def _markdown_lines(text: str, exempt: set[int]) -> Iterator[Line]:
    """Yield the lines outside of fenced blocks."""
    is_fenced = False

    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("```"):
            is_fenced = not is_fenced
        elif not is_fenced:
            yield number, line.strip()


def _python_lines(text: str, exempt: set[int]) -> Iterator[Line]:
    """Yield the lines of docstrings, of other bare strings, and of comments."""
    for docstring in _docstrings(text):
        if docstring.end_lineno in exempt:
            continue

        lines = str(docstring.value).splitlines()
        for number, line in enumerate(lines, start=docstring.lineno):
            yield number, line.strip()

    read_line = io.StringIO(text).readline
    for token in tokenize.generate_tokens(read_line):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("# ")


def _docstrings(text: str) -> Iterator[ast.Constant]:
    for node in ast.walk(ast.parse(text)):
        value = node.value if isinstance(node, ast.Expr) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
