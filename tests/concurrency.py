"""Threads and processes that act at the same time."""

import os
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from streams.errors import (
    StoreContended,
    StreamEnded,
    StreamLimitReached,
    StreamNotFound,
)


def hammer(jobs: Sequence[Callable[[], Any]], *, threads: int = 32) -> Counter[str]:
    """Run the jobs on threads that start together, and count the outcomes."""
    jobs = random.Random(7).sample(jobs, len(jobs))
    gate = threading.Barrier(threads)

    def work(share: Sequence[Callable[[], Any]]) -> Counter[str]:
        gate.wait()
        return Counter(run(job) for job in share)

    def run(job: Callable[[], Any]) -> str:
        try:
            job()
        except (
            StreamLimitReached,
            StreamEnded,
            StreamNotFound,
            StoreContended,
        ) as refusal:
            return type(refusal).__name__
        return "done"

    with ThreadPoolExecutor(threads) as pool:
        return sum(
            pool.map(work, [jobs[number::threads] for number in range(threads)]),
            Counter(),
        )


def together(count: int, call: Any) -> list[Any]:
    """Call from several threads at once and return the answers."""
    got: list[Any] = [None] * count

    def run(number: int) -> None:
        try:
            got[number] = call(number)
        except Exception as exc:
            got[number] = exc

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got


@contextmanager
def forked() -> Iterator[bool]:
    """Run the block in a child process, which gets true, and then in its parent.

    The parent fails if the child fails.
    """
    child = os.fork()
    if child == 0:
        status = 1
        with suppress(BaseException):
            yield True
            status = 0
        os._exit(status)
    try:
        yield False
    finally:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
