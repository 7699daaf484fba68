"""The template: alarms with their runbook, the dashboard, the table, the policies."""

import json
import re
from itertools import product
from typing import Any

import boto3
import cfn_flip
import pytest
from botocore.stub import Stubber

from deploy.infrastructure.alarms import alarm_kinds
from deploy.infrastructure.gateway import ANSWERS, TITLES
from deploy.infrastructure.stage_file import Consumer
from deploy.infrastructure.template import read_template, resources_of, with_consumers
from streams.models import UserStreams
from tests.servers import PROJECT

RESOURCES = read_template()["Resources"]
RUNBOOK = PROJECT / "docs" / "runbook.md"
MAX_TEMPLATE_BYTES = 51_200
"""CloudFormation's limit of a template that is sent with the request."""
MAX_POLICY_CHARACTERS = 6_144
"""IAM's limit of a managed policy, without whitespace."""


def of_type(type_name: str) -> list[dict[str, Any]]:
    return [
        resource["Properties"]
        for resource in RESOURCES.values()
        if resource["Type"] == type_name
    ]


def dashboard() -> dict[str, Any]:
    (properties,) = of_type("AWS::CloudWatch::Dashboard")
    text = properties["DashboardBody"]["Fn::Sub"]
    body: dict[str, Any] = json.loads(text)
    return body


# --- the table and the role -----------------------------------------------------------


def test_the_tables_schema_is_the_models() -> None:
    (table,) = of_type("AWS::DynamoDB::GlobalTable")
    schema = UserStreams._get_schema()
    assert table["KeySchema"] == schema["key_schema"]
    assert table["AttributeDefinitions"] == schema["attribute_definitions"]
    expiry = UserStreams.ttl.attr_name
    assert table["TimeToLiveSpecification"]["AttributeName"] == expiry


def test_data_outlives_the_stack() -> None:
    kept = {
        name
        for name, resource in RESOURCES.items()
        if resource.get("DeletionPolicy") == "RetainExceptOnCreate"
    }
    assert kept == {"UserStreams", "Role", "Log"}
    billing = Consumer("billing", 50, 100)
    for resource in resources_of(billing).values():
        assert resource["DeletionPolicy"] == "Retain"


def test_the_template_with_back_ends_fits_into_a_request() -> None:
    names = [f"back-end-{number}" for number in range(20)]
    consumers = [Consumer(name, 50, 100) for name in names]
    template = with_consumers(read_template(), consumers, deployed=None)
    body = json.dumps(template, separators=(",", ":"))
    assert len(body.encode()) < MAX_TEMPLATE_BYTES


def test_a_back_ends_logical_id_is_its_own() -> None:
    names = ("a-b", "ab", "a.b", "a_b")
    ids = [
        logical_id
        for name in names
        for logical_id in resources_of(Consumer(name, 1, 1))
    ]
    assert len(set(ids)) == 3 * len(names)
    assert all(logical_id.isalnum() for logical_id in ids)


@pytest.mark.parametrize("policy", ["Boundary", "DeployerPolicy"])
def test_a_policy_of_the_account_fits_into_iams_limit(policy: str) -> None:
    text = (PROJECT / "deploy" / "account.yaml").read_text()
    template = json.loads(cfn_flip.to_json(text))
    document = template["Resources"][policy]["Properties"]["PolicyDocument"]
    counted_characters = re.sub(r"\s", "", json.dumps(document))
    assert len(counted_characters) < MAX_POLICY_CHARACTERS


def test_the_boundary_allows_each_action_of_the_functions_role() -> None:
    """Otherwise a boundary would take the service down."""
    account = json.loads(
        cfn_flip.to_json((PROJECT / "deploy" / "account.yaml").read_text())
    )
    boundary = account["Resources"]["Boundary"]["Properties"]["PolicyDocument"]
    (role,) = of_type("AWS::IAM::Role")
    policy = role["Policies"][0]["PolicyDocument"]
    assert actions(policy["Statement"]) <= actions(boundary["Statement"])


def actions(statements: list[dict[str, Any]]) -> set[str]:
    allowed: set[str] = set()
    for statement in statements:
        if "Fn::If" in statement:
            statement = statement["Fn::If"][1]
        named = statement["Action"]
        allowed |= {named} if isinstance(named, str) else set(named)
    return allowed


