"""Releases of a stage that the real `zappa deploy` made, in an emulated AWS."""

from collections.abc import Callable, Iterator

import pytest

from deploy.rehearsal.acts import RELEASES
from deploy.rehearsal.emulator import emulated_aws
from deploy.rehearsal.stage import Rehearsal


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    with emulated_aws() as url:
        yield Rehearsal(url, tmp_path_factory.mktemp("releases"))


@pytest.mark.parametrize("act", RELEASES, ids=lambda act: act.__name__)
def test_the_rehearsal_holds(
    rehearsal: Rehearsal, act: Callable[[Rehearsal], None]
) -> None:
    """Play the acts in order, each on the state that the one before left."""
    act(rehearsal)
