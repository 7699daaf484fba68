"""Charts as SVG."""

from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from reporting.charts import bar_chart, column_chart, line_chart

HOURS = [datetime(2026, 11, 28, hour, tzinfo=UTC) for hour in range(24)]
CHARTS = {
    "bars": bar_chart({"a": 1, "b": 0}, title="Chart"),
    "bars without values": bar_chart({"a": 0}, title="Chart"),
    "columns": column_chart(
        {"1": 3, "2": 1}, title="Chart", x_title="streams", y_title="hours"
    ),
    "instants": line_chart(HOURS, {"starts": range(24)}, title="Chart"),
    "hours": line_chart(["00:00", "01:00"], {"starts": [1, 2]}, title="Chart"),
}


@pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS)
def test_a_chart_is_one_element_that_names_no_other_host(chart: str) -> None:
    assert chart.startswith("<svg viewBox=")
    assert chart.endswith("</svg>")
    assert 'role="img" aria-label="Chart"' in chart
    assert "://" not in chart
    HTMLParser().feed(chart)


@pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS)
def test_a_chart_has_the_colours_of_the_page(chart: str) -> None:
    assert "var(--bar)" in chart
    assert "#0" not in chart


def test_a_chart_is_the_same_for_the_same_values() -> None:
    again = line_chart(HOURS, {"starts": range(24)}, title="Chart")
    assert again == CHARTS["instants"]


@pytest.mark.parametrize("name", ["<b>&", "$x^2$", '" onload="x', "电视 📺", ""])
def test_a_name_is_shown_as_text(name: str) -> None:
    chart = bar_chart({name: 1}, title=name)

    assert "<b>" not in chart
    first_tag, *_ = chart.split(">")
    assert ' onload="x' not in first_tag


def test_a_long_name_is_shortened() -> None:
    long_name = "two words " * 20
    chart = bar_chart({long_name: 1}, title="Chart")

    assert "…" in chart
