"""Growth: what a verb costs against the rows in the table, the slots that a user holds and the user's limit.

Warm calls through the Lambda entry point, one at a time, the points of an axis taking turns; median wall and processor
microseconds, and the ratios to the axis's first point in the same rounds."""

from concurrent.futures import ThreadPoolExecutor

from bench.engines import calls_to
from bench.scene import BATCH, TABLE, connect, create_table, environment
from bench.warm import Measured, in_turns
from bench.workers import Figures, Side, Worker, progress, running

ROWS = (1, 1_000, 10_000, 100_000, 1_000_000)
HELD = (0, 1, 3, 10, 25, 50)
LIMITS = (1, 3, 10, 30, 100)
HIGHEST_LIMIT = 100
WRITERS = 4
ROUNDS, CALLS = 12, 12


def measure(endpoint: str) -> Figures:
    """`{axis: {verb: {point: {"cpu_us", "wall_us", "wall_us_ratio", …}}}}`."""
    client = connect(endpoint)
    for rows in ROWS:
        create_table(client, _table(rows))
        _fill(
            endpoint, _table(rows), rows - 1
        )  # the user that is measured is the last one
    tables = {
        rows: Side("service", environment(endpoint, _table(rows))) for rows in ROWS
    }
    with running(tables) as workers:
        by_rows = _axis(
            "rows", {str(rows): _once(worker) for rows, worker in workers.items()}
        )
    with running({TABLE: Side("service", environment(endpoint))}) as workers:
        worker = workers[TABLE]
        by_held = _axis(
            "slots held", {str(held): _holding(worker, held) for held in HELD}
        )
        by_limit = _axis(
            "limit", {str(limit): _limited(worker, limit) for limit in LIMITS}
        )
    return {"rows in the table": by_rows, "slots held": by_held, "limit": by_limit}


def _table(rows: int) -> str:
    return f"Rows-{rows}"


def _once(worker: Worker) -> Measured:
    return lambda verb: worker.measure(verb=verb, number=1)


def _holding(worker: Worker, held: int) -> Measured:
    """Of a user who holds so many slots, all of them where a start is denied."""
    return lambda verb: worker.measure(
        verb=verb,
        number=1,
        held=held,
        limit=held if verb == "denial" else HIGHEST_LIMIT,
    )


def _limited(worker: Worker, limit: int) -> Measured:
    """Of a user with such a limit who holds nothing; all there is, where a start is denied."""
    return lambda verb: worker.measure(
        verb=verb, number=1, held=limit if verb == "denial" else 0, limit=limit
    )


def _axis(name: str, points: dict[str, Measured]) -> Figures:
    return in_turns(f"growth with {name}", points, rounds=ROUNDS, turns=CALLS)


def _fill(endpoint: str, table: str, rows: int) -> None:
    """So many rows of other users, as many at a time as a call takes."""
    progress(f"growth: filling a table with {rows:,} rows")
    call = calls_to(endpoint, at_once=WRITERS)

    def put(first: int) -> None:
        keys = [f"filler-{number}" for number in range(first, min(first + BATCH, rows))]
        writes = [{"PutRequest": {"Item": {"user_id": {"S": key}}}} for key in keys]
        if call("BatchWriteItem", {"RequestItems": {table: writes}})[
            "UnprocessedItems"
        ]:
            raise RuntimeError(f"the engine did not take the rows of {table}")

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(put, range(0, rows, BATCH)))
