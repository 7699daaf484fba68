"""Kinds of the settings about host names and origins."""

import re
from typing import Any, override

from streams.setting_kinds import Fault, Kind, Texts

ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://"
    r"([a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])"
    r"(:(?P<port>[1-9]\d{0,4}))?",
    re.ASCII,
)
DEFAULT_PORTS = {"https": "443", "http": "80"}


class HostNames(Texts):
    """A list of the host names that clients use."""

    def __init__(self) -> None:
        super().__init__("host names, separated by commas")


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


def _is_origin(text: str) -> bool:
    match = ORIGIN.fullmatch(text)
    if match is None:
        return False
    return match["port"] is None or match["port"] != DEFAULT_PORTS.get(match["scheme"])
