"""Serves calls with the code of one release, under a virtual clock.

    cd CHECKOUT; python /path/to/worker.py

Runs in a separate process whose working directory is the checkout of a release, and
imports only that release. Each line of its input is a call or a change of settings in
JSON, and each line of its output is the answer. `--next` turns the code into that of a
release that writes more than this one knows (`next_release.py`).
"""

import io
import json
import os
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, os.getcwd())

instant = {"ms": 0}
time.time_ns = lambda: instant["ms"] * 1_000_000

time.sleep = lambda seconds: None  # pauses between tries


def main() -> None:
    """Answer calls until the input ends."""
    # Output of the release goes to the error stream.
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    import django

    django.setup()
    if "--next" in sys.argv:
        sys.path.append(str(Path(__file__).parent))
        import_module("next_release").apply()

    service = Service()
    print('"ready"', file=output, flush=True)
    for line in sys.stdin:
        message = json.loads(line)
        if "settings" in message:
            answer: Any = service.configure(message["settings"])
        else:
            answer = service.answer(message)
        print(json.dumps(answer), file=output, flush=True)


class Service:
    """The WSGI application of the release, with faults of its store.

    While the store is `silent`, it carries out no try of a call and answers none. With
    `unanswered` it carries out the first one.
    """

    def __init__(self) -> None:
        from pynamodb.connection.base import Connection

        from streams import views
        from streams.authentication import BearerAuthentication
        from streams_project.wsgi import application

        self.application = application
        self.fault = ""
        self.tries = 0
        self.settings: Any = None
        self.dispatch = Connection.dispatch
        service = self

        def dispatch(connection: Any, operation: str, arguments: Any) -> Any:
            return service.send(connection, operation, arguments)

        Connection.dispatch = dispatch  # type: ignore[assignment,method-assign]
        # A viewer is identified by its token, and every caller may do everything.
        for view in (views.UserView, views.StreamViewSet):
            view.authentication_classes = [BearerAuthentication]

    def configure(self, settings: dict[str, Any]) -> str:
        """Replace the settings."""
        from django.test import override_settings

        if self.settings is not None:
            self.settings.disable()
        self.settings = override_settings(**settings)
        self.settings.enable()
        return "configured"

    def answer(self, call: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a call."""
        instant["ms"] = call["now"]
        self.fault = call["fault"]
        self.tries = 0
        environ = call["environ"] | {
            "wsgi.input": io.BytesIO(call["body"].encode()),
            "wsgi.errors": sys.stderr,
        }
        started: list[Any] = []

        def start_response(status: str, headers: Any, exc_info: Any = None) -> None:
            started.extend((int(status.split()[0]), dict(headers)))

        content = b"".join(self.application(environ, start_response))
        forget_failures()
        status, headers = started
        body = json.loads(content) if content else None
        return {"status": status, "headers": headers, "body": body}

    def send(self, connection: Any, operation: str, arguments: Any) -> Any:
        """Make one try of a call to DynamoDB."""
        self.tries += 1
        answer = None
        if not self.fault or (self.fault == "unanswered" and self.tries == 1):
            answer = self.dispatch(connection, operation, arguments)
        if self.fault:
            raise module_of("transport").NotReached(
                operation=operation, endpoint="virtual", error="no answer"
            )
        return answer


def forget_failures() -> None:
    """Let the next call begin with a closed circuit."""
    calls = module_of("calls")
    forget = getattr(calls, "reset_circuit", None) or calls.forget_failures
    forget()


def module_of(name: str) -> Any:
    """Return a module of the transport, which earlier releases had in `storage`."""
    folder = "dynamodb" if Path("streams/dynamodb").is_dir() else "storage"
    return import_module(f"streams.{folder}.{name}")


if __name__ == "__main__":
    main()
