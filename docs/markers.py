"""Generated passages of a page, between `<!-- generated: NAME -->` and `<!-- end -->`.

The marks are HTML comments, so that readers do not see them. A passage may be a block of
lines or part of a sentence: a figure in a paragraph stays equal to the constant in the
code.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

PASSAGE = re.compile(
    r"<!-- generated: (?P<name>[\w-]+) -->(?P<text>.*?)<!-- end -->",
    re.DOTALL,
)

type Passage = Callable[[], str]
"""Returns the text of a passage."""

type Passages = Mapping[str, Passage]
"""The generator of each passage, by the name in its mark."""


def names(text: str) -> list[str]:
    """Return the names of the passages of a page, in order."""
    return [passage["name"] for passage in PASSAGE.finditer(text)]


def fill(text: str, passages: Passages) -> str:
    """Return the page with each passage generated again.

    Raises:
        KeyError: a mark names a passage that does not exist.
    """

    def generate(passage: re.Match[str]) -> str:
        name = passage["name"]
        content = passages[name]()

        if passage["text"].startswith("\n"):
            content = f"\n{content.strip()}\n"

        return f"<!-- generated: {name} -->{content}<!-- end -->"

    return PASSAGE.sub(generate, text)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table. Vertical bars in cells are escaped."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")
