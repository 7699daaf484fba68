"""The connection options, from the environment's proxy settings.

httpx reads the same variables, and raises an error in the constructor for values that
other programs accept: an IPv6 address in `NO_PROXY`, or a SOCKS proxy without the
package socksio. A client calls only one host, so the proxy is chosen here.
"""

import logging
import os
from collections.abc import Mapping
from importlib.util import find_spec
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

import httpx

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10.0


def connection_options(
    url: str, environment: Mapping[str, str] = os.environ
) -> dict[str, Any]:
    """Return the options of an httpx client that calls the service at `url`."""
    options: dict[str, Any] = {
        "timeout": TIMEOUT_SECONDS,
        "trust_env": False,  # of proxies and .netrc; certificates are below
        "verify": httpx.create_ssl_context(trust_env=True),
    }
    proxy = proxy_for(url, environment)
    if proxy is None:
        return options

    is_socks = urlsplit(proxy).scheme.startswith("socks")
    if is_socks and find_spec("socksio") is None:
        log.warning(
            "The SOCKS proxy of the environment is not used. Install "
            "stream-limits-client[socks] to use it."
        )
        return options
    return options | {"proxy": proxy}


def proxy_for(url: str, environment: Mapping[str, str]) -> str | None:
    """Return the address of the proxy for a URL, None for a direct connection."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if _is_exempt(host, _variable("no_proxy", environment)):
        return None

    proxy = _variable(f"{parts.scheme}_proxy", environment)
    proxy = proxy or _variable("all_proxy", environment)
    if proxy and "://" not in proxy:
        proxy = f"http://{proxy}"
    return proxy or None


def _variable(name: str, environment: Mapping[str, str]) -> str:
    """Return a variable in lower case or, without one, in upper case."""
    value = environment.get(name) or environment.get(name.upper()) or ""
    return value.strip()


def _is_exempt(host: str, no_proxy: str) -> bool:
    """Return whether an entry of `NO_PROXY` matches a host."""
    entries = [entry.strip().lower() for entry in no_proxy.split(",")]
    return any(entry and _matches(host.lower(), entry) for entry in entries)


def _matches(host: str, entry: str) -> bool:
    """Return whether a host is an entry's address, network, name or subdomain."""
    if entry == "*":
        return True
    try:
        network = ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        name = entry.partition(":")[0].lstrip("*").lstrip(".")
        return host == name or host.endswith(f".{name}")
    try:
        return ip_address(host) in network
    except ValueError:
        return False
