"""Bugs in the store, its writes and its table (`storage/`)."""

from tests.planted_bugs.mutant import (
    OUTAGE,
    RACES,
    REPEATS,
    RIVALS,
    TABLE,
    VERBS,
    WRITES,
    Mutant,
)

STORAGE = (
    Mutant(
        "a long pause in any plan keeps old tokens valid",
        "storage/verbs.py",
        "return hold.expires_at + self.plans.longest_playing_ms",
        "return hold.expires_at + self.plans.longest_lease_ms",
        (VERBS,),
    ),
    Mutant(
        "the register of writes is not consulted",
        "storage/writes.py",
        "            if write_id in self.outcomes:\n",
        "            if False:\n",
        (WRITES, REPEATS),
    ),
    Mutant(
        "a write that the register has lost is sent again",
        "storage/writes.py",
        "return account.version - self.first_version > kept",
        "return False",
        (WRITES,),
    ),
    Mutant(
        "a denial writes no fence",
        "storage/store.py",
        "        self._write_account(verb, stored, fenced, "
        "write_id=verb.writes.prefix)\n        raise refusal\n",
        "        raise refusal\n",
        (RIVALS,),
    ),
    Mutant(
        "a start whose slot changed hands is judged again",
        "storage/verbs.py",
        "        if self.writes.has_unanswered and has_later_epoch:\n",
        "        if False:\n",
        (RIVALS, VERBS),
    ),
    Mutant(
        "a stop whose answer was lost is refused",
        "storage/verbs.py",
        'raise _unknown("a stop got no answer, and the stream is over") from refusal',
        "return account",
        (VERBS, RIVALS),
    ),
    Mutant(
        "a stop that was sent twice is not recognised by its ending",
        "storage/verbs.py",
        "        if is_written and self.id not in account.leases:\n",
        "        if False:\n",
        (VERBS,),
    ),
    Mutant(
        "an erased user keeps everything",
        "storage/verbs.py",
        "return True, rules.forget(account, now=self.now)",
        "return True, account",
        (REPEATS, VERBS),
    ),
    Mutant(
        "a failed condition is not judged again",
        "storage/store.py",
        "MAX_ATTEMPTS = 30",
        "MAX_ATTEMPTS = 2",
        (RACES,),
    ),
    Mutant(
        "an incomplete answer is believed",
        "storage/table.py",
        "        if not _is_complete(answer, arguments):\n",
        "        if False:\n",
        (TABLE,),
    ),
    Mutant(
        "a throttled table opens grace leases",
        "storage/table.py",
        "return StoreThrottled(str(exc))",
        "return StoreDown(str(exc))",
        (TABLE, *OUTAGE),
    ),
    Mutant(
        "a request without time opens grace leases",
        "storage/table.py",
        'raise RequestTimedOut(f"{operation}: {exc}") from exc',
        'raise StoreDown(f"{operation}: {exc}") from exc',
        (TABLE, *OUTAGE),
    ),
    Mutant(
        "a store that answered before opens grace leases",
        "storage/store.py",
        "return StoreUnavailable(str(exc)) if attempt else exc",
        "return exc",
        OUTAGE,
    ),
)
