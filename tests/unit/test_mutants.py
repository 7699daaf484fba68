"""The bugs of `make mutants` can still be planted."""

import pytest

from tests.mutants import applied, path_of
from tests.planted_bugs import MUTANTS, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_bug_has_its_place_in_the_code(mutant: Mutant) -> None:
    compile(applied(mutant), str(path_of(mutant)), "exec")
