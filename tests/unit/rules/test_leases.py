"""Leases and the requests for them."""

from dataclasses import fields
from typing import Any

import pytest

from streams.rules import EPOCHS_PER_MS, Entitlement, Reason, StartRequest
from streams.rules.leases import age, last_epoch_of
from tests.builders import LEASE_MS, NOW
from tests.unit.rules.builders import lease

DESCRIPTION: dict[str, Any] = {
    "id": "tv",
    "stream_id": "film",
    "device_id": "d",
    "device_name": "Living room",
    "device_type": "tv",
    "title": "A film",
    "metadata": {"genre": "drama"},
    "network": "home",
}


@pytest.mark.parametrize(
    ("now", "is_live"),
    [(NOW + LEASE_MS - 1, True), (NOW + LEASE_MS, False)],
    ids=[
        "a millisecond before it expires",
        "when it expires",
    ],
)
def test_a_lease_is_live_until_the_instant_when_it_expires(
    now: int, is_live: bool
) -> None:
    assert lease().is_live(now) is is_live


@pytest.mark.parametrize(
    ("prior_expires_at", "took_over"),
    [(0, False), (NOW, False), (NOW + 1, True)],
    ids=["a free slot", "a ghost", "a live stream"],
)
def test_a_lease_took_over_if_its_predecessor_was_live(
    prior_expires_at: int, took_over: bool
) -> None:
    assert lease(prior_expires_at=prior_expires_at).took_over is took_over


def test_the_expiry_of_a_lease_has_its_epoch_and_the_instant_when_it_expires() -> None:
    expiry = lease(epoch=7).expiry
    assert (
        expiry.reason,
        expiry.at,
        expiry.epoch,
        expiry.by,
    ) == (
        Reason.EXPIRED,
        NOW + LEASE_MS,
        7,
        None,
    )


def test_a_lease_has_the_description_of_its_request() -> None:
    request = StartRequest(
        **DESCRIPTION,
        nonce="n",
        epoch=7,
        entitlement=Entitlement(2, "family"),
    )
    granted = request.lease(now=NOW, lease_ms=5, prior_expires_at=3)
    values = {field.name: getattr(granted, field.name) for field in fields(granted)}

    assert values == DESCRIPTION | {
        "started_at": NOW,
        "expires_at": NOW + 5,
        "epoch": 7,
        "nonce": "n",
        "prior_expires_at": 3,
        "entitlement": Entitlement(2, "family"),
        "revived_from": 0,
        "revived_to": 0,
        "paused_at": 0,
        "pace": None,
        "unknown": {},
    }


def test_a_lease_replaces_nothing_unless_the_call_says_so() -> None:
    request = StartRequest(id="tv", stream_id="film", epoch=7)
    granted = request.lease(now=NOW, lease_ms=5, epoch=0)

    assert (granted.prior_expires_at, granted.epoch) == (
        0,
        0,
    )


def test_a_request_replaces_nothing_and_is_not_a_grace_start_by_default() -> None:
    request = StartRequest(id="tv", stream_id="film")

    assert (
        request.epoch,
        request.nonce,
        request.replace,
    ) == (
        0,
        "",
        {},
    )
    assert not request.is_grace


def test_the_last_epoch_of_a_millisecond_precedes_the_first_of_the_next() -> None:
    assert EPOCHS_PER_MS == 1000
    assert last_epoch_of(5) == 5999
    assert last_epoch_of(5) + 1 == 6 * EPOCHS_PER_MS


def test_streams_that_started_together_are_ordered_by_id() -> None:
    leases = [
        lease("b"),
        lease("a"),
        lease("c", started_at=NOW - 1),
    ]
    assert [one.id for one in sorted(leases, key=age)] == [
        "c",
        "a",
        "b",
    ]


def test_a_reason_has_the_text_that_the_api_returns() -> None:
    assert [str(reason) for reason in Reason] == [
        "stopped",
        "evicted",
        "replaced",
        "taken-over",
        "expired",
        "suspended",
        "over-limit",
    ]
