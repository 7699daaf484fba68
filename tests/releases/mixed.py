"""A user of the contract's scenes, whose calls are spread over two releases."""

import json
import os
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.contract.catalogue import FOLDER, Catalogue
from tests.contract.exchange import (
    AUTHENTICATION,
    Response,
    environ_of,
    facts_of,
)
from tests.contract.order import Event
from tests.contract.scenes import done_unanswered, silent
from tests.contract.state import Answer, Call
from tests.contract.world import World, no_fault

WORKER = Path(__file__).with_name("worker.py")
FAULTS: Mapping[Any, str] = {
    no_fault: "",
    silent: "silent",
    done_unanswered: "unanswered",
}


@dataclass
class Worker:
    """A process that answers calls with the code of a release."""

    name: str
    process: subprocess.Popen[str]

    def answer(self, environ: Mapping[str, Any], *, now: int, fault: str) -> Response:
        """Return the answer to a request at an instant of the virtual clock."""
        plain = {key: value for key, value in environ.items() if "wsgi." not in key}
        body = environ["wsgi.input"].getvalue().decode()
        request = {"now": now, "environ": plain, "body": body, "fault": fault}
        return Response(**self._ask(request))

    def configure(self, catalogue: Catalogue) -> None:
        """Serve the plans of a catalogue."""
        settings = AUTHENTICATION | {
            "PLANS": str(FOLDER / f"{catalogue.file}.toml"),
            "MINT_BURST": catalogue.burst,
            "MINT_INTERVAL_SECONDS": catalogue.interval_ms / 1000,
            "WHEN_STORE_IS_DOWN": "open" if catalogue.is_open else "closed",
            "MAX_GRACE_STREAMS": catalogue.grace_streams,
        }
        assert self._ask({"settings": settings}) == "configured"

    def wait_until_ready(self) -> None:
        """Wait until the release is imported."""
        assert self._next_line() == "ready"

    def _ask(self, message: Mapping[str, Any]) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()
        return self._next_line()

    def _next_line(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the worker of {self.name} has ended"
        return json.loads(line)


@contextmanager
def workers(
    folders: Mapping[str, Path], **variables: str
) -> Iterator[dict[str, Worker]]:
    """Run a worker per release. `variables` are added to the environment of each."""
    environment = os.environ | {
        "DEBUG": "1",
        "EVENTS": "off",
        "LOG_LEVEL": "ERROR",
        # A service whose plans examine no network at start-up never does.
        "PLANS": str(FOLDER / "denying.toml"),
        "DJANGO_SETTINGS_MODULE": "streams_project.settings",
        **variables,
    }
    with ExitStack() as running:
        started = {}
        for name, folder in folders.items():
            options = ["--next"] if name == "next" else []
            process = subprocess.Popen(
                [sys.executable, WORKER, *options],
                cwd=folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # audit records have every level
                text=True,
            )
            started[name] = Worker(name, running.enter_context(process))
        for worker in started.values():
            worker.wait_until_ready()
        yield started


@dataclass
class MixedWorld(World):
    """A user whose calls go to the worker that `choose` returns."""

    choose: Callable[[int], Worker] = field(kw_only=True)
    answers: list[tuple[str, int, str]] = field(default_factory=list)
    """The worker, the status and the body of each answer, for reports."""

    def call(self, verb: str, *, fault: Any = no_fault, **details: Any) -> Event:
        """Make one call at the current instant and record its answer."""
        self.numbers += 1
        call = Call(number=self.numbers, verb=verb, **{"now": self.now} | details)
        environ = environ_of(self.user_id, call, self.known)
        environ["REMOTE_ADDR"] = _address(environ.pop("streams.network", ""))

        worker = self.choose(self.numbers)
        response = worker.answer(environ, now=call.now, fault=FAULTS[fault])
        self.known.keep(call, response)
        self.answers.append((worker.name, response.status, json.dumps(response.body)))

        event = Event(
            call=call,
            answer=Answer(response.status, facts_of(call, response)),
            invoked=2 * self.numbers,
            answered=2 * self.numbers + 1,
            is_disturbed=False,
            is_outage=False,
        )
        self.history.append(event)
        return event


def _address(network: str) -> str:
    """Return an address in a network of this name, or none."""
    return f"10.0.{zlib.crc32(network.encode()) % 256}.1" if network else ""
