"""Tickets: viewers' short-lived credentials, for URLs that cannot carry a bearer token.

A ticket fits into a URL of RTMP, SRT or a set-top box. It is signed like the tokens of
players, with another salt, and the service stores no ticket.

A ticket fixes the epoch and the nonce of its starts. A second start with the same id
is therefore a repeat of the first: it finds its own lease, or the end of that lease.
"""

import re
import secrets
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from django.core.signing import BadSignature, SignatureExpired

from streams.rules import EPOCHS_PER_MS, NOTHING_GRANTED, Entitlement
from streams.signing import signer

SALT = "streams.ticket"
PREFIX = "tk_"
"""Tells a ticket from a JWT."""
FORM = re.compile(r"tk_[\w-]+\.([\w-]+)", re.ASCII)
MAX_CHARACTERS = 300
NONCE_CHARACTERS = 6
ID_CHARACTERS = 16
MEMBERS = 7
"""Length of the signed list. The last members are omitted if they are not set."""

type Attributes = Mapping[str, str | int | float | bool]

NO_ATTRIBUTES: Attributes = MappingProxyType({})


class Ticket(NamedTuple):
    """The content of a verified ticket.

    `epoch` and `nonce` are those of its starts. `expires_at` is milliseconds since
    1970, UTC. `id` is that of a start that names no other. A ticket with a
    `stream_id` starts only this content. `attributes` replace those that the player
    sends.
    """

    user_id: str
    epoch: int
    expires_at: int
    nonce: str
    id: str
    stream_id: str | None = None
    entitlement: Entitlement = NOTHING_GRANTED
    attributes: Attributes = NO_ATTRIBUTES


def issue(
    user_id: str,
    *,
    now: int,
    seconds: int,
    stream_id: str | None = None,
    entitlement: Entitlement = NOTHING_GRANTED,
    attributes: Attributes | None = None,
) -> str:
    """Return a ticket that is valid from now on."""
    epoch = now * EPOCHS_PER_MS + secrets.randbelow(EPOCHS_PER_MS)
    content: list[Any] = [
        user_id,
        epoch,
        seconds,
        stream_id,
        *entitlement,
        attributes or None,
    ]
    while content[-1] is None:
        content.pop()
    return PREFIX + signer(salt=SALT, sep=".").sign_object(content)


def verify(text: str, *, now: int) -> Ticket:
    """Verify a ticket and return its content.

    Raises:
        SignatureExpired: the ticket has expired.
        BadSignature: this service did not issue the ticket, or it was altered.
    """
    form = FORM.fullmatch(text)
    if form is None or len(text) > MAX_CHARACTERS:
        raise BadSignature("the text has not the form of a ticket")

    content: Any = signer(salt=SALT, sep=".").unsign_object(text.removeprefix(PREFIX))
    missing = [None] * (MEMBERS - len(content))
    user_id, epoch, seconds, stream_id, limit, plan, attributes = content + missing

    expires_at = epoch // EPOCHS_PER_MS + seconds * 1000
    if now >= expires_at:
        raise SignatureExpired("the ticket has expired")

    signature = form[1]
    return Ticket(
        user_id=user_id,
        epoch=epoch,
        expires_at=expires_at,
        nonce=signature[:NONCE_CHARACTERS],
        id=f"ticket-{signature[:ID_CHARACTERS]}",
        stream_id=stream_id,
        entitlement=Entitlement(limit, plan),
        attributes=attributes or NO_ATTRIBUTES,
    )
