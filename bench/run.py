"""`make bench`: everything side by side, interleaved, in one run, against one engine; ratios to a bare boto3 handler.

Writes `docs/performance/figures.json` and the plots there, prints tables, and ends with lines that a script can read.
Exits non-zero when something could not be measured. `QUICK=1` takes fewer rounds and writes no files."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
RESULTS = PROJECT / "docs" / "performance"
QUICK = bool(os.environ.get("QUICK"))
PEERS = ["bare", "service"] if QUICK else ["bare", "service", "powertools", "fastapi_mangum", "flask_zappa"]
NEEDS = {
    "bare": ["boto3"],
    "powertools": ["boto3", "aws-lambda-powertools", "aws-xray-sdk"],
    "fastapi_mangum": ["boto3", "fastapi", "mangum"],
    "flask_zappa": ["boto3", "flask", "zappa"],
}
WARM_ROUNDS, WARM_CALLS = (6, 60) if QUICK else (15, 100)
COLD_ROUNDS = 7 if QUICK else 15

Figures = dict[str, Any]


def measure_warm(environment: dict[str, str]) -> Figures:
    """Median processor and wall time of a call, microseconds, for each verb and peer; the rounds interleaved."""
    from bench.scene import VERBS

    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    with ExitStack() as stack:
        workers = {
            peer: stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "bench.worker", peer],
                    cwd=PROJECT,
                    env=environment,
                    text=True,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
            for peer in PEERS
        }
        for round_ in range(WARM_ROUNDS + 1):
            for verb in VERBS:
                for peer, worker in workers.items():
                    assert worker.stdin
                    assert worker.stdout
                    print(json.dumps({"verb": verb, "number": WARM_CALLS}), file=worker.stdin, flush=True)
                    times = json.loads(worker.stdout.readline())
                    if round_:  # the first warms up
                        middle = [statistics.median(column) for column in zip(*times, strict=True)]
                        found.setdefault((verb, peer), []).append((middle[0], middle[1]))
            print(f"\r  warm: round {round_} of {WARM_ROUNDS}", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        for worker in workers.values():
            assert worker.stdin
            worker.stdin.close()
    return {
        verb: {peer: _ratios(found[verb, peer], found[verb, "bare"], ("cpu_us", "wall_us")) for peer in PEERS}
        for verb in VERBS
    }


def _ratios(mine: list[tuple[float, ...]], bare: list[tuple[float, ...]], names: tuple[str, ...]) -> Figures:
    """Each figure's median, and the median and spread (quartiles) of the rounds' ratios to bare."""
    figures: Figures = {}
    for column, name in enumerate(names):
        ratios = [one[column] / other[column] for one, other in zip(mine, bare, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        figures[name] = statistics.median(one[column] for one in mine)
        figures[f"{name}_ratio"] = middle
        figures[f"{name}_spread"] = [low, high]
    return figures


def measure_cold(environment: dict[str, str], client: Any) -> tuple[Figures, dict[str, float]]:
    """Import and first request in a fresh process, from the unzipped package of each peer; and the packages' sizes."""
    from bench.events import event
    from bench.scene import as_viewer, seed

    found: dict[str, list[tuple[float, ...]]] = {peer: [] for peer in PEERS}
    sizes = {}
    with tempfile.TemporaryDirectory() as scratch:
        folders = {}
        for peer in PEERS:
            print(f"\r  packaging {peer} …          ", end="", file=sys.stderr, flush=True)
            folders[peer], sizes[peer] = _package(peer, Path(scratch) / peer)
        for round_ in range(COLD_ROUNDS + 1):
            for peer in PEERS:
                user = f"cold-{peer}-{round_}"
                seed(client, [user])
                request = event("POST", f"/users/{user}/streams", {"streamId": "456"}, as_viewer(user))
                figures = _run_cold(peer, folders[peer], environment | {"REQUEST": json.dumps(request)})
                if round_:
                    found[peer].append((figures["wall_ms"], figures["cpu_ms"], figures["memory_mib"]))
            print(f"\r  cold: round {round_} of {COLD_ROUNDS}   ", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
    names = ("wall_ms", "cpu_ms", "memory_mib")
    return {peer: _ratios(found[peer], found["bare"], names) for peer in PEERS}, sizes


def _package(peer: str, folder: Path) -> tuple[Path, float]:
    """The peer as it would ship, unzipped, with all of it compiled; and its zipped size in MiB."""
    folder.mkdir()
    if peer == "service":
        archive = folder.with_suffix(".zip")
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        command = ["zappa", "package", "production", "-o", str(archive)]
        _quietly(command, env=os.environ | {"PATH": path, "VIRTUAL_ENV": sys.prefix, "AWS_DEFAULT_REGION": "eu-west-1"})
        size = archive.stat().st_size
        with zipfile.ZipFile(archive) as entries:
            entries.extractall(folder)
    else:
        _quietly([sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), *NEEDS[peer]])
        size = _zipped_size(folder)
    for source in (PROJECT / "bench").rglob("*.py"):
        copy = folder / source.relative_to(PROJECT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(source.read_bytes())
    _quietly([sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(folder)])
    return folder, size / 2**20


def _zipped_size(folder: Path) -> int:
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as entries:
        for path in folder.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                entries.write(path, path.relative_to(folder))
    return archive.stat().st_size


def _quietly(command: list[str], **options: Any) -> None:
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise RuntimeError(f"{command} failed:\n{done.stdout}{done.stderr}")


def _run_cold(peer: str, folder: Path, environment: dict[str, str]) -> Figures:
    program = (
        f"import sys; sys.path.insert(0, {str(folder)!r}); sys.argv = ['worker', {peer!r}, '--cold']; "
        "import runpy; runpy.run_module('bench.worker', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", program],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{peer} failed cold:\n{done.stderr}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def measure_contention() -> Figures:
    """DynamoDB calls for each request when so many callers start streams of one user at the same instant, and how
    many of them were admitted over the limit."""
    from streams.rules import Policy, StartRequest, StreamLimitReached
    from streams.store import DYNAMODB, StoreContended, StreamStore

    found = {}
    for callers in (1, 4, 16, 64):
        calls: Counter[str] = Counter()

        def counted(operation: str, arguments: Any) -> Any:
            calls[operation] += 1  # noqa: B023
            return DYNAMODB(operation, arguments)

        store = StreamStore(policy=Policy(limit=3, lease_ms=60_000), call=counted)
        gate = threading.Barrier(callers)
        outcomes: Counter[str] = Counter()
        for attempt in range(10):
            user, now = f"contended-{callers}-{attempt}-{os.getpid()}", 1_800_000_000_000

            def start(number: int) -> str:
                gate.wait()  # noqa: B023
                try:
                    store.start(user, StartRequest(id=f"s{number}", stream_id="456"), now=now)  # noqa: B023
                except (StreamLimitReached, StoreContended) as refusal:
                    return type(refusal).__name__
                return "admitted"

            with ThreadPoolExecutor(callers) as pool:
                outcomes.update(pool.map(start, range(callers)))
        found[str(callers)] = {
            "calls_a_request": calls.total() / (callers * 10),
            "admitted_over_the_limit": max(0, outcomes["admitted"] - 10 * min(3, callers)),
            "contended": outcomes["StoreContended"],
        }
    return found


def measure_growth(client: Any) -> Figures:
    """Median wall microseconds of a start through the store, by rows in the table and by slots held."""
    import time

    from bench.scene import seed
    from streams.rules import Policy, StartRequest
    from streams.store import StreamStore

    def cost(held: int) -> float:
        store = StreamStore(policy=Policy(limit=100, lease_ms=60_000))
        users = [f"grown-{os.getpid()}-{time.time_ns()}-{number}" for number in range(150)]
        seed(client, users, held=held)
        times = []
        for user in users:
            began = time.perf_counter_ns()
            store.start(user, StartRequest(id="new", stream_id="456"), now=time.time_ns() // 1_000_000)
            times.append((time.perf_counter_ns() - began) / 1000)
        return statistics.median(times)

    found: Figures = {"slots_held": {}, "rows_in_table": {}}
    for held in (0, 1, 3, 10, 25, 50):
        found["slots_held"][str(held)] = cost(held)
    there = 0
    for rows in (1_000, 10_000, 50_000):
        seed(client, [f"filler-{number}" for number in range(there, rows)])
        there = rows
        found["rows_in_table"][str(rows)] = cost(0)
    return found


def show(figures: Figures) -> None:
    """The tables, as they stand in docs/performance.md."""
    for name, unit in (("cpu_us", "processor"), ("wall_us", "wall")):
        print(f"\n{unit} time of a warm call, ratio to bare (quartiles) and microseconds")
        for peer in PEERS:
            cells = [figures["warm"][verb][peer] for verb in figures["warm"]]
            row = "  ".join(
                f"{cell[f'{name}_ratio']:.2f} ({cell[f'{name}_spread'][0]:.2f}-{cell[f'{name}_spread'][1]:.2f})"
                f" {cell[name]:6,.0f}"
                for cell in cells
            )
            print(f"{peer:16}{row}")
    print("\ncold start, ratio to bare, milliseconds, MiB in memory, MiB zipped")
    for peer in PEERS:
        cell = figures["cold"][peer]
        print(
            f"{peer:16}{cell['wall_ms_ratio']:.2f}  {cell['wall_ms']:6,.0f} ms  {cell['memory_mib_ratio']:.2f}"
            f" {cell['memory_mib']:5,.0f} MiB {figures['zip_mib'][peer]:6.1f} MiB"
        )
    for name in ("contention", "growth"):
        if name in figures:
            print(f"\n{name}\n{json.dumps(figures[name], indent=1)}")


def draw(figures: Figures) -> None:
    """The plots."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    verbs = list(figures["warm"])
    drawing, axes = plt.subplots(1, 3, figsize=(15, 4.5), layout="constrained")
    for axis, name, title in ((axes[0], "cpu_us", "Processor time, warm"), (axes[1], "wall_us", "Wall time, warm")):
        for index, peer in enumerate(PEERS):
            heights = [figures["warm"][verb][peer][f"{name}_ratio"] for verb in verbs]
            axis.bar([place + index * 0.16 for place in range(len(verbs))], heights, 0.15, label=peer)
        axis.set_xticks([place + 0.32 for place in range(len(verbs))], verbs)
        axis.axhline(1, color="black", linewidth=0.8)
        axis.set_title(f"{title} (bare boto3 = 1)")
    axes[2].bar(PEERS, [figures["cold"][peer]["wall_ms_ratio"] for peer in PEERS], color=[f"C{i}" for i in range(5)])
    axes[2].axhline(1, color="black", linewidth=0.8)
    axes[2].set_title("Cold start (bare boto3 = 1)")
    axes[2].tick_params(axis="x", rotation=20)
    axes[0].legend()
    drawing.savefig(RESULTS / "ratios.png", dpi=110)


def main() -> None:
    """Measure, show, write."""
    from bench.scene import ENVIRONMENT

    with tempfile.TemporaryDirectory() as folder:
        from streams_project.local_dynamodb import _engine

        with _engine(Path(folder), keep=False) as endpoint:
            environment = {
                "PATH": os.environ["PATH"],
                "DYNAMODB_ENDPOINT": endpoint,
                "DYNAMODB_TABLE": "UserStreams",
                **ENVIRONMENT,
            }
            os.environ.update(environment | {"DJANGO_SETTINGS_MODULE": "streams_project.settings"})
            import boto3
            import django

            django.setup()
            from streams.store import create_table

            create_table()
            client = boto3.client("dynamodb", endpoint_url=endpoint)
            figures: Figures = {"warm": measure_warm(environment)}
            figures["cold"], figures["zip_mib"] = measure_cold(environment, client)
            if not QUICK:
                figures["contention"] = measure_contention()
                figures["growth"] = measure_growth(client)
    show(figures)
    if not QUICK:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
        draw(figures)
    print()
    for verb, peers in figures["warm"].items():
        print(f"ratio {verb} cpu={peers['service']['cpu_us_ratio']:.3f} wall={peers['service']['wall_us_ratio']:.3f}")
    cold = figures["cold"]["service"]
    print(
        f"ratio cold={cold['wall_ms_ratio']:.3f} memory={cold['memory_mib_ratio']:.3f} "
        f"zip_mib={figures['zip_mib']['service']:.2f}"
    )


if __name__ == "__main__":
    main()
