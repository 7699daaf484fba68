"""What one viewer may send: AWS WAF in front of the API. Idempotent; nothing is deleted.

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

from rest_framework.exceptions import Throttled

from deploy.steps import Step, patiently
from streams.problems import PROBLEMS, body_of

WINDOW_SECONDS = 60
VIEWERS_AT_AN_ADDRESS = 100
"""A household, an office and a mobile network's gateway are one address each."""
LEAST = 10
"""The lowest limit that WAF takes."""


def plan_viewers(per_minute: int, *, name: str, api_id: str, api_stage: str, region: str, wafv2: Any) -> Iterator[Step]:
    """What differs from what is there. `wafv2` is a boto3 client. Raises `LookupError` when the API has a web ACL of
    somebody else's already, since it takes only one."""
    if per_minute < LEAST:
        raise LookupError(f"AWS WAF takes no limit under {LEAST} requests a minute: --viewer-rate is {per_minute}.")
    stage = f"arn:aws:apigateway:{region}::/restapis/{api_id}/stages/{api_stage}"
    in_front = _in_front(wafv2, stage)
    if in_front is not None and in_front["Name"] != name:
        raise LookupError(f"The API has the web ACL {in_front['Name']} already. Add a rate-based rule there.")
    found = _find(wafv2, name)
    limits = f"let a viewer send {per_minute} requests a minute, an address {per_minute * VIEWERS_AT_AN_ADDRESS}"
    if found is None:
        yield Step(limits, partial(_create, wafv2, name, per_minute, stage))
        return
    acl = wafv2.get_web_acl(Name=name, Scope="REGIONAL", Id=found["Id"])["WebACL"]
    if acl["Rules"] != _rules(per_minute):
        yield Step(limits, partial(_update, wafv2, name, per_minute, found["Id"]))
    if in_front is None:
        yield Step(f"put {name} in front of the API", partial(_put_in_front, wafv2, found["ARN"], stage))


def _in_front(wafv2: Any, stage: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] | None = wafv2.get_web_acl_for_resource(ResourceArn=stage).get("WebACL")
    except wafv2.exceptions.WAFNonexistentItemException:
        return None
    return found


def _find(wafv2: Any, name: str) -> dict[str, Any] | None:
    marker: dict[str, str] = {}
    while True:
        page = wafv2.list_web_acls(Scope="REGIONAL", Limit=100, **marker)
        found = next((acl for acl in page["WebACLs"] if acl["Name"] == name), None)
        if found or not page.get("NextMarker"):
            return found
        marker = {"NextMarker": page["NextMarker"]}


def _create(wafv2: Any, name: str, per_minute: int, stage: str) -> None:
    created = wafv2.create_web_acl(Name=name, Scope="REGIONAL", **_settings(name, per_minute))
    _put_in_front(wafv2, created["Summary"]["ARN"], stage)


def _update(wafv2: Any, name: str, per_minute: int, id: str) -> None:
    token = wafv2.get_web_acl(Name=name, Scope="REGIONAL", Id=id)["LockToken"]
    wafv2.update_web_acl(Name=name, Scope="REGIONAL", Id=id, LockToken=token, **_settings(name, per_minute))


def _put_in_front(wafv2: Any, acl: str, stage: str) -> None:
    """A web ACL that was made a moment ago is not known everywhere yet."""
    patiently(
        lambda: wafv2.associate_web_acl(WebACLArn=acl, ResourceArn=stage),
        until_no=wafv2.exceptions.WAFUnavailableEntityException,
    )


def _settings(name: str, per_minute: int) -> dict[str, Any]:
    return {
        "DefaultAction": {"Allow": {}},
        "Rules": _rules(per_minute),
        "VisibilityConfig": _visible(name),
        "CustomResponseBodies": {
            "throttled": {"ContentType": "APPLICATION_JSON", "Content": json.dumps(body_of(PROBLEMS[Throttled]))}
        },
    }


def _rules(per_minute: int) -> list[dict[str, Any]]:
    # The service takes `bearer` in any case, and no other difference in spelling.
    token = {"Header": {"Name": "authorization", "TextTransformations": [{"Priority": 0, "Type": "LOWERCASE"}]}}
    keys: list[dict[str, Any]] = [
        {"Limit": per_minute, "AggregateKeyType": "CUSTOM_KEYS", "CustomKeys": [token]},
        {"Limit": per_minute * VIEWERS_AT_AN_ADDRESS, "AggregateKeyType": "IP"},
    ]
    refusal = {
        "ResponseCode": PROBLEMS[Throttled].status,
        "CustomResponseBodyKey": "throttled",
        "ResponseHeaders": [
            {"Name": "Retry-After", "Value": str(WINDOW_SECONDS)},
            # No cookie is looked at here, so any origin's player may read how long to wait.
            {"Name": "Access-Control-Allow-Origin", "Value": "*"},
            {"Name": "Access-Control-Expose-Headers", "Value": "Retry-After"},
        ],
    }
    return [
        {
            "Name": name,
            "Priority": priority,
            "Statement": {"RateBasedStatement": key | {"EvaluationWindowSec": WINDOW_SECONDS}},
            "Action": {"Block": {"CustomResponse": refusal}},
            "VisibilityConfig": _visible(name),
        }
        for priority, (name, key) in enumerate(zip(("one-viewer", "one-address"), keys, strict=True))
    ]


def _visible(name: str) -> dict[str, Any]:
    """Counted in CloudWatch; no request is kept as a sample, since it would be kept with its token."""
    return {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": True, "MetricName": name}
