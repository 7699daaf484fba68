"""The dashboard of a deployment."""

import json
import re
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from deploy.dashboard import NAMESPACE, body, plan_dashboard
from stages import Stage
from tests.servers import PROJECT

STAGE = Stage(
    "test",
    {
        "project_name": "limits",
        "aws_region": "eu-west-1",
        "environment_variables": {"DYNAMODB_TABLE": "T"},
    },
)


def cloudwatch() -> Any:
    return boto3.client(
        "cloudwatch",
        region_name="eu-west-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )


def test_a_dashboard_that_is_not_there_is_set_and_one_that_is_as_it_should_be_is_left() -> (
    None
):
    amazon, named = cloudwatch(), {"DashboardName": "limits-test"}
    text = json.dumps(body(STAGE))
    with Stubber(amazon) as stub:
        stub.add_client_error(
            "get_dashboard", "ResourceNotFound", expected_params=named
        )
        stub.add_response("put_dashboard", {}, {**named, "DashboardBody": text})
        (step,) = plan_dashboard(STAGE, amazon)
        step.do()
        stub.add_response("get_dashboard", {"DashboardBody": text}, named)
        assert list(plan_dashboard(STAGE, amazon)) == []
        stub.add_response("get_dashboard", {"DashboardBody": '{"widgets": []}'}, named)
        assert [str(step) for step in plan_dashboard(STAGE, amazon)] == [
            "set the dashboard limits-test"
        ]


def test_a_refusal_of_aws_is_not_taken_for_a_dashboard_that_is_not_there() -> None:
    amazon = cloudwatch()
    with Stubber(amazon) as stub:
        stub.add_client_error("get_dashboard", "AccessDenied")
        with pytest.raises(ClientError):
            list(plan_dashboard(STAGE, amazon))


def test_widgets_stand_side_by_side_on_cloudwatchs_grid() -> None:
    taken: set[tuple[int, int]] = set()
    for widget in body(STAGE)["widgets"]:
        x, y, width, height = (widget[side] for side in ("x", "y", "width", "height"))
        cells = {
            (x + right, y + down) for right in range(width) for down in range(height)
        }
        assert x + width <= 24
        assert not taken & cells
        taken |= cells


def test_every_metric_of_the_service_is_one_that_it_counts() -> None:
    known = set(
        re.findall(r"`([a-z-]+)`", (PROJECT / "docs" / "events.md").read_text())
    )
    known |= set(
        re.findall(r"`([a-z-]+)`", (PROJECT / "docs" / "operating.md").read_text())
    )
    graphs = [
        widget["properties"]["metrics"]
        for widget in body(STAGE)["widgets"]
        if widget["type"] == "metric"
    ]
    shown = {
        metric[1] for metrics in graphs for metric in metrics if metric[0] == NAMESPACE
    }
    assert shown <= known
    assert {"admitted", "denied", "renewed", "expired", "unavailable"} <= shown


def test_each_page_of_the_runbook_says_what_to_look_at_what_to_do_and_when_it_is_over() -> (
    None
):
    _, *pages = re.split(r"(?m)^## ", (PROJECT / "docs" / "runbook.md").read_text())
    assert len(pages) >= 14
    for page in pages:
        assert all(
            re.search(part, page)
            for part in (r"Look(:| and do:)", r"(Do|do):", r"Over:")
        ), page
