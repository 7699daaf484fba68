"""Reads the plans file named by `PLANS` or `SHADOW_PLANS` at start-up.

An error names the file, line, plan, rule and key, and shows a valid value.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from django.core.exceptions import ImproperlyConfigured

from streams.rules import ATTRIBUTES, Plan, Plans, Rule, WhenFull
from streams.rules.plans import MAX_LEASE_MS, MAX_PAUSED_MS

MAX_LIMIT = 100
"""With more slots a user's item would be too large for one conditional write."""
MAX_PLANS = 100
MAX_RULES = 16
MAX_VALUES = 64
MAX_ATTRIBUTES = 16
MAX_MESSAGE_BYTES = 256

MIN_LEASE_SECONDS = 5
MAX_LEASE_SECONDS = MAX_LEASE_MS // 1000
MAX_PAUSED_SECONDS = MAX_PAUSED_MS // 1000

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
NAME_IS = "1 to 64 characters of A-Z a-z 0-9 _ and -"
METADATA = re.compile(r"metadata\.[A-Za-z0-9_.-]{1,32}")
ATTRIBUTE_IS = f"one of {', '.join(ATTRIBUTES)} or metadata.KEY"

PLAN_KEYS = (
    "limit",
    "when_full",
    "lease_seconds",
    "relaxed_lease_seconds",
    "paused_seconds",
    "rules",
)
RULE_KEYS = ("name", "where", "per", "distinct", "limit", "message")

HEADER = re.compile(r'\s*\[+\s*"?([\w-]+)"?\s*(\.\s*rules\s*)?\]')
"""The header of a plan (`[family]`) or of a rule (`[[family.rules]]`)."""


def read_plans(setting: str, path: Path, *, default: Plan) -> Plans:
    """Return the plans of a file.

    `default` supplies the values that a plan does not set. It is also the plan
    `default`, unless the file contains one.

    Raises:
        ImproperlyConfigured: the file cannot be read or contains an error.
    """
    text = _read(setting, path)
    tables = _parse(setting, path, text)
    file = PlansFile(setting, path, text)

    if not tables or len(tables) > MAX_PLANS:
        file.refuse(
            f"the file contains {len(tables)} plans. "
            f"Write 1 to {MAX_PLANS} tables such as [family]."
        )

    plans = {name: file.plan(name, table, default) for name, table in tables.items()}
    default_plan = plans.pop("default", default)
    return Plans(default=default_plan, named=plans)


def examine(plans: Plans | None, attribute: str) -> bool:
    """Return whether a rule of any of these plans examines an attribute."""
    if plans is None:
        return False
    rules = [rule for plan in plans.all for rule in plan.rules]
    return any(attribute in rule.attributes for rule in rules)


class PlansFile:
    """A plans file: builds the plans, and reports errors with their line."""

    def __init__(self, setting: str, path: Path, text: str) -> None:
        self.setting = setting
        self.path = path
        self.lines = text.splitlines()

    def plan(self, name: str, table: Any, default: Plan) -> Plan:
        """Return the plan of a table."""
        place = Place(self, plan=name)
        if not isinstance(table, dict):
            self.refuse(
                f"{name} is not a table. "
                f"Write [{name}] on a line and the keys below it.",
                key=name,
            )
        if not NAME.fullmatch(name):
            place.refuse(f"the name of a plan must have {NAME_IS}.")
        place.check_keys(table, PLAN_KEYS)

        lease_ms, relaxed_lease_ms, paused_ms = _lease_times(place, table, default)
        return Plan(
            name=name,
            limit=place.required_integer(table, "limit", 0, MAX_LIMIT),
            when_full=_when_full(place, table, default),
            lease_ms=lease_ms,
            relaxed_lease_ms=relaxed_lease_ms,
            paused_ms=paused_ms,
            rules=self._rules(place, table.get("rules", [])),
        )

    def _rules(self, place: "Place", tables: Any) -> tuple[Rule, ...]:
        if not isinstance(tables, list) or len(tables) > MAX_RULES:
            place.refuse(
                f"a plan has at most {MAX_RULES} rules. "
                f"Write [[{place.plan}.rules]] above each rule.",
                "rules",
            )

        places = [Place(self, place.plan, index) for index in range(len(tables))]
        rules = [
            _rule(place, table) for place, table in zip(places, tables, strict=True)
        ]

        _check_names(places, rules)
        if sum(len(rule.attributes) for rule in rules) > MAX_ATTRIBUTES:
            place.refuse(
                f"the rules use more than {MAX_ATTRIBUTES} attributes in total. "
                "Remove some.",
                "rules",
            )
        return tuple(rules)

    def refuse(
        self,
        fault: str,
        *,
        plan: str | None = None,
        rule: int | None = None,
        key: str | None = None,
    ) -> NoReturn:
        """Raise the error of a plan, rule or key, with its line."""
        line = _line(self.lines, plan, rule, key)
        raise ImproperlyConfigured(f"{self.setting}: {self.path}, line {line}: {fault}")


