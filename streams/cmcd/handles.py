"""Handles: the signed part of the address to which a player posts its reports.

A handle never changes, because a player is configured once. It names one playback by
its epoch, as an operator's call does, so that it is useless after the slot has
changed hands. It is valid for a day.
"""

from typing import NamedTuple

from django.core.signing import BadSignature

from streams.rules import EPOCHS_PER_MS, Hold, Lease, Pace
from streams.signing import signer

SALT = "streams.cmcd"
VALID_MS = 24 * 60 * 60 * 1000
"""A playback lasts less, or its app starts it again."""


class Handle(NamedTuple):
    """The content of a verified handle.

    `expires_at` (ms) and `pace` are those of the lease that the start granted.
    """

    user_id: str
    id: str
    epoch: int
    expires_at: int
    pace: Pace | None = None

    @property
    def playback(self) -> tuple[str, str, int]:
        """The user, the id and the epoch."""
        return self.user_id, self.id, self.epoch

    @property
    def valid_until(self) -> int:
        """When the handle ends (ms), a day after the start."""
        return self.epoch // EPOCHS_PER_MS + VALID_MS

    @property
    def hold(self) -> Hold:
        """The claim to the playback that its start gave."""
        return Hold(epoch=self.epoch, expires_at=self.expires_at, pace=self.pace)


def issue(user_id: str, lease: Lease) -> str:
    """Return the handle of a playback, of the characters A-Z a-z 0-9 . _ -"""
    content = [
        user_id,
        lease.id,
        lease.epoch,
        lease.expires_at,
        lease.pace,
    ]
    return signer(salt=SALT, sep=".").sign_object(content)


def verify(text: str) -> Handle:
    """Verify a handle and return its content.

    Raises:
        BadSignature: this service did not issue the handle, or another release wrote
            it in a form that this one cannot read.
    """
    try:
        content = signer(salt=SALT, sep=".").unsign_object(text)
    except ValueError as exc:
        raise BadSignature("the handle is not readable") from exc

    match content:
        case [str(user_id), str(id), int(epoch), int(expires_at), pace, *_]:
            return Handle(
                user_id=user_id,
                id=id,
                epoch=epoch,
                expires_at=expires_at,
                pace=_pace(pace),
            )
    raise BadSignature("another release wrote the handle")


def _pace(content: object) -> Pace | None:
    match content:
        case [int(lease_ms), int(max_stored_leases), *_]:
            return Pace(lease_ms, max_stored_leases)
    return None
