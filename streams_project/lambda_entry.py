"""The Lambda's entry point: Zappa's own, with the application loaded when this module is imported.

So Lambda's initialisation loads everything, and a SnapStart snapshot holds it."""

import os
from typing import Any

os.environ.setdefault("INSTANTIATE_LAMBDA_HANDLER_ON_IMPORT", "1")

from zappa.handler import lambda_handler as zappas_handler


def lambda_handler(event: dict[str, Any], context: object) -> Any:
    """Answer an event. Headers with an underscore in their name are dropped, as every WSGI server does that tells
    `X_API_Key` from `X-API-Key`: behind WSGI nothing can."""
    for kind in ("headers", "multiValueHeaders"):
        if event.get(kind):
            event[kind] = {name: value for name, value in event[kind].items() if "_" not in name}
    return zappas_handler(event, context)
