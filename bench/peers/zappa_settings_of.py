"""The settings module that Zappa writes at deployment."""

import sys
import types


def install(**application: str) -> None:
    """Configure the application that Zappa's handler serves.

    `application` is `APP_MODULE` and `APP_FUNCTION` for a WSGI application, or
    `DJANGO_SETTINGS` for a Django project.
    """
    settings = types.ModuleType("zappa_settings")
    settings.__dict__.update(
        API_STAGE="test",
        BASE_PATH=None,
        BINARY_SUPPORT=False,
        COGNITO_TRIGGER_MAPPING={},
        CONTEXT_HEADER_MAPPINGS={},
        DEBUG=False,
        DOMAIN=None,
        ENVIRONMENT_VARIABLES={},
        EXCEPTION_HANDLER=None,
        LOG_LEVEL="WARNING",
        PROJECT_NAME="bench",
        **{"DJANGO_SETTINGS": None, **application},
    )
    sys.modules["zappa_settings"] = settings
