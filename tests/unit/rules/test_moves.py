"""Moves: a heartbeat from another network than the one that a lease has a place in."""

from dataclasses import replace

import pytest

from streams import rules
from streams.rules import Account
from tests.builders import LEASE_MS, NOW, changed, held
from tests.unit.rules.builders import EXPIRED_AT, FAMILY, NETWORKS, playing, stream

LATER = NOW + 1000
ONE_NETWORK = changed(FAMILY, rules=(replace(NETWORKS, limit=1),))


def called_from(
    account: Account, id: str, *networks: str, now: int = LATER, plans: rules.Plans
) -> Account:
    """Return the account after a heartbeat from a network, in its stored forms."""
    hold = replace(held(account.leases[id]), networks=networks)
    return rules.renew(account, id, hold=hold, now=now, plans=plans)


def test_a_stream_moves_to_a_network_with_a_place() -> None:
    before = playing(stream("a"), stream("b"))
    after = called_from(before, "a", "hotel", plans=FAMILY)

    assert after.leases["a"].network == "hotel"
    assert after.leases["a"].expires_at == LATER + LEASE_MS
    assert after.leases["b"] == before.leases["b"]


@pytest.mark.parametrize("networks", [("home",), ("new-key", "home"), ()])
def test_a_stream_in_its_own_network_stays(networks: tuple[str, ...]) -> None:
    before = playing(stream("a"), stream("b"), plans=ONE_NETWORK)
    after = called_from(before, "a", *networks, plans=ONE_NETWORK)
    assert after.leases["a"].network == "home"


def test_without_a_place_a_stream_renews_where_it_is() -> None:
    before = playing(stream("a"), stream("b"), plans=ONE_NETWORK)
    after = called_from(before, "a", "hotel", plans=ONE_NETWORK)

    assert after.leases["a"].network == "home"
    assert after.leases["a"].expires_at == LATER + LEASE_MS


def test_the_only_stream_moves_under_a_limit_of_one_network() -> None:
    before = playing(stream("a"), plans=ONE_NETWORK)
    after = called_from(before, "a", "hotel", plans=ONE_NETWORK)
    assert after.leases["a"].network == "hotel"


def test_ghosts_do_not_hold_a_place_in_their_network() -> None:
    before = playing(stream("a"), stream("b"), plans=ONE_NETWORK)
    renewed = called_from(before, "a", "home", plans=ONE_NETWORK)
    after = called_from(renewed, "a", "hotel", now=EXPIRED_AT + 100, plans=ONE_NETWORK)
    assert after.leases["a"].network == "hotel"


def test_a_move_is_stored_even_if_the_lease_lasts_longer_already() -> None:
    before = playing(stream("a"))
    after = called_from(before, "a", "hotel", now=NOW - 500, plans=FAMILY)

    assert after.version == before.version + 1
    assert after.leases["a"].network == "hotel"
    assert after.leases["a"].expires_at == before.leases["a"].expires_at
