"""Runs the whole matrix on one engine and writes its table to docs/reliability.md.

make faults
DYNAMODB_ENDPOINT=http://… python -m tests.faults.report "DynamoDB Local"
"""

import itertools
import logging
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import django

from reporting.progress import progress
from streams.conf import settings

if TYPE_CHECKING:
    from tests.faults.matrix import Case

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


@contextmanager
def ready() -> Iterator[str]:
    """Set up Django, an engine and its table, and yield the endpoint of the engine.

    The engine is that of `DYNAMODB_ENDPOINT`, or an embedded one.
    """
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    logging.disable(logging.CRITICAL)  # each fault logs a warning
    from streams.errors import StoreUnavailable
    from streams.storage.store import create_table
    from streams_project.local_dynamodb import engine
    from tests.settings import ENGINE_PORT

    with ExitStack() as running:
        if ENGINE_PORT:
            folder = Path(running.enter_context(TemporaryDirectory(prefix="dynamodb-")))
            running.enter_context(engine(folder, keep=False, port=ENGINE_PORT))
        for _ in range(10):  # an engine can be slow after its start
            with suppress(StoreUnavailable):
                create_table()
                break
        yield str(settings.DYNAMODB_ENDPOINT)


def write(name: str, text: str) -> None:
    """Replace the text between the markers of this name in the page."""
    begins = f"<!-- {name} -->\n"
    ends = f"<!-- end of {name} -->"
    page = PAGE.read_text()
    before, _, rest = page.partition(begins)
    _, _, after = rest.partition(ends)
    PAGE.write_text(before + begins + text + ends + after)


def main(engine: str) -> int:
    """Run the matrix and return the number of cases with a fault of the service."""
    with ready() as endpoint:
        from tests.faults.matrix import bench, cases

        results: dict[str, list[Case]] = defaultdict(list)
        began = time.monotonic()
        with bench(endpoint) as running:
            planned = list(cases(running))
            with progress(f"faults on {engine}", total=len(planned)) as advance:
                for number, case in enumerate(running.run_all(planned), start=1):
                    results[case.fault.kind].append(case)
                    _report_wrong(case)
                    advance(number, case.fault.kind)
            verbs = len(running.healthy)

    seconds = time.monotonic() - began
    lines = _lines(results, engine=engine, verbs=verbs, seconds=seconds)
    text = "\n".join(lines) + "\n"
    write(f"the matrix on {engine}", text)
    sys.stdout.write(text)
    return _count_wrong(itertools.chain(*results.values()))


def _count_wrong(cases: Iterable["Case"]) -> int:
    return sum(bool(case.wrong) for case in cases)


def _report_wrong(case: "Case") -> None:
    name = f"{case.verb}, {case.fault}"
    for problem in case.wrong:
        sys.stderr.write(f"{name}: {case.status}, {problem}\n")


def _lines(
    results: Mapping[str, list["Case"]], *, engine: str, verbs: int, seconds: float
) -> list[str]:
    """Return the lines of the table, one per fault."""
    all_cases = list(itertools.chain(*results.values()))
    wrong = _count_wrong(all_cases)
    lines = [
        f"On {engine}: {verbs} verbs and scenes, {len(results)} faults, "
        f"{len(all_cases)} cases, {wrong} of them wrong; made in {seconds:.0f} s.\n",
        "| fault | cases | outcome reported | 503 | wrong | slowest answer |",
        "|---|---|---|---|---|---|",
    ]
    for kind, of_kind in results.items():
        unknown = sum(case.status == 503 for case in of_kind)
        wrong = _count_wrong(of_kind)
        slowest = max(case.seconds for case in of_kind)
        cells = [
            kind,
            len(of_kind),
            len(of_kind) - unknown,
            unknown,
            wrong,
            f"{slowest:.2f} s",
        ]
        row = " | ".join(map(str, cells))
        lines.append(f"| {row} |")

    return lines


if __name__ == "__main__":
    sys.exit(min(1, main(sys.argv[1] if len(sys.argv) > 1 else "ministack")))
