"""Runs the whole matrix on one engine and writes its table into docs/reliability.md. `make faults`.

DYNAMODB_ENDPOINT=http://… python -m tests.faults.report "DynamoDB Local"
"""

import logging
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import django

from streams.conf import settings

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


@contextmanager
def ready() -> Iterator[str]:
    """Django, and an engine with a table, by its endpoint: `DYNAMODB_ENDPOINT`'s, or an embedded one."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    logging.disable(
        logging.CRITICAL
    )  # thousands of warnings that the store does not answer
    from streams.errors import StoreUnavailable
    from streams.storage.store import create_table
    from streams_project.local_dynamodb import engine
    from tests.settings import ENGINE_PORT

    with ExitStack() as running:
        if ENGINE_PORT:
            folder = Path(running.enter_context(TemporaryDirectory(prefix="dynamodb-")))
            running.enter_context(engine(folder, keep=False, port=ENGINE_PORT))
        for _ in range(10):  # an engine that has just started takes its time
            with suppress(StoreUnavailable):
                create_table()
                break
        yield str(settings.DYNAMODB_ENDPOINT)


def write(name: str, text: str) -> None:
    """Put the text into the page, between the markers of that name."""
    begins, ends = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    page = PAGE.read_text()
    before, _, rest = page.partition(begins)
    PAGE.write_text(before + begins + text + ends + rest.partition(ends)[2])


def main(engine: str) -> int:
    """The number of cases with something wrong."""
    with ready() as endpoint:
        from tests.faults.matrix import Case, bench, cases
        from tests.faults.proxy import FAULTS

        results: dict[str, list[Case]] = defaultdict(list)
        began = time.monotonic()
        with bench(endpoint) as running:
            for case in running.run_all(cases(running)):
                results[case.fault.kind].append(case)
                for what in case.wrong:
                    sys.stderr.write(
                        f"{case.verb}, {case.fault}: {case.status}, {what}\n"
                    )
            verbs = len(running.healthy)
    every = [case for of_kind in results.values() for case in of_kind]
    wrong = [case for case in every if case.wrong]
    lines = [
        f"On {engine}: {verbs} verbs and scenes, {len(FAULTS)} faults, {len(every)} cases, {len(wrong)} of them wrong; "
        f"made in {time.monotonic() - began:.0f} s.\n",
        "| fault | cases | told what happened | told 503 | wrong | slowest answer |",
        "|---|---|---|---|---|---|",
    ]
    for kind in FAULTS:
        of_kind = results[kind]
        unknown, bad = (
            sum(case.status == 503 for case in of_kind),
            sum(bool(case.wrong) for case in of_kind),
        )
        slowest = max(case.seconds for case in of_kind)
        told = len(of_kind) - unknown
        lines.append(
            f"| {kind} | {len(of_kind)} | {told} | {unknown} | {bad} | {slowest:.2f} s |"
        )
    write(f"the matrix on {engine}", "\n".join(lines) + "\n")
    sys.stdout.write("\n".join(lines) + "\n")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(min(1, main(sys.argv[1] if len(sys.argv) > 1 else "ministack")))
