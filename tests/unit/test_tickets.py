"""Tickets: short-lived credentials of viewers for URLs."""

import re
from typing import Any

import pytest
from django.core.signing import BadSignature, SignatureExpired

from streams import tickets
from streams.rules import EPOCHS_PER_MS, Entitlement
from tests.builders import NOW

MINUTE_MS = 60_000


def issued(**fields: Any) -> str:
    """Return a ticket of Ana for a minute."""
    return tickets.issue("ana", **{"now": NOW, "seconds": 60, **fields})


def test_a_ticket_has_the_content_that_it_was_issued_for() -> None:
    attributes = {"deviceType": "tv", "metadata.genre": "news"}
    text = issued(
        stream_id="film",
        entitlement=Entitlement(limit=2, plan="family"),
        attributes=attributes,
    )
    ticket = tickets.verify(text, now=NOW)

    assert ticket.user_id == "ana"
    assert ticket.stream_id == "film"
    assert ticket.entitlement == Entitlement(limit=2, plan="family")
    assert ticket.attributes == attributes
    assert ticket.epoch // EPOCHS_PER_MS == NOW
    assert ticket.expires_at == NOW + MINUTE_MS


def test_all_starts_of_a_ticket_have_one_epoch_nonce_and_id() -> None:
    text = issued()
    assert tickets.verify(text, now=NOW) == tickets.verify(text, now=NOW + 5000)


def test_two_tickets_have_different_nonces_and_ids() -> None:
    first, second = (tickets.verify(issued(now=NOW + n), now=NOW) for n in (0, 1))
    assert first.nonce != second.nonce
    assert first.id != second.id


def test_a_ticket_is_valid_until_its_expiry() -> None:
    text = issued()
    tickets.verify(text, now=NOW + MINUTE_MS - 1)

    with pytest.raises(SignatureExpired):
        tickets.verify(text, now=NOW + MINUTE_MS)


def test_a_ticket_fits_into_urls_and_stream_ids() -> None:
    text = issued(stream_id="Die Brücke, 2. Teil", attributes={"deviceType": "tv"})
    assert re.fullmatch(r"[A-Za-z0-9_.-]{1,300}", text)


def test_every_altered_character_makes_a_ticket_invalid() -> None:
    text = issued(stream_id="film")
    for position, character in enumerate(text):
        other = "A" if character != "A" else "B"
        altered = text[:position] + other + text[position + 1 :]
        with pytest.raises(BadSignature):
            tickets.verify(altered, now=NOW)


@pytest.mark.parametrize(
    "text", ["", "tk_", "tk_.", "tk_a.b", "tk_a.b.c", "a.b", "tk_" + "a" * 400 + ".b"]
)
def test_other_text_is_no_ticket(text: str) -> None:
    with pytest.raises(BadSignature):
        tickets.verify(text, now=NOW)


def test_a_ticket_is_valid_while_its_key_is_among_the_keys(settings: Any) -> None:
    settings.LEASE_TOKEN_KEYS = ["o" * 32]
    text = issued()
    before = tickets.verify(text, now=NOW)

    settings.LEASE_TOKEN_KEYS = ["n" * 32, "o" * 32]
    assert tickets.verify(text, now=NOW) == before

    settings.LEASE_TOKEN_KEYS = ["n" * 32]
    with pytest.raises(BadSignature):
        tickets.verify(text, now=NOW)
