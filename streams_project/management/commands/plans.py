"""`manage.py plans check FILE`, `plans try FILE --user USER` and `plans compare [EVENTS]`."""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError, CommandParser

from streams import service
from streams.management.operator_command import Answer, OperatorCommand, table
from streams.rules import Lease, Plan, Plans, Rule, WhenFull
from streams.service import Context
from streams_project.plans import read_plans

STARTS = ("admitted", "took-over", "denied")
"""Kinds of events that stand for a start: of `took-over` and `admitted` there is one."""


class Command(OperatorCommand):
    """Look at a file of plans before it decides anything."""

    help = "Checks a file of plans, tries it on a user, or compares shadow plans with those in force."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(metavar="ACTION", required=True)
        check = actions.add_parser(
            "check", help="Check a file, and say in words what it means."
        )
        check.set_defaults(act=self.explain)
        try_ = actions.add_parser(
            "try", help="Judge the live streams of a user by a file."
        )
        try_.set_defaults(act=self.try_)
        try_.add_argument("--user", required=True, dest="user_id")
        try_.add_argument(
            "--json",
            action="store_true",
            dest="is_json",
            help="Print it for a program.",
        )
        try_.add_argument(
            "--stage",
            help="On this stage of zappa_settings.json (manage.py takes its table and region).",
        )
        for one in (check, try_):
            one.add_argument("file", type=Path, metavar="FILE")
        compare = actions.add_parser(
            "compare", help="What shadow plans would have decided, from events."
        )
        compare.set_defaults(act=self.compare)
        compare.add_argument(
            "events",
            type=Path,
            nargs="?",
            metavar="EVENTS",
            help="lines of JSON; else standard input",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["act"] == self.try_:
            options["plans"] = _read(options["file"])
            super().handle(*args, **options)
        else:
            self.stdout.write(options["act"](**options))

    def explain(self, *, file: Path, **options: Any) -> str:
        """What a file means, plan by plan."""
        return "\n\n".join("\n".join(in_words(plan)) for plan in _read(file).all)

    def try_(self, context: Context, *, plans: Plans, **options: Any) -> Answer:
        """Which live streams would be playing had the file decided, oldest first."""
        account = service.store.read(context.user_id, now=context.now)
        plan = account.effective_plan(plans)
        kept: list[Lease] = []
        rows, refused = [], {}
        for lease in account.live(context.now):
            rule = plan.refusing_rule(lease, kept)
            if rule is None:
                kept.append(lease)
            else:
                refused[lease.id] = rule.name or "limit"
            verdict = (
                "plays" if rule is None else f"refused: {rule.name or 'the limit'}"
            )
            rows.append((lease.id, lease.device_type or "-", lease.stream_id, verdict))
        known = (
            ""
            if plans.has(account.plan)
            else f" ({account.plan}, which is stored, is not in the file)"
        )
        summary = f"{context.user_id} has the plan {plan.name}{known}: {len(kept)} of {plan.limit} streams would play."
        listed = (
            table(("ID", "DEVICE TYPE", "WATCHES", "BY THE FILE"), rows) if rows else ""
        )
        body = {
            "plan": plan.name,
            "limit": plan.limit,
            "plays": [lease.id for lease in kept],
            "refused": refused,
        }
        return Answer(f"{summary}\n\n{listed}".rstrip(), body)

    def compare(self, *, events: Path | None, **options: Any) -> str:
        """How often the shadow plans would have decided otherwise, and by which rule."""
        try:
            text = events.read_text() if events else sys.stdin.read()
        except (OSError, UnicodeDecodeError) as exc:
            raise CommandError(f"{events} cannot be read: {exc}") from exc
        starts, differences = 0, Counter[tuple[str, str, str]]()
        for event in _events(text.splitlines()):
            starts += event["kind"] in STARTS
            if event["kind"] in ("shadow-denied", "shadow-admitted"):
                otherwise = "denied" if event["kind"] == "shadow-denied" else "admitted"
                rule = event.get("rule") or (
                    "the limit" if otherwise == "denied" else "-"
                )
                differences[otherwise, event.get("plan", "-"), rule] += 1
        if not differences:
            return f"Of {starts} starts the shadow plans would have decided none otherwise."
        rows = [
            (*what, str(number), _share(number, starts))
            for what, number in differences.most_common()
        ]
        headings = ("WOULD HAVE BEEN", "BY THE PLAN", "RULE", "STARTS", "OF ALL")
        return (
            f"Of {starts} starts the shadow plans would have decided {sum(differences.values())} otherwise.\n\n"
            + table(headings, rows)
        )


def in_words(plan: Plan) -> Iterator[str]:
    """A plan, as one would explain it."""
    when_full = (
        "the oldest ends"
        if plan.when_full is WhenFull.EVICT_OLDEST
        else "the next is refused"
    )
    yield f"{plan.name}: {plan.limit} streams at once; when full, {when_full}."
    lease = f"  A stream lives {plan.lease_ms // 1000} s without a heartbeat"
    if plan.relaxed_lease_ms:
        lease += f", {plan.relaxed_lease_ms // 1000} s while two or more slots are free"
    yield lease + "."
    if plan.paused_ms:
        yield f"  A paused one keeps its slot for {plan.paused_ms // 1000} s."
    for rule in plan.rules:
        yield f"  {rule.name}: {_counted(rule)}." + (
            f' It says: "{rule.message}"' if rule.message else ""
        )


def _counted(rule: Rule) -> str:
    where = " and ".join(
        f"{name} is {' or '.join(json.dumps(value) for value in values)}"
        for name, values in rule.where.items()
    )
    which = f" whose {where}" if where else ""
    if rule.distinct:
        return f"at most {rule.limit} different values of {rule.distinct} among the streams{which}"
    same = f" with the same {rule.per}" if rule.per else ""
    return f"at most {rule.limit} at once of the streams{which}{same}"


def _read(file: Path) -> Plans:
    try:
        return read_plans("FILE", file.absolute(), default=settings.PLANS.default)
    except ImproperlyConfigured as exc:
        raise CommandError(str(exc).removeprefix("FILE: ")) from exc


def _events(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The events among lines, whatever a log shipper put before each."""
    for line in lines:
        try:
            event = json.loads(line[line.index("{") :])
        except ValueError:
            continue
        if isinstance(event, dict) and isinstance(event.get("kind"), str):
            yield event


def _share(number: int, starts: int) -> str:
    return f"{100 * number / starts:.1f} %" if starts else "-"
