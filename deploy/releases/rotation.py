"""Finds keys that a release would take away from players, back ends or a rotation.

A rotation of LEASE_TOKEN_KEYS has three steps, one lease apart: OLD,NEW, then NEW,OLD,
then NEW. At each step the live version and the next one accept each other's tokens. A
pipeline that still exports the keys from before a rotation would undo it.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from stages import comma_separated

LEASE_TOKEN_KEYS = "LEASE_TOKEN_KEYS"  # noqa: S105  # a name
OTHER_KEYS = ("API_KEYS", "AUTH_JWT_SECRETS", "EDGE_TOKEN_KEYS")
STEPS = (
    "A rotation has three steps, one lease apart: LEASE_TOKEN_KEYS=OLD,NEW, then "
    "NEW,OLD, then NEW. If the live value is right, export it here and in the "
    "pipeline, or leave {name} out: the function keeps it."
)

type Variables = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LostKeys:
    """Keys that stop being valid, and the name with which an operator confirms it."""

    confirmation: str
    sentence: str


def lost_keys(
    live: Variables, new: Variables, earlier: Sequence[Variables] = ()
) -> Iterator[LostKeys]:
    """Yield the keys that the live version accepts and the next one would not.

    The variables have the values of their references. `earlier` are the variables of
    the versions that were live before.
    """
    problem = _lease_token_problem(live, new, earlier)
    if problem:
        steps = STEPS.format(name=LEASE_TOKEN_KEYS)
        yield LostKeys("lease-token-keys", f"{problem} {steps}")

    for name in OTHER_KEYS:
        removed = [key for key in _keys(live, name) if key not in _keys(new, name)]
        if removed and name in new:
            shown = ", ".join(_shown(key) for key in removed)
            yield LostKeys(
                name.lower().replace("_", "-"),
                f"{name} would lose {shown}, which the live version accepts. If the "
                f"live value is right, export it here, or leave {name} out.",
            )


def token_loss(live: Variables, new: Variables) -> str | None:
    """Return why the tokens of the live version's players would become invalid."""
    before, after = _keys(live, LEASE_TOKEN_KEYS), _keys(new, LEASE_TOKEN_KEYS)
    if not before or not after:
        return None

    if set(before).isdisjoint(after):
        return (
            "LEASE_TOKEN_KEYS shares no key with the deployed value: every player's "
            "token becomes invalid now."
        )
    if before[0] not in after:
        return (
            f"LEASE_TOKEN_KEYS lacks the key {_shown(before[0])} that signs now: every "
            "player's token becomes invalid."
        )
    return None


def _lease_token_problem(
    live: Variables, new: Variables, earlier: Sequence[Variables]
) -> str | None:
    loss = token_loss(live, new)
    if loss:
        return loss

    before, after = _keys(live, LEASE_TOKEN_KEYS), _keys(new, LEASE_TOKEN_KEYS)
    if not before or not after or before == after:
        return None
    if after[0] not in before:
        return (
            f"LEASE_TOKEN_KEYS would sign with {_shown(after[0])}, which the live "
            "version does not accept: add it at the end first."
        )

    signers = {
        key for variables in earlier for key in _keys(variables, LEASE_TOKEN_KEYS)[:1]
    }
    unused = [key for key in before if key not in after and key not in signers]
    signed_before = after[0] != before[0] and after[0] in signers
    if signers and (unused or signed_before):
        return (
            "LEASE_TOKEN_KEYS would undo a rotation: the live value is newer "
            f"({_list(before)} is live, {_list(after)} would follow)."
        )
    return None


def _keys(variables: Variables, name: str) -> list[str]:
    """Return the keys of a variable. Those of back ends without their scopes."""
    keys = comma_separated(variables.get(name))
    if name == "API_KEYS":
        return [":".join(key.split(":")[:2]) for key in keys]
    return keys


def _list(keys: Sequence[str]) -> str:
    return ", ".join(map(_shown, keys))


def _shown(key: str) -> str:
    """Return a key as the first digits of its hash, or a back end by its name."""
    name, is_back_end, _ = key.partition(":")
    if is_back_end:
        return name
    return f"sha256 {hashlib.sha256(key.encode()).hexdigest()[:8]}"
