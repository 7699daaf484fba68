"""Generated passages of a page, and the Markdown that generators write.

A passage is between `<!-- generated: NAME -->` and `<!-- end -->`. The marks are HTML
comments, so that readers do not see them. A passage is a block of lines or a part of a
sentence, so that a figure in a paragraph stays equal to the constant in the code.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

PASSAGE = re.compile(
    r"<!-- generated: (?P<name>[\w-]+) -->(?P<text>.*?)<!-- end -->",
    re.DOTALL,
)
CODE_SPAN = re.compile(r"(`[^`]*`)")
BARE_URL = re.compile(r"https?://\w[^\s,]*[^\s,.]")

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
    rule = ["---"] * len(headings)
    lines = [headings, rule, *rows]
    return "\n".join(_line(cells) for cells in lines)


def code(text: object) -> str:
    """Return text in the typeface of code."""
    return f"`{text}`"


def link(text: str, target: str) -> str:
    """Return a link."""
    return f"[{text}]({target})"


def prose(text: str) -> str:
    """Return plain text as Markdown: code spans stay, URLs become links."""
    parts = CODE_SPAN.split(text)
    return "".join(
        part if part.startswith("`") else BARE_URL.sub(r"<\g<0>>", _escape(part))
        for part in parts
    )


def section(*parts: str) -> str:
    """Return the parts that are not empty, as paragraphs."""
    return "\n\n".join(part for part in parts if part)


def _escape(text: str) -> str:
    return text.replace("<", r"\<")


def _line(cells: Sequence[str]) -> str:
    texts = [_cell(cell) for cell in cells]
    return f"| {' | '.join(texts)} |"


def _cell(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line.replace("|", r"\|")
