"""The network of a caller: from addresses that it cannot choose, and as a hash."""

from typing import Any

import pytest

from streams import networks
from streams.networks import UNREADABLE, edge_network_of, hashes_of


def called_from(address: str, forwarded: str | None = None) -> dict[str, str]:
    return {"REMOTE_ADDR": address} | (
        {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    )


def network_of(environ: dict[str, str]) -> str:
    """Return the hash of the caller's network, as it is stored."""
    return hashes_of(edge_network_of(environ))[0]


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


SPELLINGS = {
    "203.0.113.0/24": [
        "203.0.113.7",
        "203.0.113.7:1234",
        " 203.0.113.7:80 ",
        "::ffff:203.0.113.7",
        "::FFFF:203.0.113.7",
        "[::ffff:203.0.113.7]:443",
        "::ffff:cb00:7107",
        '"203.0.113.7:1234"',
    ],
    "2001:db8:0:12::/64": [
        "2001:db8:0:12::1",
        "[2001:db8:0:12::1]",
        "[2001:db8:0:12::1]:4711",
        "2001:0DB8:0000:0012:0:0:0:1",
        "2001:db8:0:12::1%eth0",
        "[2001:db8:0:12::1%eth0]:4711",
        '"[2001:db8:0:12::1]:4711"',
    ],
    UNREADABLE: [
        "",
        "unknown",
        "_hidden",
        "unix:",
        "test-invoke-source-ip",
        "203.0.113.7:",
        "203.0.113.7:http",
        "203.0.113.7:123456",
        "203.0.113.7%eth0",
        "203.0.113",
        "203.0.113.256",
        "[203.0.113.7",
        "[2001:db8::1]:http",
        "[2001:db8::1]]:80",
        "2001:db8:::1",
        "<script>",
        "\x00",
    ],
}


@pytest.mark.parametrize(
    ("network", "address"),
    [
        pytest.param(network, address, id=f"{address!a} is {network}")
        for network, addresses in SPELLINGS.items()
        for address in addresses
    ],
)
@pytest.mark.parametrize("proxies", [0, 1])
def test_every_spelling_of_an_address_is_of_one_network(
    settings: Any, proxies: int, network: str, address: str
) -> None:
    """The container has the address of the connection, or of the last proxy."""
    settings.TRUSTED_PROXIES = proxies
    caller = called_from(address)
    if proxies and address:
        caller = called_from("10.0.0.1", f"6.6.6.6, {address}")

    assert edge_network_of(caller) == network
    assert network_of(caller) == network_of(called_from(SPELLINGS[network][0]))


def test_unreadable_addresses_are_one_network_and_no_readable_one() -> None:
    networks = {network_of(called_from(sent)) for sent in SPELLINGS[UNREADABLE]}
    assert len(networks) == 1
    assert networks.isdisjoint({network_of(called_from("203.0.113.7"))})


def test_a_caller_without_address_is_of_the_unreadable_network() -> None:
    assert edge_network_of({}) == UNREADABLE
    assert edge_network_of({"REMOTE_ADDR": None}) == UNREADABLE


def test_wrong_proxies_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    networks._warn_of_unreadable_addresses.cache_clear()
    for _ in range(3):
        network_of(called_from("unix:"))
    assert caplog.text.count("TRUSTED_PROXIES") == 1
