"""The interface between the agent and a media server.

A media server reports a player in a hook, an HTTP request. Its adapter reads the hook
into a `Report`, and writes the `Verdict` into a `Reply` in the form that the server
expects. The adapter also lists the server's players and cuts one, if the server can.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import httpx

from streams_agent.credentials import (
    Credential,
    InvalidCredential,
    select,
    tokens_of,
    users_of,
)
from streams_agent.sessions import Session

MAX_FIELDS = 100
MAX_STREAM_ID_BYTES = 256


class MalformedHook(Exception):
    """A hook that the adapter does not accept. The message contains no value of it."""


class Event(StrEnum):
    """The part of a player's life that a hook reports."""

    START = "start"
    PLAYING = "playing"
    STOPPED = "stopped"
    IGNORED = "ignored"
    """Nothing that concerns a player, such as an update about a publisher."""


class Fields:
    """Names and values of a query, a form or the headers, in their order."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self.pairs = list(pairs)

    @classmethod
    def of_query(cls, text: str) -> "Fields":
        """Parse a query or the body of a form.

        Raises:
            MalformedHook
        """
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
        except ValueError as exc:
            raise MalformedHook("too many fields") from exc
        return cls(pairs)

    def one(self, name: str) -> str:
        """Return the only value of a name, "" without one.

        A player could repeat a name of the server in its own query.

        Raises:
            MalformedHook: the name is repeated.
        """
        values = [value for each, value in self.pairs if each == name]
        if len(values) > 1:
            raise MalformedHook(f"{name} is repeated")
        return values[0] if values else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A request of a media server.

    `path` is the part after the adapter's own path. The names of headers are in lower
    case.
    """

    method: str = "POST"
    path: str = ""
    query: str = ""
    headers: Fields = field(default_factory=lambda: Fields([]))
    body: bytes = b""

    def form(self) -> Fields:
        """Return the fields of a form."""
        try:
            return Fields.of_query(self.body.decode())
        except UnicodeDecodeError as exc:
            raise MalformedHook("the body is not UTF-8") from exc

    def json(self) -> "Members":
        """Return the members of a JSON object."""
        try:
            content = json.loads(self.body)
        except (ValueError, RecursionError) as exc:
            raise MalformedHook("the body is not JSON") from exc
        return Members(content)


class Members:
    """The members of a JSON object."""

    def __init__(self, content: Any) -> None:
        if not isinstance(content, dict):
            raise MalformedHook("the body is not a JSON object")
        self._content: Mapping[str, Any] = content

    def text(self, name: str) -> str:
        """Return a text or a number as text, "" without one."""
        value = self._content.get(name)
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise MalformedHook(f"{name} is not text")
        return str(value)

    def object(self, name: str) -> "Members":
        """Return a member that is an object."""
        return Members(self._content.get(name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A hook about a player.

    `key` identifies the player's connection at this server. `stream_id` is the
    content. `place` is what the adapter needs to list and cut the player.
    """

    event: Event
    key: str = ""
    stream_id: str = ""
    credential: Credential | None = None
    device: Mapping[str, str] = field(default_factory=dict)
    place: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Raise `MalformedHook` if a player's report lacks its identity."""
        if self.event is Event.IGNORED:
            return

        if not 1 <= len(self.key) <= MAX_STREAM_ID_BYTES or not self.key.isprintable():
            raise MalformedHook("the hook does not identify the player's connection")

        is_stop = self.event is Event.STOPPED
        size = len(self.stream_id.encode(errors="replace"))
        if not is_stop and not 1 <= size <= MAX_STREAM_ID_BYTES:
            raise MalformedHook("the hook does not name a stream")
        if not self.stream_id.isprintable():
            raise MalformedHook("the name of the stream has control characters")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a player may play, with a reason if it may not."""

    is_allowed: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer to a hook."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def of_json(cls, content: Any) -> "Reply":
        """Return an answer with JSON."""
        body = json.dumps(content).encode()
        return cls(headers={"Content-Type": "application/json"}, body=body)


class Adapter(ABC):
    """One media server.

    `lists` says whether `listed` works: then a player that it no longer lists has
    stopped. Without it, a player has stopped when the server says so, or when its
    hooks about the player cease. `list_option` is the option that `listed` needs, if
    the server can list its players.
    """

    name: ClassVar[str]
    required_options: ClassVar[frozenset[str]] = frozenset()
    optional_options: ClassVar[frozenset[str]] = frozenset()
    list_option: ClassVar[str | None] = None

    def __init__(self, options: Mapping[str, str], http: httpx.AsyncClient) -> None:
        self.options = options
        self.http = http

    @property
    def lists(self) -> bool:
        """Whether the server lists its players."""
        return self.list_option in self.options

    @abstractmethod
    def read(self, hook: Hook) -> Report:
        """Read a hook.

        Raises:
            MalformedHook
        """

    @property
    def identifies_by_user(self) -> bool:
        """Whether a report may name a user in the place of a token."""
        return self.options.get("identify_by") == "user"

    def viewer(self, *pairs: tuple[str, str]) -> Credential:
        """Return the credential in the fields that a player sent.

        Raises:
            InvalidCredential
        """
        credential = select(tokens_of(pairs), users_of(pairs))
        if credential.token is None and not self.identifies_by_user:
            raise InvalidCredential("no token")
        return credential

    def reply(self, event: Event, verdict: Verdict) -> Reply:
        """Return the answer to a hook."""
        return Reply(status=200 if verdict.is_allowed else 403)

    async def listed(self, sessions: Collection[Session]) -> set[str]:
        """Return the keys of the players that the server serves.

        `sessions` are those that the caller asks about.

        Raises:
            httpx.HTTPError, ValueError: the server did not answer.
        """
        raise NotImplementedError

    async def kick(self, session: Session) -> None:  # noqa: B027  # optional
        """Cut a player. Without an implementation, its next hook is refused.

        Raises:
            httpx.HTTPError
        """
