"""Tables of a report in a terminal."""

import pytest

from reporting.tables import WIDTH, Column, Table, as_text, number

NAMES = Column("name")
TABLE = Table(
    title="Starts",
    columns=(Column("kind"), number("starts")),
    rows=[("admitted", "1,028"), ("denied", "7")],
    note="Starts of the period.",
)


def test_numbers_are_aligned_to_the_right() -> None:
    lines = as_text([TABLE]).splitlines()

    assert "  admitted    1,028" in lines
    assert "  denied          7" in lines


def test_a_table_has_its_title_above_and_its_note_below() -> None:
    lines = as_text([TABLE]).splitlines()

    assert lines[0] == "Starts"
    assert lines[-1] == "  Starts of the period."


def test_a_table_without_headings_begins_with_its_rows() -> None:
    without_name = Column("")
    table = Table(
        title="",
        columns=(without_name, without_name),
        rows=[("a", "b")],
    )

    assert not table.has_headings
    assert "─" not in as_text([table])


@pytest.mark.parametrize("cell", ["[red]tv[/red]", "[link=x]", ":smile:", "\\[x]"])
def test_a_cell_is_text_and_not_markup(cell: str) -> None:
    table = Table(
        title=cell,
        columns=(Column(cell),),
        rows=[(cell,)],
        note=cell,
    )
    text = as_text([table])

    assert text.count(cell) == 4


def test_a_long_cell_is_folded_and_not_cut() -> None:
    cell = "x" * (3 * WIDTH)
    table = Table(title="", columns=(NAMES,), rows=[(cell,)])

    text = as_text([table])
    widths = map(len, text.splitlines())

    assert text.count("x") == len(cell)
    assert max(widths) <= WIDTH


def test_only_a_terminal_has_styles() -> None:
    plain = as_text([TABLE])
    styled = as_text([TABLE], is_terminal=True)

    assert "\x1b[" not in plain
    assert "\x1b[" in styled
