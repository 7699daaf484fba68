"""The service's settings, and what drf-spectacular needs beside them to read the service's code."""

from streams import __version__
from streams_project.settings import *  # noqa: F403
from streams_project.settings import INSTALLED_APPS, REST_FRAMEWORK

INSTALLED_APPS = [*INSTALLED_APPS, "drf_spectacular"]
REST_FRAMEWORK = REST_FRAMEWORK | {
    "DEFAULT_SCHEMA_CLASS": "openapi.schema.Schema",
    "DEFAULT_AUTHENTICATION_CLASSES": [  # either, however this process is configured
        "streams.authentication.BearerAuthentication",
        "streams.authentication.ApiKeyAuthentication",
    ],
}
SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.0",
    "TITLE": "Concurrent-stream limits",
    "DESCRIPTION": "May this user watch one more stream now? Nobody ever holds more than their limit.",
    "VERSION": __version__,
    "SERVERS": [{"url": "."}],  # beside the document, wherever the service is mounted
    "TAGS": [
        {"name": "Streams", "description": "For players: start, keep alive, stop."},
        {
            "name": "Limit",
            "description": "How many streams a user may hold. For operators.",
        },
        {"name": "Edge", "description": "For CDNs, origins and licence servers."},
        {"name": "Health", "description": "For what watches the service."},
    ],
    "PREPROCESSING_HOOKS": ["openapi.operations.endpoints"],
    "POSTPROCESSING_HOOKS": ["openapi.schema.tidied"],
    "SORT_OPERATIONS": False,
    "SORT_OPERATION_PARAMETERS": False,
    "ENFORCE_NON_BLANK_FIELDS": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
}
