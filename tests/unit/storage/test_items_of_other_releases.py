"""Items of another release: each write keeps what this release does not know."""

from dataclasses import replace
from typing import Any

import pytest

from streams.rules import Account, Ending, Lease, Reason, WhenFull
from streams.storage import items
from streams.storage.table import account_of
from tests.builders import NOW, plans_of
from tests.unit.storage.builders import stored

LATER: dict[str, Any] = {"zz": {"S": "new"}, "zy": {"M": {"deep": {"L": []}}}}
LATER_METADATA: dict[str, Any] = {
    "a list": {"L": [{"N": "1"}]},
    "an object": {"M": {"a": {"S": "b"}}},
    "null": {"NULL": True},
    "a set": {"SS": ["a", "b"]},
}

LEASE = Lease(
    id="tv",
    stream_id="film",
    metadata={"genre": "drama"},
    started_at=NOW,
    expires_at=NOW + 60_000,
    epoch=NOW * 1000,
)
ACCOUNT = Account(
    version=7,
    leases={"tv": LEASE},
    ended={"x": Ending(reason=Reason.EVICTED, at=NOW, epoch=5, by="tv")},
    when_full=WhenFull.EVICT_OLDEST,
)


def later_item() -> dict[str, Any]:
    """Return an item to which another release has added something at every level."""
    item = stored(ACCOUNT, **LATER)
    lease = item["l"]["M"]["tv"]["M"]
    lease |= LATER
    lease["x"]["M"] |= LATER_METADATA
    ending = item["d"]["M"]["x"]["M"]
    ending |= LATER
    ending["r"] = {"S": "a later reason"}
    item["when_full"] = {"S": "a later behaviour"}
    return item


def test_what_this_release_does_not_know_is_stored_again() -> None:
    item = later_item()
    account = account_of(item)
    written = stored(account)

    assert written == {name: item[name] for name in written}


def test_changes_of_a_lease_keep_what_this_release_does_not_know() -> None:
    lease = account_of(later_item()).leases["tv"]
    changed = replace(lease, expires_at=NOW + 90_000, paused_at=NOW, metadata={})

    fields = items.lease_item(changed)["M"]
    assert fields["zz"] == LATER["zz"]
    assert fields["x"] == {"M": LATER_METADATA}
    assert fields["e"] == {"N": str(NOW + 90_000)}


def test_a_lease_and_an_ending_are_equal_whatever_another_release_added() -> None:
    account = account_of(later_item())
    ending = account.ended["x"]

    assert account.leases["tv"] == LEASE
    assert replace(ending, reason=Reason.EVICTED) == ACCOUNT.ended["x"]


def test_a_reason_of_another_release_is_read_as_a_stop() -> None:
    assert account_of(later_item()).ended["x"].reason is Reason.STOPPED


def test_a_behaviour_of_another_release_denies() -> None:
    """Also where the plan evicts: to end a stream needs a reason to do so."""
    account = account_of(later_item())
    plans = plans_of(when_full=WhenFull.EVICT_OLDEST)

    assert account.when_full == "a later behaviour"
    assert account.effective_plan(plans).when_full is WhenFull.DENY


def test_attributes_of_another_release_are_known_by_name() -> None:
    assert account_of(later_item()).unknown_attributes == ("zy", "zz")
    assert account_of(stored(ACCOUNT)).unknown_attributes == ()


@pytest.mark.parametrize("value", LATER_METADATA.values(), ids=LATER_METADATA)
def test_metadata_of_an_unknown_kind_is_not_shown(value: dict[str, Any]) -> None:
    item = stored(ACCOUNT)
    item["l"]["M"]["tv"]["M"]["x"]["M"]["later"] = value

    lease = account_of(item).leases["tv"]
    assert lease.metadata == {"genre": "drama"}
