"""Files of plans (`PLANS`, `SHADOW_PLANS`): read and checked at start. What is wrong is told with the file and line,
the plan, the rule and the key, and with what to write."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from django.core.exceptions import ImproperlyConfigured

from streams.rules import ATTRIBUTES, Plan, Plans, Rule, WhenFull

MAX_LIMIT = 100
"""More slots than this and a user's item would outgrow what one conditional write is meant for."""
MAX_PLANS, MAX_RULES, MAX_VALUES, MESSAGE_BYTES = 100, 16, 64, 256
MAX_ATTRIBUTES = 16

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
NAME_IS = "1 to 64 characters of A-Z a-z 0-9 _ and -"
METADATA = re.compile(r"metadata\.[A-Za-z0-9_.-]{1,32}")
ATTRIBUTES_ARE = f"{', '.join(ATTRIBUTES)}, or metadata. and a key"
PLAN_KEYS = (
    "limit",
    "when_full",
    "lease_seconds",
    "relaxed_lease_seconds",
    "paused_seconds",
    "rules",
)
RULE_KEYS = ("name", "where", "per", "distinct", "limit", "message")


def read_plans(setting: str, path: Path, *, default: Plan) -> Plans:
    """The plans of a file: the default one, which knows the others. `default` is what a plan has that the file does not
    give; and it is the plan `default` itself, unless the file has one."""
    try:
        text = path.read_text()
        tables = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as exc:
        raise ImproperlyConfigured(
            f"{setting}: {path} cannot be read ({exc}). Name a TOML file of plans."
        ) from exc
    except tomllib.TOMLDecodeError as exc:
        raise ImproperlyConfigured(
            f"{setting}: {path} is not TOML: {exc}. Correct that line."
        ) from exc
    file = _File(setting, path, text)
    if not tables or len(tables) > MAX_PLANS:
        file.refuse(
            f"there are {len(tables)} plans. Write 1 to {MAX_PLANS}, each a table like [family]."
        )
    plans = {name: file.plan(name, table, default) for name, table in tables.items()}
    first = plans.pop("default", default)
    return Plans(default=first, named=plans)


def look_at(plans: Plans | None, attribute: str) -> bool:
    """Whether a rule of any of these plans does."""
    return plans is not None and any(
        attribute in rule.attributes for plan in plans.all for rule in plan.rules
    )


