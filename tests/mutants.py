"""Bugs planted into a copy of the product, one at a time: the suite has to find each. `make mutants`.

python -m tests.mutants            # all
python -m tests.mutants epoch      # those with this word in their name
"""

import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.servers import PROJECT

RULES, STORE = "tests/unit/rules", "tests/engine/test_store.py"
AGREES, REPEATS, RACES = (
    f"tests/engine/test_{name}.py"
    for name in ("store_agrees_with_rule", "repeats", "races")
)
CALLS, DEADLINE, GRACE = (
    "tests/unit/dynamodb/test_calls.py",
    "tests/unit/dynamodb/test_deadline.py",
    "tests/unit/test_grace.py",
)
PLANS = "tests/engine/test_plans.py"
OUTAGE, TOKENS, CLOCKS = (
    "tests/faults/test_outage.py",
    "tests/unit/test_tokens.py",
    "tests/engine/test_clocks.py",
)
ALL = ("tests/unit", "tests/engine", "tests/faults")


@dataclass(frozen=True)
class Mutant:
    """A bug: where it is planted, in the place of what, and the tests that are likely to find it."""

    name: str
    file: str
    old: str
    new: str
    killers: tuple[str, ...]


DECISIONS, STATEMENTS = "streams/rules/decisions.py", "streams/storage/statements.py"
STORE_FILE, CALLS_FILE, SERVICE = (
    "streams/storage/store.py",
    "streams/dynamodb/calls.py",
    "streams/service.py",
)
MUTANTS = (
    # The conditions.
    Mutant(
        "a start looks for no room",
        STATEMENTS,
        "may_start: Condition = is_as_before | has_room",
        "may_start: Condition = is_as_before | has_room | ROW.version.exists()",
        (STORE,),
    ),
    Mutant(
        "room is off by one",
        STATEMENTS,
        "has_room = size(ROW.leases) < min(limit, lowest)",
        "has_room = size(ROW.leases) <= min(limit, lowest)",
        (STORE,),
    ),
    Mutant(
        "a limit of the user's own is off by one",
        STATEMENTS,
        "has_room_of_its_own = size(ROW.leases) < ROW.limit",
        "has_room_of_its_own = size(ROW.leases) <= ROW.limit",
        (STORE, AGREES),
    ),
    Mutant(
        "a start does not ask whether its epoch is newer",
        STATEMENTS,
        "    may_start &= IS_NEWER\n",
        "",
        (REPEATS,),
    ),
    Mutant(
        "a start does not look at the epoch of an ending",
        STATEMENTS,
        ' | (ROW.ended[ID][ENDING["epoch"]] >= value("epoch")))',
        ")",
        (REPEATS,),
    ),
    Mutant(
        "a start does not look for the streams to replace",
        STATEMENTS,
        '        may_start &= ROW.leases[id_parameter(f"replaced{number}")].does_not_exist()\n',
        "        pass\n",
        (STORE, RACES),
    ),
    Mutant(
        "a judged write does not ask whether the item is unchanged",
        STATEMENTS,
        'else ROW.version == value("seen")',
        'else ROW.version >= value("none")',
        (RACES,),
    ),
    Mutant(
        "a renewal does not ask whose slot it is",
        STATEMENTS,
        "may_renew = IS_MINE & IS_LIVE",
        "may_renew = IS_LIVE",
        (STORE, AGREES),
    ),
    Mutant(
        "a renewal does not ask whether the lease lives",
        STATEMENTS,
        "may_renew = IS_MINE & IS_LIVE",
        "may_renew = IS_MINE",
        (STORE, AGREES),
    ),
    Mutant(
        "a renewal takes any old token",
        STATEMENTS,
        'IS_MINE & IS_LIVE & (EXPIRES_AT <= value("last"))',
        "IS_MINE & IS_LIVE",
        (STORE, AGREES),
    ),
    Mutant(
        "a stop does not ask whose slot it is",
        STATEMENTS,
        'may_stop = IS_LIVE & (IS_MINE if is_held else EPOCH <= value("epoch"))',
        "may_stop = IS_LIVE",
        (STORE, REPEATS),
    ),
    Mutant(
        "a late DELETE ends what began since",
        STATEMENTS,
        'IS_MINE if is_held else EPOCH <= value("epoch")',
        "IS_MINE if is_held else EPOCH.exists()",
        (REPEATS,),
    ),
    Mutant(
        "a deletion of a user does not ask which item",
        STATEMENTS,
        "(ROW.version <= last)",
        "(ROW.version > 0)",
        (REPEATS,),
    ),
    # The rule.
    Mutant(
        "expired streams count for ever",
        DECISIONS,
        "ghosts = sorted((place for place in places if _end(place)[0] <= now), key=_end)[:surplus]",
        "ghosts = []",
        (RULES,),
    ),
    Mutant(
        "an eviction takes the newest",
        DECISIONS,
        "key=lambda place: min(map(age, place)))",
        "key=lambda place: min(map(age, place)), reverse=True)",
        (RULES,),
    ),
    Mutant(
        "the epoch may stay",
        DECISIONS,
        "epoch=max(request.epoch, _last_epoch(account, request.id) + 1)",
        "epoch=max(request.epoch, _last_epoch(account, request.id))",
        (RULES, AGREES),
    ),
    Mutant(
        "the epoch of an ending is forgotten",
        DECISIONS,
        "return max(lease.epoch if lease else 0, ending.epoch if ending else 0)",
        "return lease.epoch if lease else 0",
        (RULES, AGREES),
    ),
    Mutant(
        "a late heartbeat revives over the limit",
        DECISIONS,
        "(expires_at <= now or refusing(plan, lease, account.live(now)))",
        "(expires_at <= now)",
        (RULES,),
    ),
    Mutant(
        "an end moves back",
        DECISIONS,
        "expires_at=max(lease.expires_at, expires_at)",
        "expires_at=expires_at",
        (RULES, CLOCKS),
    ),
    Mutant(
        "an old token is good for ever",
        DECISIONS,
        "if lease.expires_at > end + policy.longest_ms:",
        "if False:",
        (RULES, AGREES),
    ),
    Mutant(
        "a lost slot renews",
        DECISIONS,
        "    if hold.epoch != lease.epoch:\n",
        "    if False:\n",
        (RULES,),
    ),
    Mutant(
        "an operator's end of a lease that had run out is a take-over",
        DECISIONS,
        "return ending.epoch == last or (ending.epoch > last and ending.reason is Reason.EXPIRED)",
        "return ending.epoch == last",
        (RULES,),
    ),
    Mutant(
        "a stopped stream may be started by a late write",
        DECISIONS,
        "max(end.epoch, last_epoch_of(now))",
        "end.epoch",
        (REPEATS, RULES, STORE),
    ),
    Mutant(
        "an admission that was repeated is not recognised",
        DECISIONS,
        "if lease is None or lease.nonce != request.nonce:",
        "if True:",
        (REPEATS,),
    ),
    # Plans.
    Mutant(
        "a blind start forgets its rules",
        STATEMENTS,
        "has_room = size(ROW.leases) < min(limit, lowest)",
        "has_room = size(ROW.leases) < limit",
        (PLANS, AGREES),
    ),
    Mutant(
        "a blind start under a limit of the user's own forgets its rules",
        STATEMENTS,
        "            has_room_of_its_own &= size(ROW.leases) < lowest\n",
        "            pass\n",
        (AGREES,),
    ),
    Mutant(
        "a blind take-over is not asked whether it counts as before",
        STATEMENTS,
        "    may_start: Condition = is_as_before | has_room",
        "    may_start: Condition = IS_LIVE | has_room",
        (PLANS, AGREES),
    ),
    Mutant(
        "a blind start does not ask which plan is stored",
        STATEMENTS,
        "    if name:\n",
        "    if False:\n",
        (PLANS, AGREES),
    ),
    Mutant(
        "a rule counts one too few",
        "streams/rules/plans.py",
        "if group is not None and (group == own) is not bool(self.distinct):",
        "if group is not None and len(places) < 1 and (group == own) is not bool(self.distinct):",
        (RULES,),
    ),
    Mutant(
        "a rule by value counts every value",
        "streams/rules/plans.py",
        "(group == own) is not bool(self.distinct)",
        "(group == own or not self.distinct)",
        (RULES,),
    ),
    Mutant(
        "true is one",
        "streams/rules/plans.py",
        "return None if value is None else (isinstance(value, bool), value)",
        "return value",
        (RULES,),
    ),
    Mutant(
        "a take-over is never judged by a rule",
        DECISIONS,
        "(own and took_over and rule.group(own) == group)",
        "(own and took_over)",
        (RULES, AGREES),
    ),
    Mutant(
        "a pause is for ever",
        DECISIONS,
        "    if is_paused and plan.paused_ms:\n",
        "    if False:\n",
        (RULES,),
    ),
    Mutant(
        "a relaxed token is good however many streams have come",
        DECISIONS,
        "    if pace and len(account.leases) > pace.among:",
        "    if False:",
        (RULES,),
    ),
    Mutant(
        "a relaxed heartbeat does not ask how many streams have come",
        STATEMENTS,
        '        may_renew &= size(ROW.leases) <= value("among")\n',
        "        pass\n",
        (AGREES,),
    ),
    Mutant(
        "a heartbeat that resumes leaves the stream paused",
        STATEMENTS,
        " & PAUSED_AT.does_not_exist()",
        "",
        (PLANS, AGREES),
    ),
    Mutant(
        "leases are relaxed while one slot is free",
        "streams/rules/plans.py",
        "FREE_TO_RELAX = 2",
        "FREE_TO_RELAX = 1",
        (RULES,),
    ),
    # The store.
    Mutant(
        "a stop that was repeated is not recognised",
        STORE_FILE,
        "return Reason.STOPPED if id not in account.leases and account.ended.get(id) == ending else None",
        "return None",
        (REPEATS,),
    ),
    Mutant(
        "what ended is not recognised in a repeat",
        STORE_FILE,
        "if new and new.items() <= account.ended.items():",
        "if False:",
        (REPEATS,),
    ),
    Mutant(
        "a lost race is not judged again",
        STORE_FILE,
        "ATTEMPTS = 30",
        "ATTEMPTS = 2",
        (RACES,),
    ),
    Mutant(
        "an answer without what was asked for is believed",
        STORE_FILE,
        "        if is_missing:\n",
        "        if False:\n",
        ("tests/unit/dynamodb/test_transport.py", "tests/faults/test_matrix.py"),
    ),
    # What sends the calls.
    Mutant(
        "a request has no end",
        CALLS_FILE,
        "or pause >= deadline.seconds_left()",
        "",
        (DEADLINE, CALLS),
    ),
    Mutant(
        "a throttled table is left alone",
        CALLS_FILE,
        'return said is not None and said["ResponseMetadata"]["HTTPStatusCode"] < 500',
        "return False",
        (CALLS,),
    ),
    Mutant(
        "the circuit never opens",
        CALLS_FILE,
        "FAILURES_IN_A_ROW, OPEN_SECONDS = 5, 2.0",
        "FAILURES_IN_A_ROW, OPEN_SECONDS = 500, 2.0",
        (CALLS,),
    ),
    # Tokens and outages.
    Mutant(
        "a token is good for any stream",
        "streams/tokens.py",
        "if of_id != id or user_id not in (None, of_user):",
        "if user_id not in (None, of_user):",
        (TOKENS,),
    ),
    Mutant(
        "a throttled table lets everybody in",
        STORE_FILE,
        "raise (refused if calls.is_answer(exc) else StoreDown)(str(exc)) from exc",
        "raise StoreDown(str(exc)) from exc",
        (OUTAGE,),
    ),
    Mutant(
        "a store that answered before lets everybody in",
        STORE_FILE,
        "raise (StoreUnavailable(str(exc)) if attempt else exc)",
        "raise exc",
        (OUTAGE,),
    ),
    Mutant(
        "a process gives grace leases without end",
        "streams/grace.py",
        "len(live) < at_most and",
        "",
        (GRACE,),
    ),
    Mutant(
        "a grace lease is not judged afterwards",
        DECISIONS,
        "    if request.is_grace and _last_epoch(account, request.id) >= request.epoch:\n",
        "    if False:\n",
        (OUTAGE,),
    ),
    Mutant(
        "a grace lease has no end",
        SERVICE,
        "if request.is_grace and now < play.expires_at:",
        "if request.is_grace:",
        (OUTAGE,),
    ),
    Mutant(
        "a token that has run out is renewed in an outage",
        SERVICE,
        "if play.expires_at <= now or not grace.may_go_on",
        "if not grace.may_go_on",
        (OUTAGE,),
    ),
)


