"""Variables whose values AWS stores.

`ssm:NAME` is the value of a parameter, `secretsmanager:NAME` that of a secret. They
are read once, when the process starts, so a new value needs a new version.
"""

from collections.abc import Callable, Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured

PREFIXES = ("ssm:", "secretsmanager:")

type ClientOf = Callable[[str], Any]


def resolved(
    environment: Mapping[str, str], client_of: ClientOf | None = None
) -> dict[str, str]:
    """Return the values of the variables that are references.

    AWS is called only if there are references. `client_of` returns the client of a
    service.

    Raises:
        ImproperlyConfigured: a value cannot be read.
    """
    client_of = client_of or _client
    return {
        name: _value(name, value, client_of)
        for name, value in environment.items()
        if value.startswith(PREFIXES)
    }


def _client(service: str) -> Any:
    import botocore.session

    return botocore.session.get_session().create_client(service)


def _value(name: str, reference: str, client_of: ClientOf) -> str:
    from botocore.exceptions import BotoCoreError, ClientError

    service, _, key = reference.partition(":")
    try:
        if service == "ssm":
            answer = client_of(service).get_parameter(Name=key, WithDecryption=True)
            return str(answer["Parameter"]["Value"])
        return str(client_of(service).get_secret_value(SecretId=key)["SecretString"])
    except (BotoCoreError, ClientError, KeyError) as exc:
        raise ImproperlyConfigured(
            f"{name} refers to {reference}, which cannot be read: {exc}. Check that it "
            "exists in this account and region, and that the credentials permit "
            "reading it."
        ) from exc
