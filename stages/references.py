"""References to secrets in AWS: `ssm:NAME` and `secretsmanager:NAME`.

The service resolves them once, at start-up. The tools resolve them with the operator's
credentials, so that a missing or invalid secret is found before an upload. The
function's role may read these secrets and no others.
"""

from collections.abc import Callable, Mapping
from typing import Any

from click import ClickException
from django.core.exceptions import ImproperlyConfigured

from streams_project.references import PREFIXES, resolved


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


def secret_arns(
    environment: Mapping[str, str], *, region: str, account: str
) -> set[str]:
    """Return the ARNs of the secrets that the variables refer to."""
    references = [value for value in environment.values() if value.startswith(PREFIXES)]
    return {_arn(reference, region, account) for reference in references}


def _arn(reference: str, region: str, account: str) -> str:
    """Return the ARN of a secret. AWS appends a dash and six characters to its name."""
    service, _, key = reference.partition(":")
    if key.startswith("arn:"):
        return key
    if service == "ssm":
        resource = f"parameter/{key.lstrip('/')}"
    else:
        resource = f"secret:{key}-??????"
    return f"arn:aws:{service}:{region}:{account}:{resource}"
