"""Finds changes that are out of order while two versions serve the same players.

During a canary and after a roll-back, a viewer's calls reach two versions. Each change
of a key, a plan or an issuer therefore has steps, forward and back:

* a key is removed after the last lease that it signed has ended;
* a plan is removed after no user has it, and a roll-back must know the plans in use;
* an issuer is added everywhere before the first token names it;
* the key of hashes stays, because networks are stored as hashes.

`rotation` checks that each version accepts the tokens of the other one.
"""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory

from django.core.exceptions import ImproperlyConfigured

from stages import PROJECT, comma_separated
from streams.conf import Settings
from streams.plan_files import examine, read_plans
from streams.rules import Plan, Plans

CANARY = timedelta(minutes=10)
"""The duration of a canary, unless an option sets another one."""

type Variables = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A version: its variables with the values of references, and its plans.

    `plans` is None if the commit of the version is not in this clone.
    `published_at` is None for a version that does not exist yet.
    """

    variables: Variables
    plans: Plans | None = None
    published_at: datetime | None = None

    def keys(self, name: str) -> list[str]:
        """Return the values of a variable that is a list."""
        return comma_separated(self.variables.get(name))

    @property
    def signer(self) -> str:
        """The key that signs the tokens of players."""
        return (self.keys("LEASE_TOKEN_KEYS") or [""])[0]

    @property
    def hash_key(self) -> str:
        """The key of the hashes of networks and of edge tokens' subjects."""
        return self.variables.get("HASH_KEY") or self.signer

    @property
    def uses_hashes(self) -> bool:
        """Whether a rule examines networks, or edge tokens contain a hashed user."""
        subject = self.variables.get("EDGE_TOKEN_SUBJECT") or "hash"
        has_edge_tokens = bool(self.variables.get("EDGE_TOKEN_KEYS"))
        return examine(self.plans, "network") or (has_edge_tokens and subject == "hash")


@dataclass(frozen=True, slots=True)
class OutOfOrder:
    """A change out of order, and the name with which an operator confirms it."""

    confirmation: str
    sentence: str


def out_of_order(
    live: Facts,
    new: Facts,
    earlier: Sequence[Facts] = (),
    *,
    now: datetime,
    canary: timedelta = CANARY,
) -> Iterator[OutOfOrder]:
    """Yield each change from the live version to another one that is out of order.

    `earlier` are the versions that were live before, the latest first.
    """
    yield from _early_removals(live, new, earlier, now=now, canary=canary)
    yield from _missing_plans(live, new)
    yield from _changed_issuers(live, new)
    yield from _changed_hash_key(live, new)


def longest_lease(versions: Sequence[Facts]) -> timedelta:
    """Return the longest lease of any plan of these versions, pauses included."""
    plans = [version.plans for version in versions if version.plans]
    longest_ms = max((each.longest_lease_ms for each in plans), default=0)
    return timedelta(milliseconds=longest_ms)


def plans_of(variables: Variables, commit: str | None = None) -> Plans | None:
    """Return the plans of a version, from git or, without a commit, from the files.

    Returns None if they cannot be read: `preflight` reports a faulty file.
    """
    lease_seconds = variables.get("LEASE_SECONDS") or str(
        Settings.LEASE_SECONDS.default
    )
    default = Plan(limit=1, lease_ms=int(lease_seconds) * 1000)
    path = variables.get("PLANS")
    if not path:
        return Plans(default=default)
    if commit is None:
        return _read(PROJECT / path, default)

    shown = subprocess.run(
        ["git", "show", f"{commit}:{path}"],
        cwd=PROJECT,
        check=False,
        capture_output=True,
    )
    if shown.returncode != 0:
        return None
    with TemporaryDirectory() as folder:
        file = Path(folder) / "plans.toml"
        file.write_bytes(shown.stdout)
        return _read(file, default)


def _read(path: Path, default: Plan) -> Plans | None:
    try:
        return read_plans("PLANS", path, default=default)
    except ImproperlyConfigured:
        return None


def _early_removals(
    live: Facts,
    new: Facts,
    earlier: Sequence[Facts],
    *,
    now: datetime,
    canary: timedelta,
) -> Iterator[OutOfOrder]:
    """Yield the removal of a key whose tokens may still be in use.

    The key signed until the version after it had all of the traffic: at most a canary
    after that version was published.
    """
    history = [live, *earlier]
    kept = new.keys("LEASE_TOKEN_KEYS")
    removed = [key for key in live.keys("LEASE_TOKEN_KEYS") if key not in kept]
    for key in removed if kept else []:
        since = _versions_since(key, history)
        has_signed = len(since) < len(history)
        if not since or not has_signed:
            continue

        replaced_at = since[-1].published_at or now
        free_at = replaced_at + canary + longest_lease([*history, new])
        if now < free_at:
            yield OutOfOrder(
                "early-key-removal",
                "LEASE_TOKEN_KEYS would lose a key that may have signed until "
                f"{_shown(replaced_at + canary)}, and a lease lasts "
                f"{_seconds(longest_lease([*history, new]))} s with pauses: players "
                f"would be cut off. Remove the key after {_shown(free_at)}.",
            )


def _versions_since(key: str, history: Sequence[Facts]) -> list[Facts]:
    """Return the versions since the last one that signed with a key."""
    return list(takewhile(lambda version: version.signer != key, history))


def _missing_plans(live: Facts, new: Facts) -> Iterator[OutOfOrder]:
    """Yield the plans that users may have and the other version does not know."""
    if live.plans is None or new.plans is None:
        return
    missing = sorted(live.plans.named.keys() - new.plans.named.keys())
    if missing:
        yield OutOfOrder(
            "plans",
            f"The version does not know the plans {', '.join(missing)}: their users "
            "would get the default plan, whose limit may be higher. Give them another "
            "plan first, and remove the plan from the tokens of the identity provider.",
        )


def _changed_issuers(live: Facts, new: Facts) -> Iterator[OutOfOrder]:
    """Yield the issuers that are replaced in one step."""
    before, after = live.keys("AUTH_ISSUER"), new.keys("AUTH_ISSUER")
    if before and after and set(before).isdisjoint(after):
        yield OutOfOrder(
            "auth-issuer",
            "AUTH_ISSUER would be replaced: viewers whose tokens name "
            f"{', '.join(before)} would be refused. List both issuers first.",
        )

    name = "EDGE_TOKEN_ISSUER"
    issuer, next_issuer = live.variables.get(name), new.variables.get(name)
    if issuer and next_issuer and issuer != next_issuer:
        yield OutOfOrder(
            "edge-token-issuer",
            f"{name} would be {next_issuer}. Each validator must accept it before: add "
            "it to the list of issuers of each, and confirm this.",
        )


def _changed_hash_key(live: Facts, new: Facts) -> Iterator[OutOfOrder]:
    if live.hash_key == new.hash_key or not (live.uses_hashes or new.uses_hashes):
        return
    yield OutOfOrder(
        "hash-key",
        "The key of hashes would change, and a household would count as two networks. "
        "Set HASH_KEY to the first of the live version's LEASE_TOKEN_KEYS, or to its "
        "HASH_KEY.",
    )


def published_at(configuration: Mapping[str, str]) -> datetime | None:
    """Return when AWS published a version, from its configuration."""
    text = configuration.get("LastModified", "")
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def commit_of(description: str) -> str | None:
    """Return the commit in a version's description: `2.0.0 4147a54 2026-11-30T…`."""
    words = description.split()
    return words[1] if len(words) > 1 else None


def _shown(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _seconds(length: timedelta) -> int:
    return round(length.total_seconds())
