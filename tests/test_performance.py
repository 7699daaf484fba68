"""The page about performance says what was measured."""

import json

from bench import report


def test_the_tables_of_the_page_are_those_of_the_figures() -> None:
    page = report.PAGE.read_text()
    assert report.filled(page, json.loads(report.FILE.read_text())) == page


def test_the_page_has_every_table() -> None:
    assert all(f"<!-- figures: {name} -->" in report.PAGE.read_text() for name in report.TABLES)
