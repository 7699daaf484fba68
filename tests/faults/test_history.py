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
    *earlier, last = operations
    old_start = start("z", -20_000)
    old_list = Exchanged("list", -9000, "", -8990, 200)
    whole = history(old_start, old_list, *operations)

    wrong = whole.wrong(last) or ""
    assert wrong.startswith(message)
    assert [call for call in earlier if whole.wrong(call)] == []

    shown = whole.shortest(last)
    assert set(shown) <= set(operations)


@pytest.mark.parametrize(("operations", "message"), TOO_LATE.values(), ids=TOO_LATE)
def test_a_call_that_is_too_late_does_not_explain_an_answer(
    operations: list[Exchanged], message: str
) -> None:
    whole = history(*operations, late_ms=10_000, skew_ms=30)
    wrong = whole.wrong(operations[-1]) or ""
    assert wrong.startswith(message)


@pytest.mark.parametrize(("operations", "clocks"), POSSIBLE.values(), ids=POSSIBLE)
def test_possible_answers_are_accepted(
    operations: list[Exchanged], clocks: dict[str, int]
) -> None:
    whole = history(*operations, **clocks)
    answers = [(str(call), whole.wrong(call)) for call in operations]
    assert [(call, wrong) for call, wrong in answers if wrong] == []


def test_only_calls_that_cannot_affect_a_later_call_are_dropped() -> None:
    forgotten = limit(5, -900)
    at_once = limit(4, -505)
    last = limit(3, -500)
    of_b = renew(B, 900)

    whole = history(forgotten, at_once, last, A, B, of_b)
    whole.forget(before=500)
    assert whole.operations == [at_once, last, B, of_b]
