"""Random pairs of calls: one order explains each of them."""

import pytest

from tests.contract.pairs import Figures, run_scene
from tests.contract.scenes import SCENES

pytestmark = pytest.mark.engine

PAIRS = 15
"""Per scene."""


@pytest.mark.parametrize("scene", SCENES)
def test_one_order_explains_both_answers_and_the_state(scene: str) -> None:
    figures = Figures()
    run_scene(scene, figures, seed=25, count=PAIRS)

    assert figures.pairs.total() == PAIRS
    ids = "\n".join(map(str, figures.unexplained))
    first = next(iter(figures.unexplained.values()), "")
    assert not figures.unexplained, f"{ids}\n\n{first}"
