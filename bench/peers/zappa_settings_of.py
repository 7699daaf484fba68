"""The settings module that Zappa writes at deployment, for a WSGI application."""

import sys
import types


def install(module: str, function: str) -> None:
    """Have Zappa's handler serve this application."""
    settings = types.ModuleType("zappa_settings")
    settings.__dict__.update(
        API_STAGE="test",
        APP_MODULE=module,
        APP_FUNCTION=function,
        BASE_PATH=None,
        BINARY_SUPPORT=False,
        COGNITO_TRIGGER_MAPPING={},
        CONTEXT_HEADER_MAPPINGS={},
        DEBUG=False,
        DJANGO_SETTINGS=None,
        DOMAIN=None,
        ENVIRONMENT_VARIABLES={},
        EXCEPTION_HANDLER=None,
        LOG_LEVEL="WARNING",
        PROJECT_NAME="bench",
    )
    sys.modules["zappa_settings"] = settings
