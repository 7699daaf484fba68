"""While the keys of tokens change, two releases have another one first."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from streams import edge_tokens
from streams.rules import Plans, Rule
from streams.wsgi import placed
from streams_project.wsgi import application
from tests.builders import plans_of
from tests.wsgi_servers import serving

OLD = "the-old-key-of-lease-tokens-0123456789-abc"
NEW = "the-new-key-of-lease-tokens-9876543210-xyz"
HASH_KEY = "the-key-of-hashes-that-never-changes-13579"

ONE_NETWORK = Rule(name="one-network", distinct="network", limit=1)
ONE_PER_NETWORK = Rule(name="one-per-network", per="network", limit=1)
HOME = "203.0.113.7"
ELSEWHERE = "198.51.100.1"

type Start = Callable[..., int]


@pytest.fixture
def start(settings: Any, user_id: str) -> Iterator[Start]:
    """Yield a function that starts a stream from an address; it returns the status."""
    settings.TRUSTED_PROXIES = 1
    settings.PLANS = plans_of(rules=(ONE_NETWORK,))
    with (
        serving(placed(application)) as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):

        def start(id: str, *, address: str, keys: list[str], plans: Plans) -> int:
            settings.LEASE_TOKEN_KEYS = keys
            settings.PLANS = plans
            answer = client.put(
                f"/users/{user_id}/streams/{id}",
                json={"streamId": f"film of {id}"},
                headers={"X-Forwarded-For": address},
            )
            return answer.status_code

        yield start


@pytest.mark.parametrize("has_hash_key", [True, False], ids=["hash key", "none"])
@pytest.mark.parametrize(
    ("first", "second"),
    [([OLD, NEW], [NEW, OLD]), ([NEW, OLD], [OLD, NEW]), ([OLD], [OLD, NEW])],
    ids=["new key signs", "and back", "new key is known"],
)
def test_a_household_stays_one_network(
    settings: Any,
    start: Start,
    first: list[str],
    second: list[str],
    has_hash_key: bool,
) -> None:
    if has_hash_key:
        settings.HASH_KEY = HASH_KEY
    plans = plans_of(limit=9, rules=(ONE_NETWORK,))

    def start_at(id: str, address: str, keys: list[str]) -> int:
        return start(id, address=address, keys=keys, plans=plans)

    assert start_at("tv", HOME, first) == 201
    assert start_at("phone", HOME, second) == 201
    assert start_at("laptop", HOME, first) == 201
    assert start_at("tablet", ELSEWHERE, second) == 409
    assert start_at("tablet", ELSEWHERE, first) == 409


@pytest.mark.parametrize("has_hash_key", [True, False], ids=["hash key", "none"])
def test_a_limit_per_network_stays_closed(
    settings: Any, start: Start, has_hash_key: bool
) -> None:
    if has_hash_key:
        settings.HASH_KEY = HASH_KEY
    plans = plans_of(limit=9, rules=(ONE_PER_NETWORK,))

    def start_at(id: str, address: str, keys: list[str]) -> int:
        return start(id, address=address, keys=keys, plans=plans)

    assert start_at("tv", HOME, [OLD, NEW]) == 201
    assert start_at("phone", HOME, [NEW, OLD]) == 409
    assert start_at("phone", ELSEWHERE, [NEW, OLD]) == 201
    assert start_at("laptop", ELSEWHERE, [OLD, NEW]) == 409


def test_with_a_hash_key_a_household_outlives_the_removal_of_the_old_key(
    settings: Any, start: Start
) -> None:
    settings.HASH_KEY = OLD
    plans = plans_of(limit=9, rules=(ONE_NETWORK,))
    for id, keys in (("a", [OLD]), ("b", [OLD, NEW]), ("c", [NEW, OLD]), ("d", [NEW])):
        assert start(id, address=HOME, keys=keys, plans=plans) == 201


def test_with_a_hash_key_the_subject_of_edge_tokens_stays_the_same(
    settings: Any,
) -> None:
    settings.HASH_KEY = OLD
    subjects = set()
    for keys in ([OLD], [OLD, NEW], [NEW, OLD], [NEW]):
        settings.LEASE_TOKEN_KEYS = keys
        subjects.add(edge_tokens._subject("ana"))

    assert len(subjects) == 1
