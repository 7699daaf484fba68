"""The pure rule, standard library only: `accounts` has its words, `decisions` what happens."""

from streams.rules.accounts import Account, Admission, Ending, Lease, Policy, Reason, StartRequest, WhenFull
from streams.rules.decisions import (
    ENDINGS_AT_MOST,
    ENDINGS_REMEMBERED,
    empty_account,
    is_plain_start,
    read,
    renew,
    start,
    stop,
)

__all__ = [
    "ENDINGS_AT_MOST",
    "ENDINGS_REMEMBERED",
    "Account",
    "Admission",
    "Ending",
    "Lease",
    "Policy",
    "Reason",
    "StartRequest",
    "WhenFull",
    "empty_account",
    "is_plain_start",
    "read",
    "renew",
    "start",
    "stop",
]