def applied(mutant: Mutant, folder: Path = PROJECT) -> str:
    """The file with the bug in it."""
    text = (folder / mutant.file).read_text()
    if text.count(mutant.old) != 1:
        raise LookupError(
            f"{mutant.name}: {mutant.old!r} is {text.count(mutant.old)} times in {mutant.file}"
        )
    return text.replace(mutant.old, mutant.new)


def is_found(mutant: Mutant, folder: Path) -> bool:
    """Whether the suite fails on a copy with the bug: the likely tests first, then all that are about it."""
    path = folder / mutant.file
    whole = path.read_text()
    path.write_text(applied(mutant, folder))
    try:
        for tests in (mutant.killers, ALL):
            command = [
                sys.executable,
                "-m",
                "pytest",
                *tests,
                "-x",
                "-n",
                "2",
                "-q",
                "-p",
                "no:cacheprovider",
            ]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
            if (
                done.returncode in (1, 2) and "\nFAILED " in done.stdout
            ):  # 2: stopped after the first
                return True
            if done.returncode:
                raise RuntimeError(
                    f"{mutant.name}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
                )
        return False
    finally:
        path.write_text(whole)


def main(word: str = "") -> int:
    """How many bugs nobody found."""
    survivors = 0
    with TemporaryDirectory(prefix="mutants-") as temporary:
        folder = Path(temporary) / "project"
        kept = shutil.ignore_patterns(
            ".venv", ".git", ".cache", ".local", ".hypothesis", "__pycache__", "*_cache"
        )
        shutil.copytree(PROJECT, folder, ignore=kept)
        for mutant in [mutant for mutant in MUTANTS if word in mutant.name]:
            began = time.monotonic()
            found = is_found(mutant, folder)
            survivors += not found
            word_of = "found" if found else "SURVIVES"
            sys.stdout.write(
                f"{word_of:8} {time.monotonic() - began:4.0f} s  {mutant.name}\n"
            )
            sys.stdout.flush()
    sys.stdout.write(f"{survivors} survive\n")
    return survivors


if __name__ == "__main__":
    sys.exit(min(1, main(" ".join(sys.argv[1:]))))
