"""The peers: the same three verbs, written in other ways.

Each module has a `lambda_handler`.
"""

from typing import NamedTuple

NAMES = {
    "bare": "bare boto3",
    "service": "this service",
    "service-without-origin": "this service, called by an app",
    "service-botocore": "this service over botocore",
    "frameworks": "Django and REST framework alone",
    "powertools": "Powertools",
    "fastapi_mangum": "FastAPI + Mangum",
    "flask_zappa": "Flask + Zappa",
}


class Variant(NamedTuple):
    """A module that runs in the package of a peer, with more variables."""

    package: str
    module: str
    environment: dict[str, str] = {}  # noqa: RUF012


VARIANTS = {
    "service-without-origin": Variant(
        package="service",
        module="service",
        environment={"WITHOUT_ORIGIN": "1"},
    ),
    "service-botocore": Variant(
        package="service",
        module="service",
        environment={"DYNAMODB_TRANSPORT": "botocore"},
    ),
    "frameworks": Variant(package="service", module="frameworks"),
}
"""Variants are measured warm only."""
MODULES = [name for name in NAMES if name not in VARIANTS]
