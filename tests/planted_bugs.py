"""The bugs that `tests.mutants` plants, and the tests that are likely to find them."""

from dataclasses import dataclass

RULES = "tests/unit/rules"
STORE = "tests/engine/test_store.py"
AGREES = "tests/engine/test_store_agrees_with_rule.py"
PLANS = "tests/engine/test_plans.py"
RACES = "tests/engine/test_races.py"
REPEATS = "tests/engine/test_repeats.py"
RIVALS = "tests/engine/test_rivals_of_a_repeat.py"
LATE = "tests/engine/test_late_writes.py"
CLOCKS = "tests/engine/test_clocks.py"
WRITES = "tests/unit/storage/test_writes.py"
VERBS = "tests/unit/storage/test_verbs.py"
TABLE = "tests/unit/storage/test_table.py"
CALLS = "tests/unit/dynamodb/test_calls.py"
DEADLINE = "tests/unit/dynamodb/test_deadline.py"
GRACE = "tests/unit/test_grace.py"
TOKENS = "tests/unit/test_tokens.py"
OUTAGE = ("tests/faults/test_outage.py", "tests/faults/test_outage_limits.py")


@dataclass(frozen=True)
class Mutant:
    """A bug: the code that it replaces, and the tests that are likely to find it.

    The file is a path below `streams/`.
    """

    name: str
    file: str
    old: str
    new: str
    killers: tuple[str, ...]


CONDITIONS = (
    Mutant(
        "a start needs no room",
        "storage/statements.py",
        "may_start: Condition = keeps_its_places | has_room",
        "may_start: Condition = keeps_its_places | has_room | ITEM.version.exists()",
        (STORE,),
    ),
    Mutant(
        "room is off by one",
        "storage/statements.py",
        "is_below_plan: Condition = stored_leases < min(",
        "is_below_plan: Condition = stored_leases <= min(",
        (STORE,),
    ),
    Mutant(
        "a stored limit is off by one",
        "storage/statements.py",
        "is_below_stored: Condition = stored_leases < ITEM.limit",
        "is_below_stored: Condition = stored_leases <= ITEM.limit",
        (STORE, AGREES),
    ),
    Mutant(
        "a blind start may be late or a repeat",
        "storage/statements.py",
        "may_start = reduce(or_, clauses) & IS_NEWEST",
        "may_start = reduce(or_, clauses) & (IS_NEWEST | ITEM.version.exists())",
        (REPEATS, LATE),
    ),
    Mutant(
        "a blind start ignores the epoch of the stored lease",
        "storage/statements.py",
        '    (EPOCH >= value("epoch"))\n',
        '    (EPOCH == value("epoch"))\n',
        (REPEATS, LATE),
    ),
    Mutant(
        "a blind start ignores the epoch of an ending",
        "storage/statements.py",
        '    | (ENDING_EPOCH >= value("epoch"))\n',
        "",
        (REPEATS, LATE),
    ),
    Mutant(
        "a blind start ignores an ending since it was sent",
        "storage/statements.py",
        '    | (ENDED_AT >= value("now"))\n',
        "",
        (LATE,),
    ),
    Mutant(
        "a blind start takes over a lease that was renewed since",
        "storage/statements.py",
        "may_start &= ~(EXPIRES_AT > value(self.latest_parameter))",
        "may_start &= ~(EXPIRES_AT == value(self.latest_parameter))",
        (RIVALS, LATE),
    ),
    Mutant(
        "a blind start ignores the streams to replace",
        "storage/statements.py",
        '        may_start &= ITEM.leases[id_placeholder(f"replaced{index}")]'
        ".does_not_exist()\n",
        "        pass\n",
        (STORE, RACES),
    ),
    Mutant(
        "a blind start ignores a fence",
        "storage/statements.py",
        'arrival.does_not_exist() | (arrival < value("now"))',
        'arrival.does_not_exist() | (arrival < value("now")) | arrival.exists()',
        (RIVALS,),
    ),
    Mutant(
        "a judged write accepts a changed item",
        "storage/statements.py",
        'is_unchanged = ITEM.version == value("seen")',
        'is_unchanged = ITEM.version >= value("seen")',
        (RACES,),
    ),
    Mutant(
        "the register remembers the last write only",
        "storage/statements.py",
        'ITEM.write_2.set(ITEM.write_1 | value("write"))',
        'ITEM.write_2.set(value("write"))',
        (LATE,),
    ),
    Mutant(
        "a renewal ignores the epoch of its slot",
        "storage/statements.py",
        "may_renew = HAS_EPOCH & IS_LIVE",
        "may_renew = (HAS_EPOCH | EPOCH.exists()) & IS_LIVE",
        (STORE, AGREES),
    ),
    Mutant(
        "a renewal extends an expired lease",
        "storage/statements.py",
        "may_renew = HAS_EPOCH & IS_LIVE",
        "may_renew = HAS_EPOCH & (IS_LIVE | EPOCH.exists())",
        (STORE, AGREES),
    ),
    Mutant(
        "a renewal accepts any old token",
        "storage/statements.py",
        'is_valid_token = EXPIRES_AT <= value("last")',
        'is_valid_token = (EXPIRES_AT <= value("last")) | EPOCH.exists()',
        (STORE, AGREES),
    ),
    Mutant(
        "a heartbeat that resumes leaves the stream paused",
        "storage/statements.py",
        "is_playing = PAUSED_AT.does_not_exist()",
        "is_playing = PAUSED_AT.does_not_exist() | EPOCH.exists()",
        (PLANS, AGREES),
    ),
    Mutant(
        "a relaxed heartbeat ignores how many streams have started",
        "storage/statements.py",
        'may_renew &= size(ITEM.leases) <= value("max_stored_leases")',
        'may_renew &= size(ITEM.leases) >= value("max_stored_leases")',
        (AGREES,),
    ),
    Mutant(
        "a stop by token ignores the epoch of its slot",
        "storage/statements.py",
        'may_stop &= HAS_EPOCH & (EXPIRES_AT <= value("last"))',
        'may_stop &= (HAS_EPOCH | EPOCH.exists()) & (EXPIRES_AT <= value("last"))',
        (STORE, REPEATS),
    ),
    Mutant(
        "a stop by token accepts any old token",
        "storage/statements.py",
        'may_stop &= HAS_EPOCH & (EXPIRES_AT <= value("last"))',
        'may_stop &= HAS_EPOCH & ((EXPIRES_AT <= value("last")) | EPOCH.exists())',
        (AGREES, LATE),
    ),
    Mutant(
        "a late DELETE ends a later playback",
        "storage/statements.py",
        'may_stop &= EPOCH <= value("epoch")',
        'may_stop &= (EPOCH <= value("epoch")) | EPOCH.exists()',
        (REPEATS,),
    ),
    Mutant(
        "a blind stop ignores the room for endings",
        "storage/statements.py",
        'has_room = size(ITEM.ended) < value("room")',
        'has_room = size(ITEM.ended) >= value("room")',
        (STORE, AGREES),
    ),
    Mutant(
        "a blind start ignores the rules",
        "storage/statements.py",
        "self.limit, self.lowest_rule_limit",
        "self.limit, UNLIMITED",
        (PLANS, AGREES),
    ),
    Mutant(
        "a blind start under a stored limit ignores the rules",
        "storage/statements.py",
        "            is_below_stored &= stored_leases < self.lowest_rule_limit\n",
        "            pass\n",
        (AGREES,),
    ),
    Mutant(
        "a blind takeover may change what a rule examines",
        "storage/statements.py",
        "is_unchanged &= stored == value(self.parameter(position))",
        "is_unchanged &= (stored == value(self.parameter(position))) | IS_LIVE",
        (PLANS, AGREES),
    ),
    Mutant(
        "a blind start ignores which plan is stored",
        "storage/statements.py",
        "        if self.name is None:\n",
        "        if True:\n",
        (PLANS, AGREES),
    ),
)

