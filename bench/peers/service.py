"""This service, through Zappa's own entry point."""

import sys
import types

settings = types.ModuleType("zappa_settings")
settings.__dict__.update(
    API_STAGE="test",
    APP_MODULE="streams_project.wsgi",
    APP_FUNCTION="application",
    BASE_PATH=None,
    BINARY_SUPPORT=True,
    COGNITO_TRIGGER_MAPPING={},
    CONTEXT_HEADER_MAPPINGS={},
    DEBUG=False,
    DJANGO_SETTINGS="streams_project.settings",
    DOMAIN=None,
    ENVIRONMENT_VARIABLES={},
    EXCEPTION_HANDLER=None,
    LOG_LEVEL="INFO",
    PROJECT_NAME="streams",
)
sys.modules.setdefault("zappa_settings", settings)

from zappa.handler import lambda_handler  # noqa: E402

__all__ = ["lambda_handler"]
