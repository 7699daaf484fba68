"""The network of a caller: an IPv4 /24 or an IPv6 /64.

The stored form is a keyed hash. Its key does not change with the keys of tokens:
while they change, a household's own streams would count as two networks.
Callers whose address cannot be read form one network.
"""

import ipaddress
import logging
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from django.utils.crypto import salted_hmac

from streams.conf import settings

log = logging.getLogger(__name__)

HASH_CHARACTERS = 12
UNREADABLE = "unreadable"
"""The network of the callers whose address cannot be read."""

WITH_PORT = re.compile(r"\[([^\[\]]+)\](?::\d{1,5})?|([\d.]+):\d{1,5}", re.ASCII)
"""`[2001:db8::1]:4711`, `[2001:db8::1]` or `203.0.113.7:4711`, as proxies of Azure and
AWS report a caller.
"""

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def hashes_of(edge_network: str) -> tuple[str, ...]:
    """Return the hashes of a network that `edge_network_of` returned.

    The first is the one that this server stores. Without a `HASH_KEY` the first of
    `LEASE_TOKEN_KEYS` makes it. While keys change, other servers have another one
    first, and the further hashes are theirs.
    """
    network = edge_network
    if network != UNREADABLE:
        network = str(ipaddress.ip_network(network))

    keys = [settings.HASH_KEY]
    if not settings.is_configured("HASH_KEY"):
        keys += settings.LEASE_TOKEN_KEYS[1:]
    return tuple(_hash(network, key) for key in keys)


def edge_network_of(environ: Mapping[str, Any]) -> str:
    """Return the caller's network as an edge token names it, or `UNREADABLE`.

    The address is the one that API Gateway reports. Behind `TRUSTED_PROXIES` it is
    the address from which the first of these proxies was called.

    An edge sees the viewer's address and compares it with `203.0.113.0/24`, or with
    `2001:db8:0:12::/64`, which contains all four groups.
    """
    network = _network(environ)
    if ":" not in network:
        return network

    groups = ipaddress.IPv6Network(network).exploded.split(":")[:4]
    return ":".join(f"{int(group, 16):x}" for group in groups) + "::/64"


def address_of(text: str) -> Address | None:
    """Return the address in a text of a proxy or a server, or None.

    It may have a port or a zone. An IPv4 address that is mapped into IPv6 is IPv4.
    """
    text = text.strip().strip('"')
    with_port = WITH_PORT.fullmatch(text)
    if with_port:
        text = with_port[1] or with_port[2]
    if ":" in text:
        text = text.partition("%")[0]

    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _hash(network: str, key: str) -> str:
    digest = salted_hmac("streams.network", network, secret=key, algorithm="sha256")
    return digest.hexdigest()[:HASH_CHARACTERS]


def _network(environ: Mapping[str, Any]) -> str:
    """Return the caller's network as text, or `UNREADABLE`."""
    address = address_of(_reported_address(environ))
    if address is None:
        _warn_of_unreadable_addresses()
        return UNREADABLE

    prefix_length = 24 if address.version == 4 else 64
    return str(ipaddress.ip_network((int(address), prefix_length), strict=False))


def _reported_address(environ: Mapping[str, Any]) -> str:
    header: str = environ.get("HTTP_X_FORWARDED_FOR", "")
    forwarded = [part.strip() for part in header.split(",") if part.strip()]
    if 0 < settings.TRUSTED_PROXIES <= len(forwarded):
        return forwarded[-settings.TRUSTED_PROXIES]
    return environ.get("REMOTE_ADDR") or ""


@cache
def _warn_of_unreadable_addresses() -> None:
    """Log once per process: with wrong proxies, every call would log the line."""
    log.warning(
        "A caller's address cannot be read. Such callers count as one network and get "
        "no edge tokens. Check TRUSTED_PROXIES."
    )
