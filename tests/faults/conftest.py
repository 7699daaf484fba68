"""Fixtures of the tests under faults."""

from collections.abc import Iterator
from typing import Any

import pytest

from streams import grace
from streams.conf import settings as configured
from streams.dynamodb import calls
from tests.faults.client import through
from tests.faults.outages import Store
from tests.faults.proxy import proxying


@pytest.fixture
def store(settings: Any) -> Iterator[Store]:
    """Yield a store that can fail, under a service that grants grace leases."""
    settings.WHEN_STORE_IS_DOWN = "open"
    settings.DEADLINE_SECONDS = 2
    grace.forget()
    with (
        proxying(str(configured.DYNAMODB_ENDPOINT)) as proxy,
        through(proxy, call_seconds=0.5) as network,
    ):
        calls.reset_circuit()
        yield Store(network)

    grace.forget()
    calls.reset_circuit()
