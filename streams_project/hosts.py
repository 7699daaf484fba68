"""Kinds of the settings about host names, origins and headers."""

import re
from typing import Any, override

from streams.setting_kinds import Fault, Kind, Texts, is_host

ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://"
    r"(?P<host>[a-z0-9_.-]+|\[[0-9a-f:.]+\])"
    r"(:(?P<port>[1-9]\d{0,4}))?",
    re.ASCII,
)
MAX_PORT = 65_535
HEADER_NAME = re.compile(r"[A-Za-z0-9-]+", re.ASCII)
DEFAULT_PORTS = {"https": "443", "http": "80"}


class HostNames(Kind[list[str]]):
    """A list of the host names that clients use."""

    description = "host names such as streams.example.com, separated by commas"

    @override
    def check(self, value: Any) -> list[str]:
        hosts = [host.lower() for host in Texts().check(value)]
        for number, host in enumerate(hosts, start=1):
            if not _is_host(host):
                raise Fault(
                    f"entry {number} ({host!r}) is not a host name. Write it without "
                    "scheme, port, path and wildcard; a dot at the beginning includes "
                    "subdomains"
                )
        return hosts

    @override
    def parse(self, text: str) -> list[str]:
        return self.check(Texts().parse(text))


class Origins(Kind[list[str]]):
    """A list of origins, as browsers send them."""

    description = "origins such as https://tv.example.com, separated by commas"

    @override
    def check(self, value: Any) -> list[str]:
        origins = Texts().check(value)
        for number, origin in enumerate(origins, start=1):
            if not _is_origin(origin):
                raise Fault(
                    f"entry {number} is not an origin. Write it as browsers send it: "
                    "scheme://host or scheme://host:port in lower case, without path, "
                    "trailing slash, wildcard or default port"
                )
        return origins

    @override
    def parse(self, text: str) -> list[str]:
        return self.check(Texts().parse(text))


class HeaderNames(Kind[list[str]]):
    """A list of the names of headers."""

    description = "names of headers, separated by commas"

    @override
    def check(self, value: Any) -> list[str]:
        names = Texts().check(value)
        for number, name in enumerate(names, start=1):
            if not HEADER_NAME.fullmatch(name):
                raise Fault(
                    f"entry {number} ({name!r}) is not the name of a header. Write it "
                    "without spaces and colon, such as x-player-version"
                )
        return names

    @override
    def parse(self, text: str) -> list[str]:
        return self.check(Texts().parse(text))


def _is_origin(text: str) -> bool:
    match = ORIGIN.fullmatch(text)
    if match is None or not _is_host(match["host"]):
        return False

    port = match["port"]
    if port is None:
        return True
    return int(port) <= MAX_PORT and port != DEFAULT_PORTS.get(match["scheme"])


def _is_host(text: str) -> bool:
    """Return whether a text is a host as Django and browsers write it.

    That is a name, an IPv4 address, or an IPv6 address in brackets. For Django, a dot
    at the beginning includes subdomains, and `*` is every host.
    """
    if text.startswith("["):
        return text.endswith("]") and ":" in text and is_host(text[1:-1])
    return text == "*" or (":" not in text and is_host(text.removeprefix(".")))
