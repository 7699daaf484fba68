"""The web ACL counts one viewer, however the viewer spells the header."""

from collections.abc import Iterable
from itertools import product
from typing import Any

from deploy.infrastructure.template import read_template
from streams.authentication import CREDENTIALS

TRANSFORMATIONS = {"NONE": lambda text: text, "LOWERCASE": str.lower}
"""AWS WAF's transformations of a key."""

SPELLINGS = [
    "".join(letters) for letters in product(*zip("bearer", "BEARER", strict=True))
]
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbmEifQ.c2lnbmF0dXJl"


def keys_of_viewers() -> Iterable[dict[str, Any]]:
    """Yield the headers by which rules count."""
    web_acl = read_template()["Resources"]["WebAcl"]["Properties"]
    for rule in web_acl["Rules"]:
        for key in rule["Statement"]["RateBasedStatement"].get("CustomKeys", []):
            yield key["Header"]


def transformed(text: str, key: dict[str, Any]) -> str:
    steps = sorted(key["TextTransformations"], key=lambda step: int(step["Priority"]))
    for step in steps:
        text = TRANSFORMATIONS[step["Type"]](text)
    return text


def test_every_spelling_of_bearer_counts_as_one_viewer() -> None:
    [key] = keys_of_viewers()
    headers = [f"{spelling} {TOKEN}" for spelling in SPELLINGS]

    assert key["Name"] == "authorization"
    assert all(CREDENTIALS.fullmatch(header) for header in headers)
    assert len({transformed(header, key) for header in headers}) == 1


def test_other_tokens_count_as_other_viewers() -> None:
    [key] = keys_of_viewers()
    headers = [f"Bearer {TOKEN}{number}" for number in range(3)]
    assert len({transformed(header, key) for header in headers}) == 3
