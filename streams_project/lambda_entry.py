"""The Lambda's entry point: Zappa's own, with the application loaded when this module is imported.

So Lambda's initialisation loads everything, and a SnapStart snapshot holds it."""

import os

os.environ.setdefault("INSTANTIATE_LAMBDA_HANDLER_ON_IMPORT", "1")

from zappa.handler import lambda_handler

__all__ = ["lambda_handler"]
