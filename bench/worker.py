"""One peer in a process of its own: measured warm, as often as it is asked to, or cold.

python -m bench.worker PEER          for every line on standard input, `{"verb", "number", …}` as `bench.scene.staged`
                                     has it, the times of the calls: `[[cpu_us, wall_us], …]`
python -m bench.worker PEER --cold   one request, from nothing: `{"cpu_ms", "wall_ms", "memory_mib", "modules",
                                     "may_write"}`
"""

import io
import json
import os
import sys
import time

MEASURED_FROM_HERE = "--- measured from here"
"""Between what an interpreter imports by itself and what the peer does, among what `-X importtime` writes."""


def warm(peer: str) -> None:
    """Serve measurements until standard input ends."""
    import importlib

    from bench.scene import VERBS, connect, staged

    handler = importlib.import_module(f"bench.peers.{peer}").lambda_handler
    client, table = connect(os.environ["DYNAMODB_ENDPOINT"]), os.environ["DYNAMODB_TABLE"]
    answers = sys.stdout
    sys.stdout = io.StringIO()  # Zappa says that it is instancing
    for line in sys.stdin:
        asked = json.loads(line)
        times = []
        with staged(**asked, handler=handler, client=client, table=table) as requests:
            for request in requests:
                wall, cpu = time.perf_counter_ns(), time.process_time_ns()
                status = handler(request, None)["statusCode"]
                times.append([(time.process_time_ns() - cpu) / 1000, (time.perf_counter_ns() - wall) / 1000])
                if status != VERBS[asked["verb"]]:
                    raise RuntimeError(f"{peer} answered {asked} with {status}")
        print(json.dumps(times), file=answers, flush=True)


def cold(peer: str) -> None:
    """One start, with everything still to be loaded. The request is made beforehand, elsewhere: `REQUEST`."""
    import importlib

    print(MEASURED_FROM_HERE, file=sys.stderr)
    wall, cpu = time.perf_counter(), time.process_time()
    handler = importlib.import_module(f"bench.peers.{peer}").lambda_handler
    status = handler(json.loads(os.environ["REQUEST"]), None)["statusCode"]
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if status != 201:
        raise RuntimeError(f"{peer} answered a start with {status}")
    # Not getrusage: its peak is inherited from the process that started this one.
    with open("/proc/self/status") as lines:
        memory = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    # A module without a specification was never loaded: something stands there in its place.
    modules = [name for name, module in sys.modules.items() if getattr(module, "__spec__", None)]
    figures = {"cpu_ms": cpu * 1e3, "wall_ms": wall * 1e3, "memory_mib": memory, "modules": sorted(modules)}
    print(json.dumps(figures | {"may_write": os.access(os.path.dirname(__file__), os.W_OK)}))


if __name__ == "__main__":
    (cold if "--cold" in sys.argv else warm)(sys.argv[1])
