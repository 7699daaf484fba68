"""Finds turns of phrase that make prose hard to read: a hook of pre-commit.

Usage: python docs/phrases.py FILE ...

`phrases.toml` has the list. The hook reads the prose of Markdown files, without code, and
the docstrings and comments of Python files. `phrase: allowed` in a comment exempts a line,
or a docstring that ends on this line.
"""

import ast
import io
import re
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path

EXEMPTION = "phrase: allowed"
CODE_SPAN = re.compile(r"`[^`]*`")
LIST = Path(__file__).with_suffix(".toml")

type Line = tuple[int, str]
"""The number and text of a line of prose."""


def main(names: list[str]) -> int:
    """Print every find, and return the exit status: 1 if anything was found."""
    finds = [
        f"{name}:{number}: “{phrase}”: {advice}."
        for name in names
        for number, phrase, advice in find(Path(name))
    ]
    print(*finds, sep="\n", end="\n" if finds else "")  # noqa: T201
    return 1 if finds else 0


def find(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield the line, the phrase and the advice of each find in a file."""
    phrases = [
        (re.compile(phrase["pattern"]), phrase["advice"])
        for phrase in tomllib.loads(LIST.read_text())["phrase"]
    ]

    for number, line in _prose(path):
        text = CODE_SPAN.sub("X", line)
        for pattern, advice in phrases:
            for match in pattern.finditer(text):
                yield number, match[0], advice


def _prose(path: Path) -> Iterator[Line]:
    text = path.read_text()
    exempt = {
        number
        for number, line in enumerate(text.splitlines(), start=1)
        if EXEMPTION in line
    }

    lines = _python_lines if path.suffix == ".py" else _markdown_lines
    return (line for line in lines(text, exempt) if line[0] not in exempt)


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

        for offset, line in enumerate(str(docstring.value).splitlines()):
            yield docstring.lineno + offset, line.strip()

    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("# ")


def _docstrings(text: str) -> Iterator[ast.Constant]:
    for node in ast.walk(ast.parse(text)):
        value = node.value if isinstance(node, ast.Expr) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
