"""The network that a call comes from: an IPv4 /24 or an IPv6 /64, known by a keyed hash only."""

import ipaddress
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.utils.crypto import salted_hmac


def network_of(environ: Mapping[str, Any]) -> str | None:
    """The caller's, by the address that API Gateway gives or, behind `TRUSTED_PROXIES`, the one that the first of these
    was called from; None where that is no address."""
    forwarded = [part for part in environ.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
    is_proxied = 0 < settings.TRUSTED_PROXIES <= len(forwarded)
    try:
        address = ipaddress.ip_address(
            forwarded[-settings.TRUSTED_PROXIES].strip() if is_proxied else environ.get("REMOTE_ADDR", "")
        )
    except ValueError:
        return None
    address = getattr(address, "ipv4_mapped", None) or address
    network = ipaddress.ip_network((int(address), 24 if address.version == 4 else 64), strict=False)
    key = settings.LEASE_TOKEN_KEYS[0]
    return salted_hmac("streams.network", str(network), secret=key, algorithm="sha256").hexdigest()[:12]
