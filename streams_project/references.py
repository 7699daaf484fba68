"""Settings that AWS keeps: `ssm:NAME` is a parameter's value, `secretsmanager:NAME` a secret's.

They are read once, when the process starts, so that a new value is taken by publishing a new version.
"""

from collections.abc import Callable, Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured

PREFIXES = ("ssm:", "secretsmanager:")


def resolved(
    environment: Mapping[str, str], client: Callable[[str], Any] | None = None
) -> dict[str, str]:
    """The values of the variables that are references; AWS is asked for nothing where none is. `client` gives a client
    of a service. Raises `ImproperlyConfigured`."""
    references = {
        name: value for name, value in environment.items() if value.startswith(PREFIXES)
    }
    return {
        name: _value(name, reference, client or _client)
        for name, reference in references.items()
    }


def _client(service: str) -> Any:
    import botocore.session

    return botocore.session.get_session().create_client(service)


def _value(name: str, reference: str, client: Callable[[str], Any]) -> str:
    from botocore.exceptions import BotoCoreError, ClientError

    service, _, key = reference.partition(":")
    try:
        if service == "ssm":
            return str(
                client(service).get_parameter(Name=key, WithDecryption=True)[
                    "Parameter"
                ]["Value"]
            )
        return str(client(service).get_secret_value(SecretId=key)["SecretString"])
    except (BotoCoreError, ClientError, KeyError) as exc:
        raise ImproperlyConfigured(
            f"{name} is {reference}, which cannot be read: {exc}. Check that it is there, in this account and region, "
            "and that these credentials may read it."
        ) from exc
