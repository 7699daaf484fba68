"""The settings module that Zappa writes at deployment."""

import sys
import types


def install(module: str, function: str, django_settings: str | None = None) -> None:
    """Have Zappa's handler serve this application, or the Django project with these settings."""
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
        DJANGO_SETTINGS=django_settings,
        DOMAIN=None,
        ENVIRONMENT_VARIABLES={},
        EXCEPTION_HANDLER=None,
        LOG_LEVEL="WARNING",
        PROJECT_NAME="bench",
    )
    sys.modules["zappa_settings"] = settings
