"""This service with every feature on.

Viewers' bearer tokens, security headers, CORS, problems, logs and metrics.
"""

from bench.peers import zappa_settings_of

zappa_settings_of.install(DJANGO_SETTINGS="streams_project.settings")
from streams_project.lambda_entry import lambda_handler  # noqa: E402

__all__ = ["lambda_handler"]