RULE = (
    Mutant(
        "expired streams count for ever",
        "rules/starts.py",
        "reused = expired[:surplus]",
        "reused: list[list[Lease]] = []",
        (RULES,),
    ),
    Mutant(
        "an eviction ends the newest",
        "rules/starts.py",
        "live.sort(key=_oldest)",
        "live.sort(key=_oldest, reverse=True)",
        (RULES,),
    ),
    Mutant(
        "a takeover keeps the epoch",
        "rules/starts.py",
        "epoch=max(request.epoch, account.last_epoch(request.id) + 1)",
        "epoch=max(request.epoch, account.last_epoch(request.id))",
        (RULES, AGREES),
    ),
    Mutant(
        "the epoch of an ending is ignored",
        "rules/accounts.py",
        "ending_epoch = ending.epoch if ending else 0",
        "ending_epoch = 0",
        (RULES, AGREES),
    ),
    Mutant(
        "a late heartbeat revives above the limit",
        "rules/renewals.py",
        "has_room = plan.refusing_rule(lease, account.live(now)) is None",
        "has_room = True",
        (RULES,),
    ),
    Mutant(
        "an expiry moves back",
        "rules/renewals.py",
        "expires_at=max(lease.expires_at, expires_at)",
        "expires_at=expires_at",
        (RULES, CLOCKS),
    ),
    Mutant(
        "an old token is valid for ever",
        "rules/holders.py",
        "return lease.expires_at > expires_at + plan.longest_lease_ms",
        "return False",
        (RULES, AGREES),
    ),
    Mutant(
        "a lost slot renews",
        "rules/holders.py",
        "    if hold.epoch < lease.epoch:\n",
        "    if False:\n",
        (RULES,),
    ),
    Mutant(
        "an operator's end of an expired lease is a takeover",
        "rules/holders.py",
        "return ending.epoch >= last_epoch",
        "return ending.epoch == last_epoch",
        (RULES,),
    ),
    Mutant(
        "an operator's end fences no late start",
        "rules/endings.py",
        "epoch=max(ending.epoch, last_epoch_of(now))",
        "epoch=ending.epoch",
        (REPEATS, RULES, STORE),
    ),
    Mutant(
        "a repeated admission is not recognised by its nonce",
        "rules/starts.py",
        "if lease is None or lease.nonce != request.nonce:",
        "if True:",
        (RULES,),
    ),
    Mutant(
        "a rule counts one stream at most",
        "rules/plans.py",
        "places[other.id] = [other]",
        'places[""] = [other]',
        (RULES,),
    ),
    Mutant(
        "a rule per value counts every value",
        "rules/plans.py",
        "elif not self.distinct and is_same_group:",
        "elif not self.distinct:",
        (RULES,),
    ),
    Mutant(
        "true is one",
        "rules/plans.py",
        "return isinstance(value, bool), value",
        "return value",
        (RULES,),
    ),
    Mutant(
        "a takeover is never judged by a rule",
        "rules/starts.py",
        "return bool(rule.group(own) == rule.group(lease))",
        "return True",
        (RULES, AGREES),
    ),
    Mutant(
        "a pause has no end",
        "rules/renewals.py",
        "pause_ends_at = paused_at + plan.paused_ms "
        "if paused_at and plan.paused_ms else 0",
        "pause_ends_at = 0",
        (RULES,),
    ),
    Mutant(
        "a relaxed token is valid for any number of streams",
        "rules/renewals.py",
        "has_no_more_streams = len(account.leases) <= pace.max_stored_leases",
        "has_no_more_streams = True",
        (RULES,),
    ),
    Mutant(
        "a relaxed token outlives a change of the limit",
        "rules/renewals.py",
        "return has_no_more_streams and account.limit_set_at < issued_at",
        "return has_no_more_streams",
        (RULES, AGREES),
    ),
    Mutant(
        "a stop of a ghost by its token has no fence",
        "rules/endings.py",
        "return replace(after, theoretical_arrival_at=arrival)",
        "return after",
        (RULES,),
    ),
    Mutant(
        "leases are relaxed while one slot is free",
        "rules/plans.py",
        "MIN_FREE_SLOTS_TO_RELAX = 2",
        "MIN_FREE_SLOTS_TO_RELAX = 1",
        (RULES,),
    ),
    Mutant(
        "a revival excuses the expiry of the lease, not of the token",
        "rules/renewals.py",
        "revived_from = hold.expires_at or lease.expires_at",
        "revived_from = lease.expires_at",
        (RULES, RIVALS),
    ),
    Mutant(
        "a suspension spares ghosts",
        "rules/endings.py",
        "surplus = _surplus(after, effective, now=now) + expired",
        "surplus = _surplus(after, effective, now=now)",
        (RULES, RIVALS),
    ),
    Mutant(
        "a retry is named when the first rule has room",
        "rules/starts.py",
        "max(filter(None, retries))",
        "min(filter(None, retries))",
        (RULES,),
    ),
    Mutant(
        "the rule takes over a lease that was renewed since",
        "rules/starts.py",
        "return has_newest_epoch and ended_before and lasts_no_longer",
        "return has_newest_epoch and ended_before",
        (RULES,),
    ),
    Mutant(
        "an erased user has no fence",
        "rules/endings.py",
        "return Account(version=account.version + 1, theoretical_arrival_at=now)",
        "return Account(version=account.version + 1)",
        (RULES, RIVALS),
    ),
    Mutant(
        "a grace lease is refused by the start rate",
        "rules/starts.py",
        "if now < earliest and not request.is_grace:",
        "if now < earliest:",
        (RULES,),
    ),
    Mutant(
        "a grace lease takes a slot that changed hands",
        "rules/starts.py",
        "    if account.last_epoch(request.id) >= request.epoch:\n",
        "    if False:\n",
        (RULES, *OUTAGE),
    ),
    Mutant(
        "a plan must fit with its own comparisons",
        "rules/plans.py",
        "if comparisons > MAX_BLIND_COMPARISONS:",
        "if comparisons + plan.comparisons > MAX_BLIND_COMPARISONS:",
        (RULES,),
    ),
)

STORE_AND_CALLS = (
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
        "        if fenced is not stored.account:\n",
        "        if False:\n",
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
        "        if account.ended.get(self.id) == self.ending:\n",
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
        "if token_id != id or user_id not in (None, token_user_id):",
        "if user_id not in (None, token_user_id):",
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

WRONG_CLOCKS = (
    Mutant(
        "an impossible lease is believed",
        "rules/accounts.py",
        "if lease.expires_at > latest_expiry:",
        "if False:",
        (RULES, CLOCKS),
    ),
    Mutant(
        "an impossible arrival time is believed",
        "rules/accounts.py",
        "if rate.interval_ms > 0 and arrival > rate.latest_arrival(now):",
        "if False:",
        (RULES, CLOCKS),
    ),
)

MUTANTS = CONDITIONS + RULE + STORE_AND_CALLS + WRONG_CLOCKS
