"""The check finds planted bugs: pairs in one scene suffice for each."""

import pytest

from tests.contract.pairs import Figures, run_pair, run_scene
from tests.contract.planted import BUGS

pytestmark = pytest.mark.engine

MAX_PAIRS = 300
ENOUGH = 1
"""Unexplained pairs. It must be explained without the bug."""


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str) -> None:
    bug = BUGS[name]
    figures = Figures(max_unexplained=ENOUGH)
    with bug.plant():
        run_scene(
            bug.scene,
            figures,
            modes=bug.modes,
            deeds=bug.deeds,
            seed=25,
            count=MAX_PAIRS,
        )
    assert any(run_pair(pair).finds_order() for pair in figures.unexplained)
