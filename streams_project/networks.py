"""The network that a call comes from: an IPv4 /24 or an IPv6 /64, known by a keyed hash only."""

import ipaddress
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.utils.crypto import salted_hmac


def network_of(environ: Mapping[str, Any]) -> str | None:
    """The caller's, by the address that API Gateway gives or, behind `TRUSTED_PROXIES`, the one that the first of these
    was called from; None where that is no address."""
    network, key = _network(environ), settings.LEASE_TOKEN_KEYS[0]
    if network is None:
        return None
    return salted_hmac(
        "streams.network", str(network), secret=key, algorithm="sha256"
    ).hexdigest()[:12]


def as_edges_know_it(environ: Mapping[str, Any]) -> str | None:
    """The same as an edge token names it, for whoever sees the viewer's address: `203.0.113.0/24`, and of IPv6 all four
    groups, `2001:db8:0:12::/64`."""
    network = _network(environ)
    if network is None:
        return None
    if network.version == 4:
        return str(network)
    return (
        ":".join(f"{int(group, 16):x}" for group in network.exploded.split(":")[:4])
        + "::/64"
    )


def _network(
    environ: Mapping[str, Any],
) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    forwarded = [
        part
        for part in environ.get("HTTP_X_FORWARDED_FOR", "").split(",")
        if part.strip()
    ]
    is_proxied = 0 < settings.TRUSTED_PROXIES <= len(forwarded)
    try:
        address = ipaddress.ip_address(
            forwarded[-settings.TRUSTED_PROXIES].strip()
            if is_proxied
            else environ.get("REMOTE_ADDR", "")
        )
    except ValueError:
        return None
    address = getattr(address, "ipv4_mapped", None) or address
    return ipaddress.ip_network(
        (int(address), 24 if address.version == 4 else 64), strict=False
    )
