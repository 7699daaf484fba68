"""The size of a typical item."""

import pytest

from capacity.items import typical_item_sizes


@pytest.mark.parametrize("streams", [1, 2, 3])
def test_an_item_of_ordinary_text_costs_one_write_unit(streams: int) -> None:
    assert typical_item_sizes().bytes_of(streams) <= 1024


def test_some_stops_drop_old_endings() -> None:
    assert 0.2 < typical_item_sizes().forgetting_share < 0.5