class _File:
    """A file of plans, to make plans of, or to say where one is wrong."""

    def __init__(self, setting: str, path: Path, text: str) -> None:
        self.setting, self.path, self.lines = setting, path, text.splitlines()

    def plan(self, name: str, table: Any, default: Plan) -> Plan:
        place = _Place(self, plan=name)
        if not isinstance(table, dict):
            self.refuse(
                f"{name} is no plan. Write [{name}] on a line, its keys below it.",
                key=name,
            )
        if not NAME.fullmatch(name):
            place.refuse(f"the plan's name must be {NAME_IS}. Write another.")
        place.only(table, PLAN_KEYS)
        lease = place.whole(table, "lease_seconds", 5, 3600, default.lease_ms // 1000)
        relaxed = place.whole(table, "relaxed_lease_seconds", lease, 3600, None)
        paused = place.whole(
            table, "paused_seconds", max(lease, relaxed or 0), 86_400, None
        )
        when_full = table.get("when_full", default.when_full)
        if when_full not in list(WhenFull):
            place.refuse(
                f"when_full is {when_full!r}. Write {' or '.join(f'"{one}"' for one in WhenFull)}.",
                "when_full",
            )
        rules = table.get("rules", [])
        if not isinstance(rules, list) or len(rules) > MAX_RULES:
            place.refuse(
                f"rules must be at most {MAX_RULES} tables. Write [[{name}.rules]] above each.",
                "rules",
            )
        made = tuple(
            self.rule(_Place(self, name, index), rule)
            for index, rule in enumerate(rules)
        )
        for index, rule in enumerate(made):
            if rule.name in [other.name for other in made[:index]]:
                _Place(self, name, index).refuse(
                    f"there are two rules {rule.name!r}. Write another name.", "name"
                )
        if sum(len(rule.attributes) for rule in made) > MAX_ATTRIBUTES:
            place.refuse(
                f"the rules name over {MAX_ATTRIBUTES} attributes together. Write fewer.",
                "rules",
            )
        return Plan(
            name=name,
            limit=place.whole(table, "limit", 0, MAX_LIMIT),
            when_full=WhenFull(when_full),
            lease_ms=lease * 1000,
            relaxed_lease_ms=relaxed and relaxed * 1000,
            paused_ms=paused and paused * 1000,
            rules=made,
        )

    def rule(self, place: "_Place", table: Any) -> Rule:
        if not isinstance(table, dict):
            place.refuse("a rule is a table. Write [[plan.rules]] above its keys.")
        name, message = table.get("name"), table.get("message")
        if not isinstance(name, str) or not NAME.fullmatch(name):
            place.refuse(f"name is {name!r}. Write {NAME_IS} in quotes.", "name")
        place.rule = name
        place.only(table, RULE_KEYS)
        by = {key: table[key] for key in ("per", "distinct") if key in table}
        if len(by) == 2:
            place.refuse(
                "per and distinct are two kinds of rule. Write one of them.", "distinct"
            )
        for key, attribute in by.items():
            place.attribute(attribute, key)
        if message is not None and not (
            isinstance(message, str)
            and message.isprintable()
            and 0 < len(message.encode()) <= MESSAGE_BYTES
        ):
            place.refuse(
                f"message must be text of at most {MESSAGE_BYTES} bytes on one line. Write it so.",
                "message",
            )
        limit = place.whole(table, "limit", 0, MAX_LIMIT)
        return Rule(
            name=name,
            where=place.where(table.get("where", {})),
            limit=limit,
            message=message,
            **by,
        )

    def refuse(
        self,
        what: str,
        *,
        plan: str | None = None,
        rule: int | None = None,
        key: str | None = None,
    ) -> NoReturn:
        line = _line(self.lines, plan, rule, key)
        raise ImproperlyConfigured(f"{self.setting}: {self.path}, line {line}: {what}")


class _Place:
    """A plan, or a rule of it."""

    def __init__(self, file: _File, plan: str, index: int | None = None) -> None:
        self.file, self.plan, self.index = file, plan, index
        self.rule = "" if index is None else f"number {index + 1}"

    def refuse(self, what: str, key: str | None = None) -> NoReturn:
        who = f"plan {self.plan}{f', rule {self.rule}' if self.rule else ''}"
        self.file.refuse(f"{who}: {what}", plan=self.plan, rule=self.index, key=key)

    def only(self, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
        for key in table:
            if key not in known:
                self.refuse(f"{key} is no key. Write one of {', '.join(known)}.", key)

    def whole(
        self,
        table: Mapping[str, Any],
        key: str,
        low: int,
        high: int,
        *default: int | None,
    ) -> Any:
        if key not in table and default:
            return default[0]
        number = table.get(key)
        if type(number) is not int or not low <= number <= high:
            found = repr(number) if key in table else "missing"
            self.refuse(
                f"{key} is {found}. Write a whole number from {low} to {high}.", key
            )
        return number

    def attribute(self, name: Any, key: str) -> None:
        if not isinstance(name, str) or not (
            name in ATTRIBUTES or METADATA.fullmatch(name)
        ):
            self.refuse(f"{key} names {name!r}. Write {ATTRIBUTES_ARE}.", key)

    def where(self, table: Any) -> dict[str, tuple[Any, ...]]:
        if not isinstance(table, dict):
            self.refuse(
                'where must be a table of lists. Write { deviceType = ["tv"] }.',
                "where",
            )
        nested = table.get("metadata")
        if isinstance(nested, dict):  # metadata.kids without quotes
            table = {key: value for key, value in table.items() if key != "metadata"}
            table |= {f"metadata.{key}": value for key, value in nested.items()}
        for name, values in table.items():
            self.attribute(name, "where")
            if name == "network":
                self.refuse(
                    "where cannot name networks: only hashes are known. Write per or distinct.",
                    "where",
                )
            is_list = isinstance(values, list) and 0 < len(values) <= MAX_VALUES
            kinds = (str, int, float) if name.startswith("metadata.") else str
            if not is_list or not all(isinstance(value, kinds) for value in values):
                self.refuse(
                    f'{name} must be a list of 1 to {MAX_VALUES} values. Write {name} = ["…"].',
                    "where",
                )
        return {name: tuple(values) for name, values in table.items()}


def _line(lines: list[str], plan: str | None, rule: int | None, key: str | None) -> int:
    """The line of a key of a plan or rule, or of the header of its table."""
    at: tuple[str | None, int | None] = (None, None)
    seen, found = 0, 1
    for number, line in enumerate(lines, start=1):
        header = re.match(r'\s*\[+\s*"?([\w-]+)"?\s*(\.\s*rules\s*)?\]', line)
        if header:
            of_rules = bool(header[2])
            seen = (seen if header[1] == plan else 0) + (of_rules and header[1] == plan)
            at = (header[1], seen - 1 if of_rules else None)
            if at == (plan, rule):
                found = number
        elif (
            at == (plan, rule)
            and key
            and re.match(rf'\s*"?{re.escape(key)}"?\s*[.=]', line)
        ):
            return number
    return found
