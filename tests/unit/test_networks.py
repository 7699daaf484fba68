"""The network of a caller: from addresses that it cannot choose, and as a hash."""

from typing import Any

import pytest

from streams.networks import network_of


def called_from(address: str, forwarded: str | None = None) -> dict[str, str]:
    return {"REMOTE_ADDR": address} | (
        {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    )


@pytest.mark.parametrize(
    ("one", "another", "is_same"),
    [
        ("203.0.113.7", "203.0.113.200", True),
        ("203.0.113.7", "203.0.114.7", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:203.0.113.7", "203.0.113.9", True),
    ],
)
def test_a_network_is_an_ipv4_24_or_an_ipv6_64(
    one: str, another: str, is_same: bool
) -> None:
    assert (network_of(called_from(one)) == network_of(called_from(another))) is is_same


def test_it_is_no_address_and_another_under_another_key(
    settings: Any,
) -> None:
    before = network_of(called_from("203.0.113.7"))
    assert before is not None
    assert len(before) == 12
    settings.LEASE_TOKEN_KEYS = ["another-key-of-lease-tokens-0123456789"]
    assert network_of(called_from("203.0.113.7")) != before


@pytest.mark.parametrize(
    ("proxies", "forwarded", "caller"),
    [
        (0, "198.51.100.1", "203.0.113.7"),
        (1, "6.6.6.6, 198.51.100.1", "198.51.100.1"),
        (2, "6.6.6.6, 198.51.100.1, 192.0.2.9", "198.51.100.1"),
        (2, "198.51.100.1", "203.0.113.7"),
        (1, None, "203.0.113.7"),
    ],
    ids=["nobody is trusted", "one proxy", "two proxies", "past a proxy", "no header"],
)
def test_the_caller_is_as_many_from_the_right_as_there_are_trusted_proxies(
    settings: Any, proxies: int, forwarded: Any, caller: str
) -> None:
    expected = network_of(called_from(caller))
    settings.TRUSTED_PROXIES = proxies
    assert network_of(called_from("203.0.113.7", forwarded)) == expected


@pytest.mark.parametrize(
    "address", ["", "unknown", "203.0.113.7:1234", "fe80::1%eth0x/"]
)
def test_what_is_no_address_is_no_network(address: str) -> None:
    assert network_of(called_from(address)) is None
