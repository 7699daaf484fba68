"""What Django and REST framework take by themselves: the bare handler's work in a view of theirs, behind this service's
middlewares, its calls through this service's model and transport. No bearer token is read, nothing is validated, no
lease token is made."""

from bench.peers import zappa_settings_of

zappa_settings_of.install(DJANGO_SETTINGS="bench.peers.frameworks.settings")
from streams_project.lambda_entry import lambda_handler  # noqa: E402

__all__ = ["lambda_handler"]
