"""Measures growth: the cost of a verb as the table, the user's slots or the limit grow.

Warm calls through the Lambda entry point, one at a time. The points of an axis take
turns. The figures are median wall and processor microseconds, and ratios to the axis's
first point in the same rounds.
"""

from concurrent.futures import ThreadPoolExecutor

from bench.engines import Call, calls_to
from bench.scene import BATCH, TABLE, connect, create_table, environment
from bench.warm import Slice, in_turns
from bench.workers import Figures, Side, Worker, progress, running

TABLE_SIZES = (1, 1_000, 10_000, 100_000, 1_000_000)
SLOTS_HELD = (0, 1, 3, 10, 25, 50)
LIMITS = (1, 3, 10, 30, 100)
HIGHEST_LIMIT = 100
WRITERS = 4
ROUNDS = 12
CALLS = 12

ITEMS_AXIS = "items in the table"
SLOTS_AXIS = "slots held"
LIMIT_AXIS = "limit"


def measure(endpoint: str) -> Figures:
    """Measure the three axes.

    Returns `{axis: {verb: {point: {"cpu_us", "wall_us", "wall_us_ratio", …}}}}`.
    """
    _create_tables(endpoint)
    sides = {
        size: Side("service", environment(endpoint, _table_of(size)))
        for size in TABLE_SIZES
    }
    with running(sides) as workers:
        by_size = {str(size): _plain(worker) for size, worker in workers.items()}
        items_figures = _axis(ITEMS_AXIS, by_size)

    with running({TABLE: Side("service", environment(endpoint))}) as workers:
        worker = workers[TABLE]
        by_slots = {str(held): _with_slots(worker, held) for held in SLOTS_HELD}
        slots_figures = _axis(SLOTS_AXIS, by_slots)
        by_limit = {str(limit): _with_limit(worker, limit) for limit in LIMITS}
        limit_figures = _axis(LIMIT_AXIS, by_limit)

    return {
        ITEMS_AXIS: items_figures,
        SLOTS_AXIS: slots_figures,
        LIMIT_AXIS: limit_figures,
    }


def _axis(name: str, points: dict[str, Slice]) -> Figures:
    return in_turns(f"growth with {name}", points, rounds=ROUNDS, turns=CALLS)


def _plain(worker: Worker) -> Slice:
    """Return a slice that measures one call of a user without streams."""
    return lambda verb: worker.measure(verb=verb, number=1)


def _with_slots(worker: Worker, held: int) -> Slice:
    """Return a slice for a user who holds a number of slots.

    For a denial the limit equals the slots that are held.
    """
    return lambda verb: worker.measure(
        verb=verb,
        number=1,
        held=held,
        limit=held if verb == "denial" else HIGHEST_LIMIT,
    )


def _with_limit(worker: Worker, limit: int) -> Slice:
    """Return a slice for a user with this limit.

    For a denial the user holds every slot, otherwise no slot.
    """
    return lambda verb: worker.measure(
        verb=verb,
        number=1,
        held=limit if verb == "denial" else 0,
        limit=limit,
    )


def _create_tables(endpoint: str) -> None:
    """Create and fill a table of each size. The measured user is its last item."""
    client = connect(endpoint)
    call = calls_to(endpoint, connections=WRITERS)
    for size in TABLE_SIZES:
        table = _table_of(size)
        create_table(client, table)
        _fill(call, table, size - 1)


def _table_of(size: int) -> str:
    return f"Items-{size}"


def _fill(call: Call, table: str, items: int) -> None:
    """Write items of other users, in batches."""
    progress(f"growth: filling a table with {items:,} items")

    def put_batch(first: int) -> None:
        last = min(first + BATCH, items)
        keys = [f"filler-{number}" for number in range(first, last)]
        writes = [{"PutRequest": {"Item": {"user_id": {"S": key}}}} for key in keys]
        answer = call("BatchWriteItem", {"RequestItems": {table: writes}})
        if answer["UnprocessedItems"]:
            raise RuntimeError(f"the engine did not write all items of {table}")

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(put_batch, range(0, items, BATCH)))
