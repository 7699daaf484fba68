"""The bugs that `tests.mutants` plants, and the tests that are likely to find them."""

from tests.planted_bugs.conditions import CONDITIONS
from tests.planted_bugs.mutant import Mutant
from tests.planted_bugs.outages import OUTAGES
from tests.planted_bugs.rules import RULES_OF_STREAMS, WRONG_CLOCKS
from tests.planted_bugs.storage import STORAGE

__all__ = ["MUTANTS", "Mutant"]

MUTANTS = CONDITIONS + RULES_OF_STREAMS + STORAGE + OUTAGES + WRONG_CLOCKS
