"""Every verb under every fault: the answer is true, and the holders can continue.

`make faults` runs the whole matrix: each fault at each request of a verb, for this
request only and from there on.
"""

import time
from collections.abc import Iterator

import pytest

from streams.conf import settings
from tests.faults.matrix import TO_ANSWER_SECONDS, Bench, Case, bench, slice_of
from tests.faults.proxy import FAULTS, Fault
from tests.faults.verbs import VERBS

ENDPOINT = str(settings.DYNAMODB_ENDPOINT)


@pytest.fixture(scope="module")
def under_faults() -> Iterator[Bench]:
    with bench(ENDPOINT) as running:
        yield running


@pytest.fixture(scope="module")
def results(under_faults: Bench) -> dict[str, list[Case]]:
    """Return the cases of a slice of the matrix, by kind of fault."""
    by_fault: dict[str, list[Case]] = {kind: [] for kind in FAULTS}
    for case in under_faults.run_all(slice_of(under_faults)):
        by_fault[case.fault.kind].append(case)
    return by_fault


@pytest.mark.parametrize("kind", FAULTS)
def test_answers_are_true_and_in_time_and_holders_continue(
    results: dict[str, list[Case]], kind: str
) -> None:
    assert {case.verb for case in results[kind]} == VERBS.keys()
    assert [
        (case.verb, str(case.fault), case.wrong) for case in results[kind] if case.wrong
    ] == []


def test_a_single_fault_is_rarely_visible(results: dict[str, list[Case]]) -> None:
    once = [
        case
        for of_kind in results.values()
        for case in of_kind
        if not case.fault.onwards
    ]
    assert sum(case.status != 503 for case in once) > 0.75 * len(once)


def test_an_answer_takes_at_most_8_5_seconds_in_production(
    user_id: str,
) -> None:
    with bench(ENDPOINT, call_seconds=2, deadline_seconds=8) as running:
        running.network.set(user_id, Fault("dripped"))
        began = time.monotonic()
        response = running.api.get(f"/users/{user_id}/streams")
        assert time.monotonic() - began < 8 + TO_ANSWER_SECONDS
        assert response.json()["type"] == "store-unavailable"
