"""A random share of all pairs of calls: one order explains each of them."""

import time

import pytest

from tests.contract.pairs import Figures, run_scene
from tests.contract.scenes import SCENES

pytestmark = pytest.mark.engine

PAIRS_SECONDS = 1.5
"""At most, per scene."""


@pytest.mark.parametrize("scene", SCENES)
def test_one_order_explains_both_answers_and_the_state(scene: str) -> None:
    figures = Figures()
    until = time.monotonic() + PAIRS_SECONDS
    run_scene(scene, figures, share=0.01, seed=25, until=until)

    assert figures.pairs.total() > 5
    ids = "\n".join(map(str, figures.unexplained))
    first = next(iter(figures.unexplained.values()), "")
    assert not figures.unexplained, f"{ids}\n\n{first}"
