"""The Lambda's entry point: Zappa's own, without boto3.

Zappa's handler imports boto3 for what it does at deployment; loading it is a third of a cold start, and no request
needs it. The name is there, and the real one is loaded the first time something asks for a session."""

import importlib
import sys
import types
from typing import Any


def _session(*arguments: Any, **options: Any) -> Any:
    del sys.modules["boto3"]
    return importlib.import_module("boto3").Session(*arguments, **options)


if "boto3" not in sys.modules:
    placeholder = types.ModuleType("boto3")
    placeholder.Session = _session  # type: ignore[attr-defined]
    sys.modules["boto3"] = placeholder

from zappa.handler import lambda_handler  # noqa: E402

__all__ = ["lambda_handler"]
