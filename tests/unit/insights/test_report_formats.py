"""The forms in which a report is printed."""

import csv
import json
import sys
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from django.utils.html import escape

from insights import report_formats
from insights.figures import Figure
from insights.report import report
from insights.report_formats import FORMULA_CHARACTERS, Scope
from reporting.charts import MissingLibrary
from tests.unit.insights.builders import AT, denied, event

HOUR = 3_600_000
SCOPE = Scope(since=AT, until=AT + HOUR, events=1234, sample=20)
DEVICE_TYPES = ("tv", "phone")


@pytest.fixture
def figures() -> list[Figure]:
    events = [
        event("admitted", 0, "a", user="ana", deviceType="tv"),
        event("admitted", 10, "b", user="ana", deviceType="phone"),
        event("admitted", 20, "c", user="bob", deviceType="tv"),
        denied(
            30,
            "c",
            ("a", 60),
            ("b", 70),
            user="ana",
            deviceType="tv",
        ),
        event(
            "stopped",
            300,
            "c",
            user="bob",
            reason="stopped",
            by="player",
        ),
    ]
    return report(events, since=AT, until=AT + HOUR)


def of_device_type(device_type: str) -> list[Figure]:
    start = event("admitted", 0, "a", user="ana", deviceType=device_type)
    return report([start], since=AT, until=AT + HOUR)


def device_types_in_csv(figures: list[Figure]) -> set[str]:
    text = report_formats.as_csv(figures)
    rows = csv.reader(StringIO(text))
    return {row[1] for row in rows if row[0] == "starts_by_device_type"}


def test_a_page_has_every_definition_and_names_no_other_host(
    figures: list[Figure],
) -> None:
    page = report_formats.as_html(figures, scope=SCOPE)

    for figure in figures:
        assert escape(figure.definition) in page
    assert "://" not in page
    assert "<script" not in page
    assert "One heartbeat in 20" in page


def test_a_page_has_a_chart_of_each_figure_that_compares_rows(
    figures: list[Figure],
) -> None:
    charted = [figure.name for figure in figures if figure.has_chart]
    page = report_formats.as_html(figures, scope=SCOPE)

    assert page.count("<svg") == len(charted)
    compared = {"over_time", "by_hour", "durations", "starts"}
    assert compared <= set(charted)
    assert "users" not in charted


def test_a_chart_takes_its_colours_from_the_page(figures: list[Figure]) -> None:
    for figure in figures:
        chart = report_formats.chart(figure)
        assert "#0" not in chart
        assert not chart or "var(--bar)" in chart


def test_text_has_every_title_and_definition(figures: list[Figure]) -> None:
    text = report_formats.as_text(figures, scope=SCOPE)
    unwrapped = " ".join(text.split())

    for figure in figures:
        assert figure.title in unwrapped
        assert figure.definition in unwrapped
    assert text.startswith(
        "From 2027-01-15 08:00 to 2027-01-15 09:00 UTC (1 hour), from 1,234 events."
    )


def test_text_is_plain_unless_it_goes_to_a_terminal(figures: list[Figure]) -> None:
    plain = report_formats.as_text(figures, scope=SCOPE)
    styled = report_formats.as_text(figures, scope=SCOPE, is_terminal=True)

    assert "\x1b[" not in plain
    assert "\x1b[" in styled


def test_text_without_events_says_so() -> None:
    scope = Scope(
        since=AT,
        until=AT + HOUR,
        events=0,
        sample=1,
    )
    text = report_formats.as_text([], scope=scope)

    assert text.splitlines()[-1] == "No decisions were recorded."


def test_csv_has_a_line_for_each_number(figures: list[Figure]) -> None:
    lines = report_formats.as_csv(figures).splitlines()

    assert lines[:2] == ["figure,row,column,number", "users,active users,users,2"]

    numbers = 0
    for figure in figures:
        columns = len(figure.columns) - 1
        numbers += len(figure.rows) * columns
    assert len(lines) == 1 + numbers


@pytest.mark.parametrize(
    "device_type",
    [
        *(f"{character}1+1" for character in FORMULA_CHARACTERS),
        " =1+1",
        "\n=1+1",
        "\n1+1",
        "\v=1+1",
        "\u00a0=1+1",
        "\u2028=1+1",
        "\ufeff=1+1",
        '=HYPERLINK("http://x","y")',
    ],
    ids=ascii,
)
def test_a_cell_that_a_spreadsheet_would_evaluate_becomes_text(
    device_type: str,
) -> None:
    names = device_types_in_csv(of_device_type(device_type))

    assert names == {f"'{device_type}"}


@pytest.mark.parametrize("device_type", ["tv", "a-b", "a=b", "3", ""])
def test_other_cells_stay_as_they_are(device_type: str) -> None:
    names = device_types_in_csv(of_device_type(device_type))

    assert names == {device_type}


def test_json_has_the_documented_shape(figures: list[Figure]) -> None:
    shown = report_formats.as_json(figures, scope=SCOPE)

    assert json.loads(json.dumps(shown)) == shown
    assert shown.keys() == {
        "from",
        "to",
        "zone",
        "events",
        "sample",
        "figures",
    }
    assert shown["from"] == "2027-01-15T08:00:00.000+00:00"
    for figure in shown["figures"].values():
        lengths = {len(row) for row in figure["rows"]}
        assert figure.keys() == {"definition", "columns", "rows"}
        assert lengths == {len(figure["columns"])}


def test_every_form_has_the_same_instants(figures: list[Figure]) -> None:
    first = datetime.fromtimestamp(AT / 1000, UTC)
    as_json = report_formats.as_json(figures, scope=SCOPE)
    as_csv = report_formats.as_csv(figures)
    as_text = report_formats.as_text(figures, scope=SCOPE)

    first_row = as_json["figures"]["over_time"]["rows"][0]
    assert first_row[0] == as_json["from"]
    assert first.isoformat(timespec="milliseconds") in as_csv
    assert f"{first:%Y-%m-%d %H:%M}" in as_text


def test_a_page_without_matplotlib_is_refused_with_the_remedy(
    figures: list[Figure], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingLibrary, match=r"pip install -r requirements-dev\.txt"):
        report_formats.as_html(figures, scope=SCOPE)


HOSTILE: dict[str, Any] = {
    "markup of a page": "<script>alert(1)</script>",
    "markup of a terminal": "[red]tv[/red]",
    "mathematics": "$x^2$ and $",
    "other scripts": "电视 📺",
    "a long name": "x" * 200,
}


@pytest.mark.parametrize("device_type", HOSTILE.values(), ids=HOSTILE)
def test_a_device_type_is_shown_as_text(device_type: str) -> None:
    events = [
        event("admitted", 0, "a", user="ana", deviceType=device_type),
        event("admitted", 0, "b", user="ana", deviceType="tv"),
    ]
    figures = report(events, since=AT, until=AT + HOUR)
    page = report_formats.as_html(figures, scope=SCOPE)
    text = report_formats.as_text(figures, scope=SCOPE)

    assert "<script" not in page
    assert escape(device_type) in page
    assert device_type[:60] in text
