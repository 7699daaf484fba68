"""`manage.py plans check FILE`, `try FILE --user USER` and `compare EVENTS`."""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, override

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError, CommandParser
from django.template.defaultfilters import pluralize

from streams import service
from streams.conf import settings
from streams.management.operator_command import Answer, OperatorCommand, table
from streams.plan_files import read_plans
from streams.rules import Account, Lease, Plan, Plans, Rule, WhenFull
from streams.serializers import PlanListSerializer
from streams.service import Context

START_KINDS = ("admitted", "took-over", "denied")
"""Kinds of events that represent a start. A start is `took-over` or `admitted`."""

RESULTS = {"shadow-denied": "denied", "shadow-admitted": "admitted"}
"""Kinds of events that record a different decision of the shadow plans."""

TRIAL_HEADINGS = ("ID", "DEVICE TYPE", "CONTENT", "RESULT")
STANDARD_INPUT = "-"
COMPARISON_HEADINGS = ("RESULT", "PLAN", "RULE", "STARTS", "SHARE")


class Command(OperatorCommand):
    """Examine a plans file before it decides anything."""

    events_by_default = "standard input"
    """The events that `compare` reads if the command line names no file."""

    help = (
        "Checks a plans file, tries it on a user, or compares shadow plans with the "
        "current plans."
    )

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(metavar="ACTION", required=True)

        check = actions.add_parser(
            "check", help="Check a plans file and explain it in words."
        )
        check.set_defaults(act=self.explain)
        check.add_argument("file", type=Path, metavar="FILE")
        _add_json(check, "Print JSON, as GET /plans answers.")

        try_ = actions.add_parser(
            "try",
            help="Show which live streams of a user would play under a plans file.",
        )
        try_.add_argument("file", type=Path, metavar="FILE")
        try_.add_argument("--user", required=True, dest="user_id")
        self.add_action_options(try_, self.try_)

        compare = actions.add_parser(
            "compare",
            help="Count the decisions that shadow plans would have changed.",
        )
        compare.set_defaults(act=self.compare)
        compare.add_argument(
            "file",
            nargs="?",
            metavar="EVENTS",
            help=(
                "file of JSON lines, - for standard input "
                f"(default: {self.events_by_default})"
            ),
        )
        _add_json(compare, "Print JSON: docs/plans.md.")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        if options["act"] == self.try_:
            options["plans"] = _read(options["file"])
            super().handle(*args, **options)
        else:
            answer: Answer = options["act"](**options)
            is_json = options["is_json"]
            self.stdout.write(json.dumps(answer.body) if is_json else answer.text)

    def explain(self, *, file: Path, **options: Any) -> Answer:
        """Return the meaning of a file, plan by plan."""
        plans = _read(file)
        explained = ["\n".join(in_words(plan)) for plan in plans.all]
        return Answer(
            text="\n\n".join(explained),
            body=PlanListSerializer((plans, None)).data,
        )

    def try_(self, context: Context, *, plans: Plans, **options: Any) -> Answer:
        """Return the live streams that would play under a file, oldest first."""
        account = service.store.read(context.user_id, now=context.now)
        plan = account.effective_plan(plans)
        playing, refused = _judge(account, plan, now=context.now)

        rows = []
        for lease in account.live(context.now):
            rule = refused.get(lease.id)
            result = "plays" if rule is None else f"denied: {rule.name or 'the limit'}"
            rows.append((lease.id, lease.device_type or "-", lease.stream_id, result))

        text = _summary(context.user_id, account, plan, plans, len(playing))
        if rows:
            text += f"\n\n{table(TRIAL_HEADINGS, rows)}"
        body = {
            "plan": plan.name,
            "limit": plan.limit,
            "plays": [lease.id for lease in playing],
            "refused": {id: rule.name or "limit" for id, rule in refused.items()},
        }
        return Answer(text, body)

    def compare(self, *, file: str | None, **options: Any) -> Answer:
        """Return how often the shadow plans would have decided differently."""
        starts, differences = _count(self.events(file))
        counted = differences.most_common()
        body = {
            "starts": starts,
            "different": differences.total(),
            "decisions": [
                {"result": result, "plan": plan, "rule": rule, "starts": number}
                for (result, plan, rule), number in counted
            ],
        }
        rows = [
            (*difference, str(number), _share(number, starts))
            for difference, number in counted
        ]
        text = _comparison(starts, differences.total())
        if rows:
            text += f"\n\n{table(COMPARISON_HEADINGS, rows)}"
        return Answer(text, body)

    def events(self, file: str | None) -> Iterable[Mapping[str, Any]]:
        """Return the events of a file, or of standard input.

        Raises:
            CommandError: the file cannot be read.
        """
        return _events(_lines(STANDARD_INPUT if file is None else file))


