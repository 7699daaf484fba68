"""The settings module that Zappa writes at deployment."""

import sys
import types


def install(**application: str) -> None:
    """Have Zappa's handler serve a WSGI application (`APP_MODULE`, `APP_FUNCTION`) or a Django project
    (`DJANGO_SETTINGS`)."""
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
