"""Each stored and signed name is in the changelog, with the releases that know it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from django.core.signing import Signer

from streams import tokens
from streams.conf import settings
from streams.models import UserStreams
from streams.rules import Lease, Pace, StartRequest, WhenFull
from streams.storage import items

CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"
FIRST_RELEASE = "2.0"
ROW = re.compile(r"\| ([\w` ]+): ((?:`[^`]+` ?)+)\| (\S+) \| (\S*) *\|")
LEASE = Lease(
    id="tv",
    stream_id="film",
    started_at=0,
    expires_at=1,
    epoch=7,
    pace=Pace(lease_ms=1, max_stored_leases=2),
)
ELEMENTS = ("user", "id", "epoch", "expiry", "streamId", "pace", "grace")


def rows() -> list[tuple[str, set[str], str, str]]:
    """Return the rows of the table: the format, the names, and both releases."""
    _, _, section = CHANGELOG.read_text().partition("\n## Formats\n")
    return [
        (kind.strip("`"), set(re.findall(r"`([^`]+)`", names)), read, written)
        for kind, names, read, written in ROW.findall(section)
    ]


def written_names() -> Mapping[str, set[str]]:
    """Return the names that this code writes, by the format."""
    start = StartRequest(id="tv", stream_id="film")
    token = tokens.issue("ana", LEASE, grace=start)
    signer = Signer(key=settings.LEASE_TOKEN_KEYS[0], salt=tokens.SALT)
    content: Any = signer.unsign_object(token)
    attributes = UserStreams.get_attributes().values()
    return {
        "lease": set(items.LEASE.values()),
        "ending": set(items.ENDING.values()),
        "reason": set(items.REASON.values()),
        "item": {attribute.attr_name for attribute in attributes},
        "when_full": set(WhenFull),
        "token": set(ELEMENTS[: len(content)]),
        "pace": set(Pace._fields),
        "grace start": set(content[-1]),
    }


@pytest.mark.parametrize("kind", written_names())
def test_every_name_that_is_written_is_in_the_changelog(kind: str) -> None:
    listed = [names for row, names, _, written in rows() if row == kind and written]
    assert set().union(*listed) == written_names()[kind]


def test_a_format_is_read_one_release_before_it_is_written() -> None:
    for kind, _, read, written in rows():
        assert written == FIRST_RELEASE or read != written, kind


def test_a_token_has_no_element_without_a_name() -> None:
    start = StartRequest(id="tv", stream_id="film")
    signer = Signer(key=settings.LEASE_TOKEN_KEYS[0], salt=tokens.SALT)
    content: Any = signer.unsign_object(tokens.issue("ana", LEASE, grace=start))

    assert len(content) == len(ELEMENTS)
