"""Django and REST framework by themselves.

A view does the bare handler's work behind this service's middlewares, and sends its
calls through this service's model and transport. It reads no bearer token, validates no
field and issues no lease token.
"""

from bench.peers import zappa_settings_of

zappa_settings_of.install(DJANGO_SETTINGS="bench.peers.frameworks.settings")
from streams_project.lambda_entry import lambda_handler  # noqa: E402

__all__ = ["lambda_handler"]
