"""Conditions of PublishVersion, which the emulator's Lambda ignores."""

from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import lambda_svc

publish_version = lambda_svc._publish_version


def register() -> None:
    """Let the emulator compare code and revision before it publishes a version."""
    lambda_svc._publish_version = _publish_on_condition


def _publish_on_condition(name: str, request: dict[str, Any]) -> Any:
    function = lambda_svc._functions.get(name)
    if function is None:
        return publish_version(name, request)

    configuration = function["config"]
    refusal = lambda_svc._check_revision(configuration, request)
    if refusal is not None:
        return refusal
    code = request.get("CodeSha256", configuration["CodeSha256"])
    if code != configuration["CodeSha256"]:
        return error_response_json(
            "InvalidParameterValueException",
            f"CodeSHA256 ({code}) is different from current CodeSHA256 in $LATEST "
            f"({configuration['CodeSha256']}).",
            400,
        )
    return publish_version(name, request)
