"""One peer in a process of its own: measured warm, as often as it is asked to; cold; or resumed.

python -m bench.worker PEER             for every line on standard input, `{"verb", "number", …}`, the calls'
                                        times: `[[cpu_us, wall_us], …]`; `viewers` in the place of `number`, as
                                        `bench.scene.viewers` has them, where no token can be made
python -m bench.worker PEER --cold      one start, from nothing: `{"cpu_ms", "wall_ms", "memory_mib", "may_write"}`
python -m bench.worker PEER --resumed   starts after a resume: `{"times": [[cpu_us, wall_us], …], "may_write"}`

Cold and resumed, the starts are made elsewhere and come as one line on standard input.
"""

import importlib
import io
import json
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # what is loaded here is loaded before a cold start is measured
    from typing import Any

    from bench.scene import Handler

MEASURED_FROM_HERE = "--- measured from here"
"""Between what an interpreter imports by itself and what the peer does, among what `-X importtime` writes."""


def _handler(peer: str) -> "Handler":
    handler: Handler = importlib.import_module(f"bench.peers.{peer}").lambda_handler
    return handler


def _timed(
    handler: "Handler", request: "dict[str, Any]", status: int
) -> tuple[float, float]:
    """Processor and wall microseconds of one call."""
    wall, cpu = time.perf_counter_ns(), time.process_time_ns()
    answer = handler(request, None)
    times = (
        (time.process_time_ns() - cpu) / 1000,
        (time.perf_counter_ns() - wall) / 1000,
    )
    if answer["statusCode"] != status:
        raise RuntimeError(f"{request} was answered {answer}, not {status}")
    return times


def warm(peer: str) -> None:
    """Serve measurements until standard input ends."""
    from bench.scene import VERBS, connect, staged, viewers

    answers, sys.stdout = sys.stdout, io.StringIO()  # Zappa says that it is instancing
    handler = _handler(peer)
    client, table = (
        connect(os.environ["DYNAMODB_ENDPOINT"]),
        os.environ["DYNAMODB_TABLE"],
    )
    for line in sys.stdin:
        asked = json.loads(line)
        users = asked.pop("viewers", None) or viewers(asked.pop("number"))
        with staged(
            **asked, users=users, handler=handler, client=client, table=table
        ) as requests:
            times = [
                _timed(handler, request, VERBS[asked["verb"]]) for request in requests
            ]
        print(json.dumps(times), file=answers, flush=True)


def cold(peer: str) -> None:
    """One start, with everything still to be loaded."""
    (request,) = json.loads(sys.stdin.readline())
    print(MEASURED_FROM_HERE, file=sys.stderr)
    wall, cpu = time.perf_counter(), time.process_time()
    answer = _handler(peer)(request, None)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if answer["statusCode"] != 201:
        raise RuntimeError(f"{peer} answered a start with {answer}")
    # Not getrusage: its peak is inherited from the process that started this one.
    with open("/proc/self/status") as lines:
        memory = (
            next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
            / 1024
        )
    _say({"cpu_ms": cpu * 1e3, "wall_ms": wall * 1e3, "memory_mib": memory})


def resumed(peer: str) -> None:
    """Starts in a child of the process that imported the handler, as an instance resumes from a snapshot."""
    requests = json.loads(sys.stdin.readline())
    handler = _handler(peer)
    if child := os.fork():
        os._exit(
            os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        )  # what it has yet to print, its child prints
    _unshare_memory()
    _say({"times": [_timed(handler, request, 201) for request in requests]})


def _unshare_memory() -> None:
    """Copy now what a fork has the two copy page by page as they write to it, at microseconds a page: an instance on
    Lambda shares no memory with another."""
    import ctypes

    madvise = ctypes.CDLL(None, use_errno=True).madvise
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    populate_read, populate_write = 22, 23  # Linux 5.14 or later: madvise(2)
    with open("/proc/self/maps") as maps:
        for region, access, *_, name in (line.split() for line in maps):
            start, end = (int(address, 16) for address in region.split("-"))
            how = populate_write if "w" in access else populate_read
            is_ours = "r" in access and not name.startswith(
                "[v"
            )  # not the kernel's own: vdso, vvar, vsyscall
            if is_ours and madvise(start, end - start, how):
                raise OSError(ctypes.get_errno(), f"madvise of {region} {name}")


def _say(figures: "dict[str, Any]") -> None:
    print(
        json.dumps(
            figures | {"may_write": os.access(os.path.dirname(__file__), os.W_OK)}
        ),
        flush=True,
    )


if __name__ == "__main__":
    measured = {"--cold": cold, "--resumed": resumed}.get(sys.argv[-1], warm)
    measured(sys.argv[1])