class Place:
    """A plan or a rule in a file: checks the values of its keys."""

    def __init__(self, file: PlansFile, plan: str, index: int | None = None) -> None:
        self.file = file
        self.plan = plan
        self.index = index
        self.rule = "" if index is None else f"number {index + 1}"

    def refuse(self, fault: str, key: str | None = None) -> NoReturn:
        """Raise the error of this plan or rule."""
        name = f"plan {self.plan}"
        if self.rule:
            name += f", rule {self.rule}"
        self.file.refuse(f"{name}: {fault}", plan=self.plan, rule=self.index, key=key)

    def check_keys(self, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
        """Refuse a key that is not one of `known`."""
        for key in table:
            if key in known:
                continue

            similar = get_close_matches(key, known, n=1)
            suggestion = f" Did you mean {similar[0]}?" if similar else ""
            keys = ", ".join(known)
            self.refuse(
                f"{key} is an unknown key.{suggestion} The keys are {keys}.", key
            )

    def required_integer(
        self, table: Mapping[str, Any], key: str, low: int, high: int
    ) -> int:
        """Return the integer of a key that must be present."""
        number = table.get(key)
        if type(number) is not int or not low <= number <= high:
            text = repr(number) if key in table else "missing"
            self.refuse(f"{key} is {text}. Write an integer from {low} to {high}.", key)
        return number

    def optional_integer(
        self, table: Mapping[str, Any], key: str, low: int, high: int
    ) -> int | None:
        """Return the integer of a key, or None without the key."""
        if key not in table:
            return None
        return self.required_integer(table, key, low, high)

    def check_attribute(self, name: Any, key: str) -> None:
        """Refuse a name that is not an attribute of streams."""
        is_text = isinstance(name, str)
        if not is_text or not (name in ATTRIBUTES or METADATA.fullmatch(name)):
            self.refuse(f"{key} is {name!r}. Write {ATTRIBUTE_IS}.", key)


def _read(setting: str, path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as exc:
        raise ImproperlyConfigured(
            f"{setting}: {path} cannot be read ({exc}). Set it to a plans file (TOML)."
        ) from exc


def _parse(setting: str, path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise ImproperlyConfigured(
            f"{setting}: {path} is not valid TOML: {exc}."
        ) from exc


def _lease_times(
    place: Place, table: Mapping[str, Any], default: Plan
) -> tuple[int, int | None, int | None]:
    """Return the lease, the relaxed lease and the pause of a plan, in milliseconds."""
    lease = place.optional_integer(
        table, "lease_seconds", MIN_LEASE_SECONDS, MAX_LEASE_SECONDS
    )
    if lease is None:
        lease = default.lease_ms // 1000
    relaxed = place.optional_integer(
        table, "relaxed_lease_seconds", lease, MAX_LEASE_SECONDS
    )
    longest = max(lease, relaxed or 0)
    paused = place.optional_integer(
        table, "paused_seconds", longest, MAX_PAUSED_SECONDS
    )
    return (
        lease * 1000,
        None if relaxed is None else relaxed * 1000,
        None if paused is None else paused * 1000,
    )


def _when_full(place: Place, table: Mapping[str, Any], default: Plan) -> WhenFull:
    when_full = table.get("when_full", default.when_full)
    if when_full not in list(WhenFull):
        choices = " or ".join(f'"{choice}"' for choice in WhenFull)
        place.refuse(f"when_full is {when_full!r}. Write {choices}.", "when_full")
    return WhenFull(when_full)


def _rule(place: Place, table: Any) -> Rule:
    if not isinstance(table, dict):
        place.refuse("a rule must be a table. Write [[plan.rules]] above its keys.")

    name = table.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        place.refuse(f"name is {name!r}. Write {NAME_IS} in quotes.", "name")
    place.rule = name
    place.check_keys(table, RULE_KEYS)

    if "per" in table and "distinct" in table:
        place.refuse("a rule has either per or distinct. Remove one.", "distinct")
    grouping = {key: table[key] for key in ("per", "distinct") if key in table}
    for key, attribute in grouping.items():
        place.check_attribute(attribute, key)

    return Rule(
        name=name,
        message=_message(place, table),
        limit=place.required_integer(table, "limit", 0, MAX_LIMIT),
        where=_where(place, table.get("where", {})),
        **grouping,
    )


def _message(place: Place, table: Mapping[str, Any]) -> str | None:
    message = table.get("message")
    if message is None:
        return None

    is_line = isinstance(message, str) and message.isprintable()
    if not is_line or not 0 < len(message.encode()) <= MAX_MESSAGE_BYTES:
        place.refuse(
            f"message must be one line of at most {MAX_MESSAGE_BYTES} bytes.",
            "message",
        )
    return str(message)


def _where(place: Place, table: Any) -> dict[str, tuple[Any, ...]]:
    """Return the allowed values of each attribute."""
    if not isinstance(table, dict):
        place.refuse(
            'where must be a table of lists. Write { deviceType = ["tv"] }.', "where"
        )

    values_of = _with_dotted_metadata(table)
    for name, values in values_of.items():
        place.check_attribute(name, "where")
        if name == "network":
            place.refuse(
                "where cannot contain network, because only hashes are stored. "
                "Use per or distinct.",
                "where",
            )
        if not _is_list_of_values(name, values):
            place.refuse(
                f"{name} must be a list of 1 to {MAX_VALUES} values, "
                f'such as {name} = ["tv"].',
                "where",
            )
    return {name: tuple(values) for name, values in values_of.items()}


def _with_dotted_metadata(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table with `metadata.kids` as one key, which TOML nests."""
    nested = table.get("metadata")
    if not isinstance(nested, dict):
        return dict(table)
    flat = {key: value for key, value in table.items() if key != "metadata"}
    return flat | {f"metadata.{key}": value for key, value in nested.items()}


def _is_list_of_values(name: str, values: Any) -> bool:
    kinds = (str, int, float) if name.startswith("metadata.") else str
    return (
        isinstance(values, list)
        and 0 < len(values) <= MAX_VALUES
        and all(isinstance(value, kinds) for value in values)
    )


def _check_names(places: list[Place], rules: list[Rule]) -> None:
    """Refuse two rules of a plan with the same name."""
    names: set[str] = set()
    for place, rule in zip(places, rules, strict=True):
        if rule.name in names:
            place.rule = f"number {(place.index or 0) + 1}"
            place.refuse(f"two rules have the name {rule.name!r}. Rename one.", "name")
        names.add(rule.name)


def _line(lines: list[str], plan: str | None, rule: int | None, key: str | None) -> int:
    """Return the line of a key of a plan or rule, or of the header of its table."""
    key_pattern = re.compile(rf'\s*"?{re.escape(key or "")}"?\s*[.=]')
    header_line = 1

    for number, line, section in _lines_with_sections(lines):
        if section != (plan, rule):
            continue
        if HEADER.match(line):
            header_line = number
        elif key and key_pattern.match(line):
            return number
    return header_line


type Section = tuple[str | None, int | None]
"""The plan of a table, and the index of the rule if the table is a rule."""


def _lines_with_sections(lines: list[str]) -> Iterator[tuple[int, str, Section]]:
    """Yield each line with its number and the table that it belongs to."""
    section: Section = (None, None)
    rule_counts: Counter[str] = Counter()

    for number, line in enumerate(lines, start=1):
        header = HEADER.match(line)
        if header:
            plan, is_rule = header[1], header[2]
            section = (plan, rule_counts[plan] if is_rule else None)
            rule_counts[plan] += bool(is_rule)
        yield number, line, section