# --- alarms ---------------------------------------------------------------------------


def test_each_alarm_has_a_section_of_the_runbook() -> None:
    text = RUNBOOK.read_text()
    assert len(alarm_kinds()) == 20
    for kind in alarm_kinds():
        assert f"\n## {kind}\n" in text
    for alarm in of_type("AWS::CloudWatch::Alarm"):
        kind = alarm["AlarmName"]["Fn::Sub"].removeprefix("${Function}-")
        assert alarm["AlarmDescription"] == f"docs/runbook.md#{kind}"


def test_each_section_of_the_runbook_says_what_to_do_and_when_it_ends() -> None:
    _, *sections = re.split(r"(?m)^## ", RUNBOOK.read_text())
    assert len(sections) >= 14
    for section in sections:
        for part in (r"Look(:| and do:)", r"(Do|do):", r"Over:"):
            assert re.search(part, section), section


def test_amazons_cloudwatch_takes_each_alarm() -> None:
    """The emulator takes more than Amazon's, so Amazon's own model judges them."""
    amazon = boto3.client(
        "cloudwatch",
        region_name="eu-west-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )
    with Stubber(amazon) as stub:
        for alarm in of_type("AWS::CloudWatch::Alarm"):
            stub.add_response("put_metric_alarm", {})
            amazon.put_metric_alarm(**plain(alarm))


FUNCTIONS = ("Ref", "Fn::Sub", "Fn::If")


def plain(value: Any, key: str = "") -> Any:
    """Return an alarm's properties with a value in place of each function."""
    if isinstance(value, list):
        return [plain(part) for part in value]
    if not isinstance(value, dict):
        return value

    if len(value) == 1:
        ((name, argument),) = value.items()
        if name in FUNCTIONS:
            return result_of(name, argument, key)
    return {name: plain(part, name) for name, part in value.items()}


def result_of(function: str, argument: Any, key: str) -> Any:
    """Return a value of the type that the function gives to the property `key`."""
    if function == "Fn::If":
        return []
    return 1.0 if key == "Threshold" else str(argument)


# --- the dashboard --------------------------------------------------------------------


def test_widgets_do_not_overlap_on_cloudwatchs_grid() -> None:
    taken: set[tuple[int, int]] = set()
    for widget in dashboard()["widgets"]:
        x, y = widget["x"], widget["y"]
        columns = range(x, x + widget["width"])
        rows = range(y, y + widget["height"])
        cells = set(product(columns, rows))

        assert columns.stop <= 24
        assert not taken & cells
        taken |= cells


def test_each_metric_of_the_service_is_one_that_it_counts() -> None:
    pages = [PROJECT / "docs" / name for name in ("events.md", "operating.md")]
    text = "\n".join(page.read_text() for page in pages)
    known = set(re.findall(r"`([a-z-]+)`", text))
    metrics = [
        metric
        for widget in dashboard()["widgets"]
        if widget["type"] == "metric"
        for metric in widget["properties"]["metrics"]
    ]
    shown = {metric[1] for metric in metrics if metric[0] == "StreamLimits"}
    assert shown <= known
    assert {"admitted", "denied", "renewed", "expired", "unavailable"} <= shown


# --- the web ACL ----------------------------------------------------------------------


def test_a_blocked_viewer_gets_the_answer_of_a_throttled_one() -> None:
    (acl,) = of_type("AWS::WAFv2::WebACL")
    body = json.loads(acl["CustomResponseBodies"]["throttled"]["Content"])
    problem_type, status, _ = ANSWERS["THROTTLED"]
    assert body == {
        "type": problem_type,
        "title": TITLES[problem_type],
        "status": status,
    }
    for rule in acl["Rules"]:
        refusal = rule["Action"]["Block"]["CustomResponse"]
        headers = {item["Name"]: item["Value"] for item in refusal["ResponseHeaders"]}
        assert refusal["ResponseCode"] == status
        assert headers["Retry-After"] == "60"
        assert headers["Access-Control-Expose-Headers"] == "Retry-After"
