"""The network of a caller: an IPv4 /24 or an IPv6 /64.

The stored form is a keyed hash. Its key does not change with the keys of tokens:
while they change, a household's own streams would count as two networks.
"""

import ipaddress
from collections.abc import Mapping
from typing import Any

from django.utils.crypto import salted_hmac

from streams.conf import settings

HASH_CHARACTERS = 12

type Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def network_of(environ: Mapping[str, Any]) -> str | None:
    """Return the hash of the caller's network, or None without a valid address.

    The address is the one that API Gateway reports. Behind `TRUSTED_PROXIES` it is
    the address from which the first of these proxies was called.
    """
    network = _network(environ)
    return None if network is None else _hash(network, settings.HASH_KEY)


def network_aliases_of(environ: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the hashes of the caller's network on servers with another first key.

    Without a `HASH_KEY` the first of `LEASE_TOKEN_KEYS` makes the hash. While keys
    change, other servers have another one first.
    """
    network = _network(environ)
    if network is None or settings.is_configured("HASH_KEY"):
        return ()
    return tuple(_hash(network, key) for key in settings.LEASE_TOKEN_KEYS[1:])


def _hash(network: Network, key: str) -> str:
    digest = salted_hmac(
        "streams.network", str(network), secret=key, algorithm="sha256"
    )
    return digest.hexdigest()[:HASH_CHARACTERS]


def edge_network_of(environ: Mapping[str, Any]) -> str | None:
    """Return the caller's network as an edge token names it.

    An edge sees the viewer's address and compares it with `203.0.113.0/24`, or with
    `2001:db8:0:12::/64`, which contains all four groups.
    """
    network = _network(environ)
    if network is None:
        return None
    if network.version == 4:
        return str(network)

    groups = network.exploded.split(":")[:4]
    return ":".join(f"{int(group, 16):x}" for group in groups) + "::/64"


def _network(environ: Mapping[str, Any]) -> Network | None:
    try:
        address = ipaddress.ip_address(_address(environ))
    except ValueError:
        return None

    address = getattr(address, "ipv4_mapped", None) or address
    prefix_length = 24 if address.version == 4 else 64
    return ipaddress.ip_network((int(address), prefix_length), strict=False)


def _address(environ: Mapping[str, Any]) -> str:
    header: str = environ.get("HTTP_X_FORWARDED_FOR", "")
    forwarded = [part.strip() for part in header.split(",") if part.strip()]
    if 0 < settings.TRUSTED_PROXIES <= len(forwarded):
        return forwarded[-settings.TRUSTED_PROXIES]
    address: str = environ.get("REMOTE_ADDR", "")
    return address
