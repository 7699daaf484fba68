"""The page on performance shows the stored figures."""

import json

from bench import report


def test_the_tables_are_those_of_the_stored_figures() -> None:
    figures = json.loads(report.FILE.read_text())
    page = report.PAGE.read_text()
    assert report.filled(page, figures) == page
