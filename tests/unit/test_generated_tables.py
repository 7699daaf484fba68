"""The tables of the pages on performance and on the edge come from the code."""

import json
import os
import subprocess
import sys

from bench import report
from docs.edge import PAGE as EDGE_PAGE
from tests.servers import PROJECT


def test_the_performance_page_shows_the_stored_figures() -> None:
    figures = json.loads(report.FILE.read_text())
    page = report.PAGE.read_text()
    assert report.filled(page, figures) == page


def test_the_edge_page_shows_the_bounds_of_the_default_settings() -> None:
    """The tests' own settings differ, so this runs without their environment."""
    program = "from docs import edge; print(edge.filled(edge.PAGE.read_text()), end='')"
    finished = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], "DEBUG": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout == EDGE_PAGE.read_text()