def _add_json(parser: CommandParser, help: str) -> None:
    parser.add_argument("--json", action="store_true", dest="is_json", help=help)


def in_words(plan: Plan) -> Iterator[str]:
    """Yield the lines that explain a plan."""
    is_evicting = plan.when_full is WhenFull.EVICT_OLDEST
    when_full = "the oldest stream ends" if is_evicting else "further starts are denied"
    streams = f"{plan.limit} concurrent stream{pluralize(plan.limit)}"
    yield f"{plan.name}: {streams}. When full, {when_full}."

    lease = f"  A lease lasts {plan.lease_ms // 1000} s"
    if plan.relaxed_lease_ms:
        relaxed = plan.relaxed_lease_ms // 1000
        lease += f", or {relaxed} s while two or more slots are free"
    yield f"{lease}."
    if plan.paused_ms:
        yield f"  A paused stream keeps its slot for {plan.paused_ms // 1000} s."

    for rule in plan.rules:
        message = f' Message: "{rule.message}"' if rule.message else ""
        yield f"  {rule.name}: {_rule_in_words(rule)}.{message}"


def _rule_in_words(rule: Rule) -> str:
    conditions = []
    for name, allowed in rule.where.items():
        alternatives = " or ".join(json.dumps(value) for value in allowed)
        conditions.append(f"{name} is {alternatives}")
    where = f" where {' and '.join(conditions)}" if conditions else ""

    if rule.distinct:
        values = f"{rule.limit} different value{pluralize(rule.limit)}"
        return f"at most {values} of {rule.distinct} among streams{where}"
    per = f", per {rule.per}" if rule.per else ""
    streams = f"{rule.limit} concurrent stream{pluralize(rule.limit)}"
    return f"at most {streams}{where}{per}"


def _read(file: Path) -> Plans:
    try:
        return read_plans("FILE", file.absolute(), default=settings.PLANS.default)
    except ImproperlyConfigured as exc:
        raise CommandError(str(exc).removeprefix("FILE: ")) from exc


def _judge(
    account: Account, plan: Plan, *, now: int
) -> tuple[list[Lease], dict[str, Rule]]:
    """Return the streams that would play, and the rules that refuse the others."""
    playing: list[Lease] = []
    refused: dict[str, Rule] = {}
    for lease in account.live(now):
        rule = plan.refusing_rule(lease, playing)
        if rule is None:
            playing.append(lease)
        else:
            refused[lease.id] = rule
    return playing, refused


def _summary(
    user_id: str, account: Account, plan: Plan, plans: Plans, playing: int
) -> str:
    note = ""
    if not plans.has(account.plan):
        note = f" (the file does not contain the stored plan {account.plan})"
    return (
        f"{user_id} has the plan {plan.name}{note}. {playing} "
        f"stream{pluralize(playing)} would play, with a limit of {plan.limit}."
    )


def _comparison(starts: int, different: int) -> str:
    """Return the first sentence of a comparison."""
    total = f"{starts} start{pluralize(starts)}"
    if different:
        return (
            f"The shadow plans would have decided {different} of {total} differently."
        )
    if starts == 0:
        return "The events contain no start."
    return f"The shadow plans would have decided all of {total} in the same way."


def _lines(file: str) -> list[str]:
    try:
        is_input = file == STANDARD_INPUT
        text = sys.stdin.read() if is_input else Path(file).read_text()
    except (OSError, ValueError) as exc:
        raise CommandError(f"{file} cannot be read: {exc}") from exc
    # A plan's name may contain U+2028, at which `str.splitlines` would split.
    return text.split("\n")


def _events(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield the events of log lines, which can begin with text of a log shipper."""
    for line in lines:
        try:
            event = json.loads(line[line.index("{") :])
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and _is_readable(event):
            yield event


def _is_readable(event: dict[str, Any]) -> bool:
    """Return whether the members that are counted are text."""
    names = [event.get(name) or "" for name in ("plan", "rule")]
    is_named = all(isinstance(name, str) for name in names)
    return is_named and isinstance(event.get("kind"), str)


def _count(
    events: Iterable[Mapping[str, Any]],
) -> tuple[int, Counter[tuple[str, str, str]]]:
    """Return the number of starts, and that of each difference."""
    starts = 0
    differences = Counter[tuple[str, str, str]]()
    for event in events:
        starts += event["kind"] in START_KINDS
        result = RESULTS.get(event["kind"])
        if result:
            default_rule = "the limit" if result == "denied" else "-"
            rule = event.get("rule") or default_rule
            plan = event.get("plan") or "-"
            differences[result, plan, rule] += 1
    return starts, differences


def _share(number: int, starts: int) -> str:
    return f"{100 * number / starts:.1f} %" if starts else "-"
