"""The check finds planted bugs: pairs in one scene suffice for each."""

import time

import pytest

from tests.contract.pairs import Figures, run_pair, run_scene
from tests.contract.planted import BUGS

pytestmark = pytest.mark.engine

AT_MOST_SECONDS = 15
ENOUGH = 3
"""Unexplained pairs, of which one must be explained without the bug."""


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str) -> None:
    bug = BUGS[name]
    figures = Figures(max_unexplained=ENOUGH)
    with bug.plant():
        until = time.monotonic() + AT_MOST_SECONDS
        run_scene(bug.scene, figures, share=0.5, modes=bug.modes, seed=25, until=until)
    assert any(run_pair(pair).finds_order() for pair in figures.unexplained)
