"""The bugs of `make mutants` can still be planted."""

import pytest

from tests.mutants import MUTANTS, Mutant, applied


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_bug_has_its_place_in_the_code(mutant: Mutant) -> None:
    compile(applied(mutant), mutant.file, "exec")
