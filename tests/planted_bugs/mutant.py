"""A bug to plant, and the tests that are likely to find bugs."""

from dataclasses import dataclass

RULES = "tests/unit/rules"
STORE = "tests/engine/test_store.py"
AGREES = "tests/engine/test_store_agrees_with_rule.py"
PLANS = "tests/engine/test_plans.py"
RACES = "tests/engine/test_races.py"
REPEATS = "tests/engine/test_repeats.py"
RIVALS = "tests/engine/test_rivals_of_a_repeat.py"
LATE = "tests/engine/test_late_writes.py"
CLOCKS = "tests/engine/test_clocks.py"
WRITES = "tests/unit/storage/test_writes.py"
VERBS = "tests/unit/storage/test_verbs.py"
TABLE = "tests/unit/storage/test_table.py"
CALLS = "tests/unit/dynamodb/test_calls.py"
DEADLINE = "tests/unit/dynamodb/test_deadline.py"
GRACE = "tests/unit/test_grace.py"
TOKENS = "tests/unit/test_tokens.py"
OUTAGE = ("tests/faults/test_outage.py", "tests/faults/test_outage_limits.py")


@dataclass(frozen=True)
class Mutant:
    """A bug: the code that it replaces, and the tests that are likely to find it.

    The file is a path below `streams/`.
    """

    name: str
    file: str
    old: str
    new: str
    killers: tuple[str, ...]
