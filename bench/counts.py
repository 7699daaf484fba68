"""How many functions, Python's and C's, one warm request of each verb calls: the same on every machine.

python -m bench.counts   in a process of its own, with `PYTHONHASHSEED` fixed: `{verb: {function: calls}}` as JSON
"""

import gc
import json
import os
import socket
import sys
from collections import Counter
from typing import Any

from bench.scene import TABLE, VERBS, Handler, connect, staged

REQUESTS = 20
"""The one with the fewest calls counts: chance (a drawn number, a closed connection) can only add some."""


def count() -> dict[str, Counter[str]]:
    """The calls of each verb, by function, in the leanest of its requests."""
    from bench.peers.service import lambda_handler

    client = connect(os.environ["DYNAMODB_ENDPOINT"])
    found = {}
    gc.disable()  # or what it collects is counted where it happens to strike
    for verb, status in VERBS.items():
        with staged(verb, REQUESTS, lambda_handler, client, table=os.environ.get("DYNAMODB_TABLE", TABLE)) as requests:
            found[verb] = min((_calls(lambda_handler, request, status) for request in requests), key=Counter.total)
    return found


def _calls(handler: Handler, request: dict[str, Any], status: int) -> Counter[str]:
    calls: Counter[str] = Counter()

    def note(frame: Any, event: str, argument: Any) -> None:
        code = frame.f_code
        if code.co_filename == socket.__file__:  # how often it reads is the network's to say
            return
        if event == "call":
            calls[f"{frame.f_globals.get('__name__')}.{code.co_qualname}"] += 1
        elif event == "c_call":
            calls[f"{argument.__module__ or type(argument.__self__).__name__}.{argument.__name__}"] += 1

    sys.setprofile(note)
    answer = handler(request, None)
    sys.setprofile(None)
    if answer["statusCode"] != status:
        raise RuntimeError(f"answered {answer}")
    return calls


if __name__ == "__main__":
    answers, sys.stdout = sys.stdout, sys.stderr
    print(json.dumps(count()), file=answers)
