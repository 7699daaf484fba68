"""Tables of a report in a terminal."""

import pytest

from reporting.tables import WIDTH, Column, Table, as_text, number

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
    assert (lines[0], lines[-1]) == ("Starts", "  Starts of the period.")


def test_a_table_without_headings_begins_with_its_rows() -> None:
    table = Table(title="", columns=(Column(""), Column("")), rows=[("a", "b")])

    assert not table.has_headings
    assert "─" not in as_text([table])


@pytest.mark.parametrize("cell", ["[red]tv[/red]", "[link=x]", ":smile:", "\\[x]"])
def test_a_cell_is_text_and_not_markup(cell: str) -> None:
    table = Table(title=cell, columns=(Column(cell),), rows=[(cell,)], note=cell)
    assert as_text([table]).count(cell) == 4


def test_a_long_cell_is_folded_and_not_cut() -> None:
    cell = "x" * (3 * WIDTH)
    table = Table(title="", columns=(Column("name"),), rows=[(cell,)])
    text = as_text([table])

    assert text.count("x") == len(cell)
    assert max(map(len, text.splitlines())) <= WIDTH


def test_only_a_terminal_has_styles() -> None:
    assert "\x1b[" not in as_text([TABLE])
    assert "\x1b[" in as_text([TABLE], is_terminal=True)
