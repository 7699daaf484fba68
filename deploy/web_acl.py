"""What one viewer may send: AWS WAF in front of the API. Rules that somebody else put into the web ACL stay.

API Gateway's own limits are for all callers together and for back ends' keys; a single viewer's script could use up
what is there for everyone. WAF counts the requests of each bearer token, and of each address for those that come
without one or with a new one every time: in one place for all instances, before a request reaches any of them. It
looks back over a minute and may notice a flood some seconds late.

Source: https://docs.aws.amazon.com/waf/latest/developerguide/waf-rule-statement-type-rate-based.html
"""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from deploy.gateway import ANSWERS, TITLES
from deploy.steps import Step, patiently
from stages import Stage

WINDOW_SECONDS = 60
VIEWERS_AT_AN_ADDRESS = 100
"""A household, an office and a mobile network's gateway are one address each."""
LEAST = 10
"""The lowest limit that WAF takes."""
OURS = ("one-viewer", "one-address")


def name_of(stage: Stage) -> str:
    """The web ACL's."""
    return f"{stage.function}-viewers"


def plan_web_acl(
    per_minute: int | None, *, stage: Stage, api_id: str, region: str, wafv2: Any
) -> Iterator[Step]:
    """What differs from what is there. `wafv2` is a boto3 client. Raises `LookupError` when the API has a web ACL of
    somebody else's already, since it takes only one."""
    if per_minute is None:
        return
    if per_minute < LEAST:
        raise LookupError(
            f"AWS WAF takes no limit under {LEAST} requests a minute: viewer_rate is {per_minute}."
        )
    name, resource = (
        name_of(stage),
        f"arn:aws:apigateway:{region}::/restapis/{api_id}/stages/{stage.name}",
    )
    in_front = _in_front(wafv2, resource)
    if in_front is not None and in_front["Name"] != name:
        raise LookupError(
            f"The API has the web ACL {in_front['Name']} already. Add a rate-based rule there."
        )
    found = find(wafv2, name)
    what = "let a viewer send so many requests a minute, an address a hundred times as many"
    if found is None:
        yield Step(
            what, partial(_create, wafv2, name, per_minute, resource), None, per_minute
        )
        return
    acl = wafv2.get_web_acl(Name=name, Scope="REGIONAL", Id=found["Id"])["WebACL"]
    there = {rule["Name"]: rule for rule in acl["Rules"]}
    if any(
        _essence(there.get(rule["Name"], {})) != _essence(rule)
        for rule in _rules(per_minute)
    ):
        now = (
            there.get("one-viewer", {})
            .get("Statement", {})
            .get("RateBasedStatement", {})
            .get("Limit")
        )
        yield Step(
            what,
            partial(_update, wafv2, name, per_minute, found["Id"]),
            now,
            per_minute,
        )
    if in_front is None:
        yield Step(
            f"put {name} in front of the API",
            partial(_put_in_front, wafv2, found["ARN"], resource),
        )


def _essence(rule: dict[str, Any]) -> tuple[Any, Any]:
    return rule.get("Statement"), rule.get("Action")


def _in_front(wafv2: Any, stage: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] | None = wafv2.get_web_acl_for_resource(
            ResourceArn=stage
        ).get("WebACL")
    except wafv2.exceptions.WAFNonexistentItemException:
        return None
    return found


def find(wafv2: Any, name: str) -> dict[str, Any] | None:
    """The web ACL of that name."""
    marker: dict[str, str] = {}
    while True:
        page = wafv2.list_web_acls(Scope="REGIONAL", Limit=100, **marker)
        found = next((acl for acl in page["WebACLs"] if acl["Name"] == name), None)
        if found or not page.get("NextMarker"):
            return found
        marker = {"NextMarker": page["NextMarker"]}


def _create(wafv2: Any, name: str, per_minute: int, stage: str) -> None:
    created = wafv2.create_web_acl(
        Name=name,
        Scope="REGIONAL",
        DefaultAction={"Allow": {}},
        Rules=_rules(per_minute),
        VisibilityConfig=_visible(name),
        CustomResponseBodies=_bodies(),
    )
    _put_in_front(wafv2, created["Summary"]["ARN"], stage)


def _update(wafv2: Any, name: str, per_minute: int, id: str) -> None:
    """Our rules as they should be, everything else as it is. Its lock token has a change in between refused."""
    read = wafv2.get_web_acl(Name=name, Scope="REGIONAL", Id=id)
    acl = read["WebACL"]
    theirs = [rule for rule in acl["Rules"] if rule["Name"] not in OURS]
    wafv2.update_web_acl(
        Name=name,
        Scope="REGIONAL",
        Id=id,
        LockToken=read["LockToken"],
        DefaultAction=acl["DefaultAction"],
        Rules=[
            *theirs,
            *_rules(per_minute, taken={rule["Priority"] for rule in theirs}),
        ],
        VisibilityConfig=acl["VisibilityConfig"],
        CustomResponseBodies=acl.get("CustomResponseBodies", {}) | _bodies(),
    )


def _put_in_front(wafv2: Any, acl: str, stage: str) -> None:
    """A web ACL that was made a moment ago is not known everywhere yet."""
    patiently(
        lambda: wafv2.associate_web_acl(WebACLArn=acl, ResourceArn=stage),
        until_no=wafv2.exceptions.WAFUnavailableEntityException,
    )


def _bodies() -> dict[str, Any]:
    type, status, _ = ANSWERS["THROTTLED"]
    body = {"type": type, "title": TITLES[type], "status": status}
    return {
        "throttled": {"ContentType": "APPLICATION_JSON", "Content": json.dumps(body)}
    }


def _rules(per_minute: int, *, taken: set[int] | None = None) -> list[dict[str, Any]]:
    token = {
        "Header": {
            "Name": "authorization",
            "TextTransformations": [{"Priority": 0, "Type": "NONE"}],
        }
    }
    keys: list[dict[str, Any]] = [
        {"Limit": per_minute, "AggregateKeyType": "CUSTOM_KEYS", "CustomKeys": [token]},
        {"Limit": per_minute * VIEWERS_AT_AN_ADDRESS, "AggregateKeyType": "IP"},
    ]
    refusal = {
        "ResponseCode": ANSWERS["THROTTLED"][1],
        "CustomResponseBodyKey": "throttled",
        "ResponseHeaders": [
            {"Name": "Retry-After", "Value": str(WINDOW_SECONDS)},
            # No cookie is looked at here, so any origin's player may read how long to wait.
            {"Name": "Access-Control-Allow-Origin", "Value": "*"},
            {"Name": "Access-Control-Expose-Headers", "Value": "Retry-After"},
        ],
    }
    free = (priority for priority in range(1000) if priority not in (taken or ()))
    return [
        {
            "Name": name,
            "Priority": next(free),
            "Statement": {
                "RateBasedStatement": key | {"EvaluationWindowSec": WINDOW_SECONDS}
            },
            "Action": {"Block": {"CustomResponse": refusal}},
            "VisibilityConfig": _visible(name),
        }
        for name, key in zip(OURS, keys, strict=True)
    ]


def _visible(name: str) -> dict[str, Any]:
    """Counted in CloudWatch; no request is kept as a sample, since it would be kept with its token."""
    return {
        "SampledRequestsEnabled": False,
        "CloudWatchMetricsEnabled": True,
        "MetricName": name,
    }
