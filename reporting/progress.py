"""Progress of long work: a bar in a terminal, and no output elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

type Advance = Callable[[int, str], None]
"""Shows the number of completed steps and a note."""


@contextmanager
def progress(title: str, *, total: int) -> Iterator[Advance]:
    """Show the progress of work of `total` steps on standard error.

    The bar disappears at the end. Without a terminal there is no output.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    console = Console(file=sys.stderr)
    # The caller refreshes: a thread of the library would disturb a measured run.
    with Progress(
        *columns,
        console=console,
        disable=not console.is_terminal,
        auto_refresh=False,
        # A file or a pipe receives its lines unchanged.
        redirect_stdout=sys.stdout.isatty(),
        transient=True,
    ) as bar:
        task = bar.add_task(title, total=total, note="")

        def advance(completed: int, note: str) -> None:
            bar.update(task, completed=completed, note=note, refresh=True)

        yield advance
