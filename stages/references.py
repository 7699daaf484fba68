"""References to secrets in AWS: `ssm:NAME` and `secretsmanager:NAME`.

The service resolves them once, at start-up. The tools resolve them with the operator's
credentials, so that a missing or invalid secret is found before an upload. The
function's role may read these secrets and no others.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from click import ClickException
from django.core.exceptions import ImproperlyConfigured

from streams_project.references import PREFIXES, resolved

READ_ACTIONS = {
    "ssm": "ssm:GetParameter",
    "secretsmanager": "secretsmanager:GetSecretValue",
}


def resolve(
    environment: Mapping[str, str], client: Callable[[str], Any]
) -> dict[str, str]:
    """Return the variables that are references, with the values of their secrets.

    `client` returns a boto3 client of a service.

    Raises:
        ClickException: a secret cannot be read.
    """
    try:
        return resolved(environment, client)
    except ImproperlyConfigured as exc:
        raise ClickException(str(exc)) from exc


def statements(
    environment: Mapping[str, str], *, region: str, account: str
) -> list[dict[str, Any]]:
    """Return the IAM statements that allow the function to read its secrets."""
    resources: dict[str, set[str]] = defaultdict(set)
    for value in environment.values():
        if value.startswith(PREFIXES):
            service, _, key = value.partition(":")
            resources[service].add(_arn(service, key, region, account))

    return [
        {
            "Sid": f"ItsSecretsIn{service.title()}",
            "Effect": "Allow",
            "Action": [READ_ACTIONS[service]],
            "Resource": sorted(arns),
        }
        for service, arns in resources.items()
    ]


def _arn(service: str, key: str, region: str, account: str) -> str:
    """Return the ARN of a secret. AWS appends a dash and six characters to its name."""
    if key.startswith("arn:"):
        return key
    if service == "ssm":
        resource = f"parameter/{key.lstrip('/')}"
    else:
        resource = f"secret:{key}-??????"
    return f"arn:aws:{service}:{region}:{account}:{resource}"
