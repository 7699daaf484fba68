"""Settings of Zappa that a stage cannot have, each with the reason and a remedy.

They would send traffic to a version that no check has seen, need rights that the
function's role does not have, or change answers that the service promises.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from stages import ALIAS, Stage

PAST_THE_ALIAS = (
    f"goes past the alias `{ALIAS}`, to versions that have not been checked"
)
PAST_THE_CHECKS = (
    "is read when the function starts, past every check: ssm:NAME names a secret"
)
NO_RIGHTS = (
    "needs rights to network interfaces, which the role's boundary denies. The service "
    "reaches DynamoDB without it"
)
WRITES_THE_ROLE = "needs Zappa's own role: set managed_policies in the stage's file"
NO_TASKS = "is for asynchronous tasks, and the service has none"
REFUSES_PLAYERS = (
    "would refuse players and browsers. Back ends get keys by [[consumers]]"
)
OTHER_CODE = "runs code that is not in the checked package"

REFUSED: Mapping[str, str] = {
    "alb_enabled": PAST_THE_ALIAS,
    "docker_image_uri": PAST_THE_ALIAS,
    "function_url_enabled": PAST_THE_ALIAS,
    "slim_handler": PAST_THE_ALIAS,
    "events": f"{PAST_THE_ALIAS}. The service has no scheduled work",
    "keep_warm": f"{PAST_THE_ALIAS}, and keeps one instance warm: set it to false",
    "cognito": PAST_THE_ALIAS,
    "bot_events": PAST_THE_ALIAS,
    "remote_env": PAST_THE_CHECKS,
    "remote_env_bucket": PAST_THE_CHECKS,
    "remote_env_file": PAST_THE_CHECKS,
    "layers": OTHER_CODE,
    "exception_handler": OTHER_CODE,
    "attach_policy": WRITES_THE_ROLE,
    "extra_permissions": WRITES_THE_ROLE,
    "role_arn": "names another role than the stack's: role_name renames that one",
    "vpc_config": NO_RIGHTS,
    "efs_config": NO_RIGHTS,
    "async_source": NO_TASKS,
    "async_response_table": NO_TASKS,
    "dead_letter_arn": NO_TASKS,
    "api_key_required": REFUSES_PLAYERS,
    "authorizer": REFUSES_PLAYERS,
    "iam_authorization": REFUSES_PLAYERS,
    "cors": "answers preflight requests before the service: set CORS_ALLOWED_ORIGINS",
    "websocket_handler_module": "is for WebSockets, and the service has none",
    "cache_cluster_enabled": "would answer one viewer with the answer of another",
    "cloudwatch_data_trace": "would write players' tokens into the log",
    "lets_encrypt_key": "is not supported: set certificate_arn, of ACM in us-east-1",
    "certificate": "is not supported: set certificate_arn, of ACM in us-east-1",
}
"""Settings that must be absent or false."""

DEFAULTS = {"keep_warm": True}
"""Settings that Zappa turns on if the stage does not name them."""


def refused_settings(stage: Stage) -> Iterator[str]:
    """Yield each setting of the stage that is refused, with the reason."""
    settings = stage.settings
    for name, reason in REFUSED.items():
        if settings.get(name, DEFAULTS.get(name)):
            yield f"{name} {reason}. Remove it."

    yield from _gateway_problems(settings)
    yield from _snapshot_problems(settings)
    yield from _domain_problems(stage)


def _gateway_problems(settings: Mapping[str, Any]) -> Iterator[str]:
    if not (
        settings.get("apigateway_enabled", True)
        and settings.get("use_apigateway", True)
    ):
        yield "Without an API no caller reaches the service: remove apigateway_enabled."
    if settings.get("apigateway_lambda_qualifier") != ALIAS:
        yield (
            "API Gateway must invoke the alias: set "
            f'"apigateway_lambda_qualifier": "{ALIAS}".'
        )
    if settings.get("apigateway_version", "v1") != "v1":
        yield (
            "An HTTP API has no throttling for each key, no web ACL and no custom "
            "answers: use a REST API (v1)."
        )
    if settings.get("touch", True):
        yield (
            "Zappa would call the API before the alias exists: set "
            '"touch": false. Each version is checked.'
        )


def _snapshot_problems(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield settings that AWS does not combine with SnapStart."""
    if settings.get("snap_start", "None") == "None":
        return
    if settings.get("provisioned_concurrency") is not None:
        yield (
            "SnapStart and provisioned concurrency exclude each other: set "
            '"snap_start": "None", or remove provisioned_concurrency.'
        )
    storage = settings.get("ephemeral_storage") or {}
    if storage.get("Size", 512) > 512:
        yield "SnapStart allows 512 MB of ephemeral_storage: remove it."


def _domain_problems(stage: Stage) -> Iterator[str]:
    """Yield why `zappa certify` would fail, or the domain would answer 400."""
    domain = stage.settings.get("domain")
    if not domain:
        return
    arn = str(stage.settings.get("certificate_arn", ""))
    if ":us-east-1:" not in arn:
        yield (
            f"The domain {domain} needs certificate_arn, a certificate of ACM in "
            "us-east-1: API Gateway serves it from CloudFront."
        )
    hosts = [
        host.strip() for host in stage.environment.get("ALLOWED_HOSTS", "").split(",")
    ]
    if not any(_matches(domain, host) for host in hosts):
        yield f"ALLOWED_HOSTS lacks the domain {domain}: each call there would get 400."


def _matches(domain: str, host: str) -> bool:
    return domain == host or (host.startswith(".") and domain.endswith(host))
