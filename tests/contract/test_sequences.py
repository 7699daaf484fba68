"""Random sequences of calls: one order explains each of them."""

import time

import pytest

from tests.contract.hunt import Hunt

pytestmark = pytest.mark.engine

AT_MOST_SECONDS = 20
PROGRAMS = 40
CATALOGUES = ("denying", "evicting")


@pytest.mark.parametrize("catalogue", CATALOGUES)
@pytest.mark.parametrize("with_faults", [False, True], ids=["faultless", "faults"])
def test_one_order_explains_every_answer(catalogue: str, *, with_faults: bool) -> None:
    hunt = Hunt(
        catalogue,
        until=time.monotonic() + AT_MOST_SECONDS,
        seed=25,
        with_faults=with_faults,
    )
    hunt.run(max_programs=PROGRAMS)
    assert hunt.smallest is None, str(hunt)
    assert hunt.programs > 0
