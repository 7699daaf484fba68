"""The template deploy/infrastructure.yaml, with the resources of each back end."""

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cfn_flip import to_json

from deploy.infrastructure.stage_file import Consumer

FILE = Path(__file__).parent.with_name("infrastructure.yaml")
ONLY_IN_TEMPLATE = re.compile(r"Consumer[A-Za-z0-9]+(Key|Plan|PlanKey)")

TABLE = "UserStreams"
"""The logical id of the table."""

type Template = dict[str, Any]

RETAINED = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
"""An API key cannot be created again with the same value."""


def read_template() -> Template:
    """Return the template of the file."""
    template: Template = json.loads(_as_json())
    return template


@cache
def _as_json() -> str:
    """Return the file as JSON. Parsing its YAML takes half a second."""
    return str(to_json(FILE.read_text()))


def without_table(template: Template) -> Template:
    """Return the template without its table, which the stack retains."""
    resources = dict(template["Resources"])
    resources.pop(TABLE, None)
    return template | {"Resources": resources}


def with_consumers(
    template: Template, consumers: Iterable[Consumer], *, deployed: Template | None
) -> Template:
    """Return the template with the keys and usage plans of back ends.

    A back end of the deployed template that the file no longer names keeps its key.
    """
    kept = consumer_resources(deployed or {})
    named = {}
    for consumer in consumers:
        named.update(resources_of(consumer))

    return template | {"Resources": template["Resources"] | kept | named}


def consumer_resources(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return the resources of a template that belong to back ends."""
    resources = template.get("Resources", {})
    return {
        logical_id: resource
        for logical_id, resource in resources.items()
        if ONLY_IN_TEMPLATE.fullmatch(logical_id)
    }


def resources_of(consumer: Consumer) -> dict[str, Any]:
    """Return the key of a back end, its usage plan, and the key's place in the plan.

    The key is unconditional, since a conditional one would get a new value after each
    `zappa undeploy`. Only the plan's stages depend on the API.
    """
    prefix = logical_prefix(consumer.name)
    name = {"Fn::Sub": "${Function}-" + consumer.name}
    stage = {"ApiId": {"Ref": "Api"}, "Stage": {"Ref": "Stage"}}
    no_value = {"Ref": "AWS::NoValue"}

    key = {"Name": name, "Enabled": True}
    plan = {
        "UsagePlanName": name,
        "Throttle": {"RateLimit": consumer.rate, "BurstLimit": consumer.burst},
        "ApiStages": {"Fn::If": ["HasApi", [stage], no_value]},
    }
    plan_key = {
        "KeyId": {"Ref": f"{prefix}Key"},
        "KeyType": "API_KEY",
        "UsagePlanId": {"Ref": f"{prefix}Plan"},
    }
    return {
        f"{prefix}Key": _retained("AWS::ApiGateway::ApiKey", key),
        f"{prefix}Plan": _retained("AWS::ApiGateway::UsagePlan", plan),
        f"{prefix}PlanKey": _retained("AWS::ApiGateway::UsagePlanKey", plan_key),
    }


def logical_prefix(name: str) -> str:
    """Return a back end's name as the beginning of its logical ids."""
    letters = re.sub(r"[^A-Za-z0-9]", lambda match: f"x{ord(match[0]):x}x", name)
    return f"Consumer{letters}"


def _retained(type_name: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"Type": type_name, "Properties": properties, **RETAINED}
