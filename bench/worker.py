"""Runs one peer in its own process: warm, cold, or resumed.

python -m bench.worker PEER

    Reads lines `{"verb", "number", …}` from standard input. Each is answered with the
    times of that many calls: `[[cpu_us, wall_us], …]`. A line may contain `viewers`, as
    `bench.scene.viewers` returns them, in place of `number`. A peer that cannot make
    tokens needs that.

python -m bench.worker PEER --cold

    Sends one start in a fresh process and prints `{"cpu_ms", "wall_ms", "memory_mib",
    "may_write"}`.

python -m bench.worker PEER --resumed

    Sends starts after a resume and prints `{"times": [[cpu_us, wall_us], …],
    "may_write"}`.

Cold and resumed, the starts are one line of JSON on standard input.
"""

import importlib
import io
import json
import os
import sys
import time

TYPE_CHECKING = False  # importing it would load `typing` before the measurement
if TYPE_CHECKING:
    from typing import Any

    from bench.scene import Event, Handler

MEASURED_FROM_HERE = "--- measured from here"
"""Separates the interpreter's own imports from the peer's in the import log."""
POPULATE_READ = 22
POPULATE_WRITE = 23
"""Advice of madvise(2), since Linux 5.14."""


def _handler(peer: str) -> "Handler":
    """Import a peer and return its handler."""
    handler: Handler = importlib.import_module(f"bench.peers.{peer}").lambda_handler
    return handler


def _timed(handler: "Handler", request: "Event", status: int) -> tuple[float, float]:
    """Return the processor and wall microseconds of one call."""
    wall_before = time.perf_counter_ns()
    cpu_before = time.process_time_ns()
    answer = handler(request, None)
    cpu_us = (time.process_time_ns() - cpu_before) / 1000
    wall_us = (time.perf_counter_ns() - wall_before) / 1000

    if answer["statusCode"] != status:
        raise RuntimeError(f"{request} was answered {answer}, not {status}")
    return cpu_us, wall_us


def warm(peer: str) -> None:
    """Serve measurements until standard input ends."""
    from bench.scene import VERBS, connect, staged, viewers

    output = sys.stdout
    sys.stdout = io.StringIO()  # hides a message that Zappa prints
    handler = _handler(peer)
    client = connect(os.environ["DYNAMODB_ENDPOINT"])
    table = os.environ["DYNAMODB_TABLE"]

    for line in sys.stdin:
        options = json.loads(line)
        status = VERBS[options["verb"]]
        users = options.pop("viewers", None) or viewers(options.pop("number"))
        with staged(
            **options,
            users=users,
            handler=handler,
            client=client,
            table=table,
        ) as requests:
            times = [_timed(handler, request, status) for request in requests]
        print(json.dumps(times), file=output, flush=True)


def cold(peer: str) -> None:
    """Send one start in a process that has loaded nothing of the peer."""
    [request] = json.loads(sys.stdin.readline())
    print(MEASURED_FROM_HERE, file=sys.stderr)

    wall_before = time.perf_counter()
    cpu_before = time.process_time()
    answer = _handler(peer)(request, None)
    wall_ms = (time.perf_counter() - wall_before) * 1000
    cpu_ms = (time.process_time() - cpu_before) * 1000

    if answer["statusCode"] != 201:
        raise RuntimeError(f"{peer} answered a start with {answer}")
    _print({"cpu_ms": cpu_ms, "wall_ms": wall_ms, "memory_mib": _peak_memory_mib()})


def _peak_memory_mib() -> float:
    """Return the peak memory of this process.

    The peak of getrusage(2) includes that of the parent process.
    """
    with open("/proc/self/status") as lines:
        for line in lines:
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/self/status has no VmHWM")


def resumed(peer: str) -> None:
    """Send starts from a forked child, as an instance resumes from a snapshot."""
    requests = json.loads(sys.stdin.readline())
    handler = _handler(peer)

    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        # Exit without a flush: the child prints what is still in the buffer.
        os._exit(os.waitstatus_to_exitcode(status))

    _unshare_memory()
    _print({"times": [_timed(handler, request, 201) for request in requests]})


def _unshare_memory() -> None:
    """Copy the memory that the fork shares, before the measurement.

    A fork copies a page when it is first written, which takes microseconds per page. An
    instance on Lambda shares no memory with another.
    """
    import ctypes

    madvise = ctypes.CDLL(None, use_errno=True).madvise
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]

    with open("/proc/self/maps") as maps:
        for line in maps:
            region, access, *_, name = line.split()
            is_of_kernel = name.startswith("[v")  # vdso, vvar, vsyscall
            if "r" not in access or is_of_kernel:
                continue

            start, end = (int(address, 16) for address in region.split("-"))
            advice = POPULATE_WRITE if "w" in access else POPULATE_READ
            if madvise(start, end - start, advice):
                raise OSError(ctypes.get_errno(), f"madvise of {region} {name}")


def _print(figures: "dict[str, Any]") -> None:
    """Print the figures, and whether the package's folder can be written."""
    may_write = os.access(os.path.dirname(__file__), os.W_OK)
    print(json.dumps(figures | {"may_write": may_write}), flush=True)


MODES = {"--cold": cold, "--resumed": resumed}

if __name__ == "__main__":
    run = MODES.get(sys.argv[-1], warm)
    run(sys.argv[1])
