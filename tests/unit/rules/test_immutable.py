"""Values: compared by their fields, and kept from changes by mypy."""

from dataclasses import replace

import pytest

from streams.rules import immutable


@immutable
class Point:
    """A value with two fields."""

    x: int
    y: int = 0


def test_values_are_equal_if_their_fields_are() -> None:
    assert Point(x=1) == Point(x=1, y=0)
    assert Point(x=1) != Point(x=2)


def test_equal_values_are_one_key() -> None:
    assert {Point(x=1): "a", Point(x=1): "b"} == {Point(x=1): "b"}


def test_a_replaced_field_leaves_the_value_as_it_was() -> None:
    point = Point(x=1)
    assert replace(point, y=2) == Point(x=1, y=2)
    assert point == Point(x=1)


def test_a_value_has_no_further_fields() -> None:
    with pytest.raises(AttributeError):
        Point(x=1).z = 3  # type: ignore[attr-defined]


def test_type_checkers_reject_a_change_of_a_field() -> None:
    assert immutable.__dataclass_transform__["frozen_default"]  # type: ignore[attr-defined]
