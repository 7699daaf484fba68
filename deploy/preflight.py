"""What would go wrong with a deployment, found before Zappa starts, with what to do about it."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deploy.stage import PROJECT, wrong_settings

LAMBDA_NAME_AT_MOST = 64


def stage_of(name: str, path: Path = PROJECT / "zappa_settings.json") -> dict[str, Any]:
    """The settings of a stage with those it extends, as Zappa merges them. Raises `KeyError`."""
    stages = json.loads(path.read_text())
    stage = stages[name]
    return {**(stage_of(stage["extends"], path) if "extends" in stage else {}), **stage}


def problems(name: str, stage: Mapping[str, Any], environment: Mapping[str, str], session: Any) -> Iterator[str]:
    """Everything that stands in the way of `zappa deploy`, one line each. `session` is a boto3 session."""
    region, bucket = stage.get("aws_region"), stage.get("s3_bucket", "")
    function = f"{stage.get('project_name', '')}-{name}"
    if not region:
        yield "No region: set aws_region in zappa_settings.json."
    if len(function) > LAMBDA_NAME_AT_MOST:
        yield (
            f"The function would be named {function}, {len(function)} characters of at most {LAMBDA_NAME_AT_MOST}: "
            "shorten project_name or the stage's name."
        )
    if "CHANGE-ME" in bucket or not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", bucket):
        yield f"The bucket {bucket!r} is not one: set s3_bucket to a name of your own (3 to 63 of a-z 0-9 . -)."
    hosts = stage.get("environment_variables", {}).get("ALLOWED_HOSTS", "")
    elsewhere = set(re.findall(r"execute-api\.([a-z0-9-]+)\.amazonaws\.com", hosts)) - {region}
    if region and elsewhere:
        yield (
            f"ALLOWED_HOSTS names API Gateway of {', '.join(sorted(elsewhere))}, but the stage is in {region}: "
            f"set it to .execute-api.{region}.amazonaws.com, or every call is refused."
        )
    if wrong := wrong_settings({**stage.get("environment_variables", {}), **environment}):
        yield f"The service would not start: {wrong}"
    yield from _account_problems(session, region, bucket, stage.get("aws_endpoint_urls", {}))


def _account_problems(session: Any, region: str | None, bucket: str, endpoints: Mapping[str, str]) -> Iterator[str]:
    try:
        session.client("sts", region_name=region, endpoint_url=endpoints.get("sts")).get_caller_identity()
    except (BotoCoreError, ClientError) as exc:
        yield f"No AWS credentials that work ({exc}): set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        return
    try:
        session.client("s3", region_name=region, endpoint_url=endpoints.get("s3")).head_bucket(Bucket=bucket)
    except ClientError as exc:
        if exc.response["Error"]["Code"] in ("403", "301"):
            yield f"The bucket {bucket} is somebody else's, or in another region: set s3_bucket to another name."
    except BotoCoreError:
        return  # a name that is no bucket's, which is said already
