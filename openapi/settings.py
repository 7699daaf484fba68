"""The settings of the service, with those of drf-spectacular."""

from streams import __version__
from streams_project.settings import *  # noqa: F403
from streams_project.settings import INSTALLED_APPS, REST_FRAMEWORK

INSTALLED_APPS = [*INSTALLED_APPS, "drf_spectacular"]
REST_FRAMEWORK = REST_FRAMEWORK | {
    "DEFAULT_SCHEMA_CLASS": "openapi.schema.Schema",
}
AUTHENTICATION_CLASSES = [  # both, regardless of this process
    "streams.authentication.BearerAuthentication",
    "streams.authentication.ApiKeyAuthentication",
]
SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.0",
    "TITLE": "Concurrent-stream limits",
    "DESCRIPTION": (
        "Decides whether a user may watch one more stream, and enforces the limit of "
        "concurrent streams."
    ),
    "VERSION": __version__,
    "LICENSE": {
        "name": "Apache 2.0",
        "url": "https://www.apache.org/licenses/LICENSE-2.0",
    },
    "CONTACT": {"name": "The operators of this deployment"},
    "SERVERS": [{"url": "/"}],  # the service writes its own prefix into its answer
    "TAGS": [
        {"name": "Streams", "description": "Start, renew and stop streams."},
        {
            "name": "Limit",
            "description": "Limits and plans of users, for operators.",
        },
        {
            "name": "Tickets",
            "description": "Credentials for URLs that cannot carry a bearer token.",
        },
        {"name": "CMCD", "description": "For players that report by CMCD."},
        {"name": "Edge", "description": "For CDNs, origins and licence servers."},
        {"name": "Health", "description": "For monitoring."},
    ],
    "PREPROCESSING_HOOKS": ["openapi.hooks.select_endpoints"],
    "POSTPROCESSING_HOOKS": ["openapi.hooks.finish"],
    "SORT_OPERATIONS": False,
    "SORT_OPERATION_PARAMETERS": False,
    "ENFORCE_NON_BLANK_FIELDS": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
}
