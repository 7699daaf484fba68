"""Secrets that AWS keeps, and settings name: `ssm:NAME`, `secretsmanager:NAME`.

The service resolves them once, when it starts; here they are resolved with the credentials of whoever deploys, so that
one that is missing, or unfit, is found before anything is uploaded. The function's role may read these and no others.
"""

from collections.abc import Callable, Mapping
from typing import Any

from click import ClickException
from django.core.exceptions import ImproperlyConfigured

from streams_project.references import PREFIXES, resolved


def resolve(
    environment: Mapping[str, str], client: Callable[[str], Any]
) -> dict[str, str]:
    """The values of those that are references. `client` gives a boto3 client of a service. Raises `ClickException`."""
    try:
        return resolved(environment, client)
    except ImproperlyConfigured as exc:
        raise ClickException(str(exc)) from exc


def statements(
    environment: Mapping[str, str], *, region: str, account: str
) -> list[dict[str, Any]]:
    """What the function's role has to be allowed, to resolve them."""
    actions = {
        "ssm": "ssm:GetParameter",
        "secretsmanager": "secretsmanager:GetSecretValue",
    }
    resources: dict[str, set[str]] = {}
    for value in environment.values():
        if value.startswith(PREFIXES):
            service, _, key = value.partition(":")
            resources.setdefault(service, set()).add(
                _arn(service, key, region, account)
            )
    return [
        {
            "Sid": f"ItsSecretsIn{service.title()}",
            "Effect": "Allow",
            "Action": [actions[service]],
            "Resource": sorted(arns),
        }
        for service, arns in resources.items()
    ]


def _arn(service: str, key: str, region: str, account: str) -> str:
    """AWS adds a dash and six characters to a secret's name."""
    if key.startswith("arn:"):
        return key
    resource = (
        f"parameter/{key.lstrip('/')}" if service == "ssm" else f"secret:{key}-??????"
    )
    return f"arn:aws:{service}:{region}:{account}:{resource}"
