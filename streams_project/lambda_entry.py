"""The Lambda's entry point: Zappa's own, without what no request needs.

A quarter of a cold start would go into modules that are imported only because others mention them. In their place stand
modules that hold just the names that are mentioned; calling one loads the real module."""

import importlib
import sys
import types
from typing import Any


def _put_off(module: str, **names: Any) -> None:
    """Have a module stand for the real one, unless that is there already."""
    placeholder = types.ModuleType(module)
    placeholder.__dict__.update(names)
    sys.modules.setdefault(module, placeholder)


def _real(module: str, name: str) -> Any:
    """Calls a name of the real module."""

    def call(*arguments: Any, **options: Any) -> Any:
        sys.modules.pop(module)
        return getattr(importlib.import_module(module), name)(*arguments, **options)

    return call


class _NoSchema:
    """In each view's place for its schema, which no request asks for: the API's document is made beforehand."""


_put_off("boto3", Session=_real("boto3", "Session"))  # what Zappa's handler does beside requests
_put_off("werkzeug.serving", run_simple=_real("werkzeug.serving", "run_simple"))  # a development server
_put_off("rest_framework.schemas", DefaultSchema=_NoSchema)  # with parts of Django's admin

from zappa.handler import lambda_handler  # noqa: E402

__all__ = ["lambda_handler"]
