"""Bugs in the calls of DynamoDB, in tokens and in grace leases."""

from tests.planted_bugs.mutant import (
    CALLS,
    DEADLINE,
    GRACE,
    OUTAGE,
    RIVALS,
    TOKENS,
    Mutant,
)

OUTAGES = (
    Mutant(
        "a call continues after the deadline",
        "dynamodb/calls.py",
        "has_time = pause < deadline.seconds_left()",
        "has_time = True",
        (DEADLINE, CALLS),
    ),
    Mutant(
        "an error response is a failure",
        "dynamodb/calls.py",
        'return bool(response["ResponseMetadata"]["HTTPStatusCode"] < 500)',
        "return False",
        (CALLS,),
    ),
    Mutant(
        "the circuit never opens",
        "dynamodb/calls.py",
        "FAILURES_TO_OPEN = 5",
        "FAILURES_TO_OPEN = 500",
        (CALLS,),
    ),
    Mutant(
        "a request without time counts as a failure of the store",
        "dynamodb/calls.py",
        "    if deadline.seconds_left() < settings.DYNAMODB_CALL_SECONDS:\n",
        "    if False:\n",
        (CALLS, *OUTAGE),
    ),
    Mutant(
        "an attempt without an answer is not counted",
        "dynamodb/calls.py",
        "unanswered.set(unanswered.get() + 1)",
        "pass",
        (CALLS, RIVALS),
    ),
    Mutant(
        "a token is valid for any stream",
        "tokens.py",
        "if claims.request.id != id or user_id not in (None, claims.user_id):",
        "if user_id not in (None, claims.user_id):",
        (TOKENS,),
    ),
    Mutant(
        "a process grants any number of grace leases",
        "grace.py",
        "has_room = len(user.leases) < limit and len(_users) < MAX_USERS",
        "has_room = len(_users) < MAX_USERS",
        (GRACE,),
    ),
    Mutant(
        "grace ignores epochs",
        "grace.py",
        "if newer is None or newer.epoch <= lease.epoch or not newer.is_live(now):",
        "if newer is None or not newer.is_live(now):",
        (GRACE,),
    ),
    Mutant(
        "a grace lease has no end",
        "service.py",
        "        if is_live:\n            return _admit_grace_lease",
        "        if True:\n            return _admit_grace_lease",
        OUTAGE,
    ),
    Mutant(
        "an expired token is renewed in an outage",
        "service.py",
        "if not is_live or not grace.may_continue",
        "if not grace.may_continue",
        OUTAGE,
    ),
)
