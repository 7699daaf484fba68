"""The configuration: a TOML file, and secrets from the environment."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from streams_agent.hooks import Adapter


class InvalidConfiguration(Exception):
    """A setting is missing, unknown or not valid. The message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The settings of the agent. Times are seconds."""

    limiter: str
    """URL of the limiter."""
    listen: str = "127.0.0.1:9100"
    """Address for the hooks."""
    state: Path = Path("streams-agent.sqlite3")
    """File of the sessions."""
    identify_by: str = "token"
    """`token`: the viewer's ticket or bearer token. `user`: a user that the server or
    something before it has authenticated; it requires STREAMS_API_KEY.
    """
    when_silent: str = "closed"
    """Whether a new player may play while the limiter is silent: `closed` or `open`."""
    grace_seconds: float = 30.0
    """How long a player goes on after its lease, while the limiter is silent."""
    open_seconds: float = 60.0
    """The assumed lease of a player that started while the limiter was silent."""
    answer_seconds: float = 1.2
    """How long a start waits for the limiter."""
    silent_seconds: float = 90.0
    """Time without a sign of a player after which it counts as gone."""
    poll_seconds: float = 2.0
    """Time between two lists of the server's players."""
    join_seconds: float = 3.0
    """How long an admitted player may be missing in the server's list."""
    retry_seconds: float = 5.0
    """Longest wait between two calls without an answer."""
    servers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The options of each adapter."""
    api_key: str | None = field(default=None, repr=False)
    hook_secret: str | None = field(default=None, repr=False)

    @property
    def host(self) -> str:
        """The host to listen on."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port to listen on."""
        return int(self.listen.rpartition(":")[2])


CHOICES = {
    "when_silent": ("closed", "open"),
    "identify_by": ("token", "user"),
}
NUMBERS = ("depth", "interval_seconds", "lifetime_seconds")
"""Options of adapters that are whole numbers, written as text."""
SECRETS = {"api_key": "STREAMS_API_KEY", "hook_secret": "STREAMS_HOOK_SECRET"}
"""Settings that the environment supplies, so that no file contains them."""


def read(
    path: Path,
    known: Mapping[str, type[Adapter]],
    environment: Mapping[str, str] = os.environ,
) -> Options:
    """Read the file of the configuration.

    `known` maps the names of tables to adapters.

    Raises:
        InvalidConfiguration
    """
    try:
        content = tomllib.loads(path.read_text())
    except (OSError, ValueError) as exc:
        raise InvalidConfiguration(f"{path} cannot be read: {exc}") from exc
    return parse(content, known, environment)


def parse(
    content: Mapping[str, Any],
    known: Mapping[str, type[Adapter]],
    environment: Mapping[str, str] = os.environ,
) -> Options:
    """Return the options in a file's content and the environment."""
    tables = {name: value for name, value in content.items() if name in known}
    servers = {name: _server(known[name], table) for name, table in tables.items()}
    settings = {name: value for name, value in content.items() if name not in known}
    values = {name: _setting(name, value) for name, value in settings.items()}
    for name, variable in SECRETS.items():
        values[name] = environment.get(variable) or None

    if "limiter" not in values:
        raise InvalidConfiguration('limiter is missing. Set it to "https://…"')
    if not servers:
        raise InvalidConfiguration(f"No server is configured. Add one of {[*known]}")

    options = Options(**values, servers=servers)
    _check(options)
    return options


def _setting(name: str, value: Any) -> Any:
    known = {each.name: each for each in fields(Options)}
    if name not in known or name in ("servers", *SECRETS):
        raise InvalidConfiguration(f"{name} is not a setting")

    choices = CHOICES.get(name)
    if choices and value not in choices:
        raise InvalidConfiguration(f"{name} must be one of {', '.join(choices)}")
    if name.endswith("_seconds"):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 <= value <= 3600:
            raise InvalidConfiguration(f"{name} must be a number from 0 to 3600")
        return float(value)
    if not isinstance(value, str):
        raise InvalidConfiguration(f"{name} must be text")
    return Path(value) if name == "state" else value


def _server(adapter: type[Adapter], table: Any) -> Mapping[str, str]:
    name = adapter.name
    is_table = isinstance(table, dict)
    if not is_table or not all(isinstance(value, str) for value in table.values()):
        raise InvalidConfiguration(f"[{name}] must be a table of texts")

    missing = adapter.required_options - table.keys()
    if missing:
        raise InvalidConfiguration(f"[{name}] requires {', '.join(sorted(missing))}")
    unknown = table.keys() - adapter.required_options - adapter.optional_options
    if unknown:
        raise InvalidConfiguration(
            f"[{name}] has no option {', '.join(sorted(unknown))}"
        )

    for option, value in table.items():
        if option in NUMBERS and not value.isdecimal():
            raise InvalidConfiguration(f"[{name}] {option} must be a number")
    return dict(table)


def _check(options: Options) -> None:
    if options.limiter.partition("://")[0] not in ("http", "https"):
        raise InvalidConfiguration("limiter must begin with https:// or http://")
    if not options.listen.rpartition(":")[2].isdecimal():
        raise InvalidConfiguration('listen must be an address such as "127.0.0.1:9100"')
    if options.answer_seconds > MAX_ANSWER_SECONDS:
        raise InvalidConfiguration(
            f"answer_seconds must be {MAX_ANSWER_SECONDS} or less"
        )
    if options.identify_by == "user" and not options.api_key:
        raise InvalidConfiguration('identify_by = "user" requires STREAMS_API_KEY')
    if not options.hook_secret and not _is_loopback(options.host):
        raise InvalidConfiguration(
            "listen is an address that other machines reach: set STREAMS_HOOK_SECRET"
        )


MAX_ANSWER_SECONDS = 1.3
"""A hook is answered within 1.5 seconds."""


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
