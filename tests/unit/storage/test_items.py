"""Items: an account in DynamoDB's JSON and back."""

from dataclasses import replace
from typing import Any

import pytest

from streams.errors import ItemUnreadable
from streams.rules import (
    Account,
    Ending,
    Entitlement,
    Lease,
    Reason,
    WhenFull,
)
from streams.storage import items
from streams.storage.table import account_of, lease_of
from tests.builders import NOW
from tests.unit.storage.builders import stored

FULL_LEASE = Lease(
    id="tv",
    stream_id="film",
    device_id="d",
    device_name="Living room",
    device_type="tv",
    title="A film",
    metadata={
        "kids": True,
        "season": 2,
        "score": 1.5,
        "genre": "drama",
    },
    network="home",
    started_at=NOW,
    expires_at=NOW + 60_000,
    epoch=NOW * 1000,
    nonce="abc",
    prior_expires_at=NOW - 5,
    entitlement=Entitlement(limit=0, plan="family"),
    revived_from=NOW + 1,
    revived_to=NOW + 2,
    paused_at=NOW + 3,
)
PLAIN_LEASE = Lease(
    id="b",
    stream_id="",
    started_at=1,
    expires_at=2,
    epoch=3,
)
FULL_ACCOUNT = Account(
    version=7,
    leases={"tv": FULL_LEASE, "b": PLAIN_LEASE},
    ended={
        "x": Ending(
            reason=Reason.EVICTED,
            at=NOW,
            epoch=5,
            by="tv",
        ),
        "y": Ending(reason=Reason.STOPPED, at=NOW + 1, epoch=6),
    },
    limit=0,
    plan="family",
    when_full=WhenFull.EVICT_OLDEST,
    theoretical_arrival_at=NOW + 9,
)


def test_every_field_of_an_account_is_stored_and_read() -> None:
    assert account_of(stored(FULL_ACCOUNT)) == FULL_ACCOUNT


def test_an_account_without_data_is_stored_and_read() -> None:
    assert account_of(stored(Account(version=3))) == Account(version=3)


def test_an_item_without_an_arrival_time_has_none() -> None:
    item = stored(Account(version=3, theoretical_arrival_at=5))
    del item["m"]

    assert account_of(item).theoretical_arrival_at == 0


def test_the_last_writes_are_read_latest_first() -> None:
    item = stored(
        Account(version=3),
        w1={"S": "c"},
        w2={"S": "b"},
    )
    assert account_of(item).recent_writes == (
        "c",
        "b",
    )


def test_a_device_id_that_equals_the_id_takes_one_byte() -> None:
    lease = replace(PLAIN_LEASE, device_id="b")
    item = items.lease_item(lease)

    assert item["M"]["i"] == {"BOOL": True}
    assert items.lease("b", item, prior_expires_at=0) == lease


def test_absent_values_take_no_space() -> None:
    assert items.lease_item(PLAIN_LEASE)["M"].keys() == {
        "s",
        "a",
        "e",
        "n",
        "k",
    }


def test_one_lease_is_read_without_the_others() -> None:
    item = stored(FULL_ACCOUNT)

    assert lease_of(item, "tv") == FULL_LEASE
    assert lease_of(item, "zzz") is None


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_is_stored_and_read(
    reason: Reason,
) -> None:
    """An eviction always names the stream for which it happened."""
    by = "tv" if reason is Reason.EVICTED else None
    ended = {"x": Ending(reason=reason, at=NOW, epoch=5, by=by)}
    account = Account(version=1, ended=ended)

    assert account_of(stored(account)) == account


@pytest.mark.parametrize(
    ("attribute", "path"),
    [
        ("deviceType", ("y",)),
        ("metadata.genre", ("x", "genre")),
        ("network", ("w",)),
    ],
)
def test_an_attribute_has_its_place_in_a_stored_lease(
    attribute: str, path: tuple[str, ...]
) -> None:
    assert items.path_of(attribute) == path


CORRUPT: dict[str, dict[str, Any]] = {
    "leases are a list": {"l": {"L": []}},
    "leases are a number": {"l": {"N": "1"}},
    "a lease is a text": {"l": {"M": {"tv": {"S": "x"}}}},
    "a lease without fields": {"l": {"M": {"tv": {"M": {}}}}},
    "priors are a text": {"p": {"S": "x"}},
    "endings are a list": {"d": {"L": []}},
    "an ending without fields": {"d": {"M": {"x": {"M": {}}}}},
    "a behaviour when full that is a number": {"when_full": {"N": "1"}},
    "a limit that is a text": {"limit": {"S": "many"}},
    "a limit that is a map": {"limit": {"M": {}}},
    "a negative limit": {"limit": {"N": "-1"}},
    "a version that is a text": {"version": {"S": "x"}},
    "an arrival time that is a text": {"m": {"S": "x"}},
    "a plan that is a number": {"plan": {"N": "1"}},
    "two types at once": {"version": {"N": "1", "S": "1"}},
    "no type": {"version": {}},
    "a version that is no number": {"version": {"N": "1e"}},
    "the first format without epochs": {"leases": {"M": {}}},
}


@pytest.mark.parametrize("kind", CORRUPT)
def test_an_item_that_this_service_cannot_have_written_is_unreadable(
    kind: str,
) -> None:
    with pytest.raises(ItemUnreadable):
        account_of(stored(FULL_ACCOUNT) | CORRUPT[kind])


@pytest.mark.parametrize("name", ["version", "l", "p", "d"])
def test_an_item_that_lacks_an_attribute_is_unreadable(
    name: str,
) -> None:
    item = stored(FULL_ACCOUNT)
    del item[name]

    with pytest.raises(ItemUnreadable):
        account_of(item)


@pytest.mark.parametrize("value", [{"S": "x"}, {"M": {}}, {"L": []}, {"N": "1.5"}])
@pytest.mark.parametrize("name", ["a", "e", "n", "g", "z", "f", "u"])
def test_a_lease_whose_number_has_another_type_is_unreadable(
    name: str, value: dict[str, Any]
) -> None:
    item = stored(FULL_ACCOUNT)
    item["l"]["M"]["tv"]["M"][name] = value

    with pytest.raises(ItemUnreadable):
        account_of(item)


@pytest.mark.parametrize(
    ("name", "value"),
    [("x", {"S": "x"}), ("s", {"N": "1"}), ("y", {"M": {}}), ("k", {"BOOL": True})],
)
def test_a_lease_whose_text_or_map_has_another_type_is_unreadable(
    name: str, value: dict[str, Any]
) -> None:
    item = stored(FULL_ACCOUNT)
    item["l"]["M"]["tv"]["M"][name] = value

    with pytest.raises(ItemUnreadable):
        account_of(item)


@pytest.mark.parametrize("name", ["t", "n"])
def test_an_ending_whose_number_is_a_text_is_unreadable(name: str) -> None:
    item = stored(FULL_ACCOUNT)
    item["d"]["M"]["x"]["M"][name] = {"S": "x"}

    with pytest.raises(ItemUnreadable):
        account_of(item)
