"""The checker of histories finds impossible answers, and accepts possible ones."""

import pytest

from tests.faults.exchanged import Exchanged
from tests.faults.histories import A, B, history, limit, renew, start
from tests.faults.impossible_histories import TOO_LATE, VIOLATIONS
from tests.faults.possible_histories import POSSIBLE


@pytest.mark.parametrize(("operations", "message"), VIOLATIONS.values(), ids=VIOLATIONS)
def test_an_impossible_answer_is_found_and_shown_in_few_calls(
    operations: list[Exchanged], message: str
) -> None:
    noise = [start("z", -20_000), Exchanged("list", -9000, "", -8990, 200)]
    whole = history(*noise, *operations)

    assert (whole.wrong(operations[-1]) or "").startswith(message)
    assert [one for one in operations[:-1] if whole.wrong(one)] == []
    assert set(map(id, whole.shortest(operations[-1]))) <= set(map(id, operations))


@pytest.mark.parametrize(("operations", "message"), TOO_LATE.values(), ids=TOO_LATE)
def test_a_call_that_is_too_late_does_not_explain_an_answer(
    operations: list[Exchanged], message: str
) -> None:
    whole = history(*operations, late_ms=10_000, skew_ms=30)
    assert (whole.wrong(operations[-1]) or "").startswith(message)


@pytest.mark.parametrize(("operations", "clocks"), POSSIBLE.values(), ids=POSSIBLE)
def test_possible_answers_are_accepted(
    operations: list[Exchanged], clocks: dict[str, int]
) -> None:
    whole = history(*operations, **clocks)
    assert [
        (str(one), whole.wrong(one)) for one in operations if whole.wrong(one)
    ] == []


def test_only_calls_that_cannot_affect_a_later_call_are_dropped() -> None:
    at_once, last, of_b = limit(4, -505), limit(3, -500), renew(B, 900)
    whole = history(limit(5, -900), at_once, last, A, B, of_b)
    whole.forget(before=500)
    assert whole.operations == [at_once, last, B, of_b]
