"""Text of others cannot command a terminal."""

import pytest

from streams.management.operator_command import table
from streams.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Fußball 名 🎬", "Fußball 名 🎬"),
        ("\x1b[2Jx", r"\x1b[2Jx"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x00\x7f\x85", r"\x00\x7f\x85"),
        ("\ud800", r"\ud800"),
    ],
    ids=["letters", "an escape sequence", "line breaks", "controls", "a surrogate"],
)
def test_control_characters_become_escapes(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_cell_adds_no_line_to_a_table() -> None:
    lines = table(("ID", "CONTENT"), [("tv", "film\nphone  other")]).split("\n")
    assert lines == ["ID  CONTENT", r"tv  film\nphone  other"]
