"""Shapes in and out. No decisions."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from random import SystemRandom
from typing import Any, ClassVar, override

from django.conf import settings
from rest_framework import serializers

from streams.errors import StreamEnded
from streams.rules import Lease, Plan, WhenFull
from streams.service import IssuedLease, Listing

JITTER = SystemRandom()
"""Not a seeded one: instances that Lambda resumes from one snapshot would all send the same."""
ID = re.compile(r"(?!\.\.?$)[A-Za-z0-9._~:@|-]{1,128}")
"""Stream ids and device ids. Not `.` or `..`: in a path, clients and proxies resolve those (RFC 3986)."""
ID_IS = "Must be 1 to 128 characters of A-Z a-z 0-9 . _ ~ : @ | -, and neither . nor .."
USER_ID = re.compile(r'(?!\.\.?$)[ -"$&-.0->@-\[\]-~]{1,255}')
"""User ids in a path: printable ASCII but for / \\ ? # %. `/me` is for users whose id is another text."""
USER_ID_IS = (
    "Must be 1 to 255 printable ASCII characters other than / \\ ? # %, and neither . nor .. "
    "Viewers with another id call /me instead of /users/{userId}."
)
MAX_KEY_BYTES = 2048
"""What DynamoDB takes as a key."""
MAX_STREAM_ID_BYTES = 256
MAX_TOKEN_CHARACTERS = 12_288
"""A grace lease's token has all of its start in it."""
SHORTEST_LEASE_MS = min(plan.lease_ms for plan in settings.PLANS.all)
MAX_ERRORS = 10
"""Of a kind, in an answer: one that grew with the request would be a lever."""

STATES = ("playing", "paused")
METADATA_KEYS, METADATA_BYTES = 8, 256
METADATA_KEY = re.compile(r"[A-Za-z0-9_.-]{1,32}")

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters (Unicode's Cc), and halves of surrogate pairs, which are no text."""
NO_TEXT = ("Cc", "Cf", "Cs")
"""Unicode's categories of what nobody can read: control and format characters, and halves of surrogate pairs."""


def is_key(user_id: str) -> bool:
    """Whether DynamoDB takes this text as a key, whatever it is."""
    try:
        return 1 <= len(user_id.encode()) <= MAX_KEY_BYTES
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


def legible(text: str, *, at_most: int) -> str:
    """Text with a blank for each character that nobody can read, cut to so many bytes of UTF-8 between characters."""
    read = "".join(
        " " if unicodedata.category(character) in NO_TEXT else character
        for character in text[:at_most]
    )
    return read.encode()[:at_most].decode(errors="ignore")


class TextField(serializers.CharField):
    """Text as it is: no number made into text, no blanks trimmed, no control characters."""

    default_error_messages: ClassVar = {
        "control": "Must not hold control characters.",
        "bytes": "Must be at most {at_most} bytes of UTF-8.",
    }

    def __init__(self, *, at_most_bytes: int | None = None, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)
        self.at_most_bytes = at_most_bytes

    @override
    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        if CONTROL.search(data):
            self.fail("control")
        if self.at_most_bytes is not None and len(data.encode()) > self.at_most_bytes:
            self.fail("bytes", at_most=self.at_most_bytes)
        return data


class IdField(TextField):
    """An id: see `ID`."""

    default_error_messages: ClassVar = {"id": ID_IS}

    @override
    def to_internal_value(self, data: Any) -> str:
        id = super().to_internal_value(data)
        if not ID.fullmatch(id):
            self.fail("id")
        return id


class WholeField(serializers.IntegerField):
    """A JSON number that is whole: 3 or 3.0, which JSON does not tell apart, and not "3" or true."""

    @override
    def to_internal_value(self, data: Any) -> int:
        is_whole = type(data) is int or (type(data) is float and data.is_integer())
        if not is_whole:
            self.fail("invalid")
        return int(data)


class CosmeticField(serializers.Field[str | None, Any, str | None, Any]):
    """Text for people, which never refuses a play: what cannot be read becomes blanks, the rest is cut to its size,
    and what is no text is not there."""

    def __init__(self, *, at_most_bytes: int, **options: Any) -> None:
        super().__init__(required=False, **options)
        self.at_most_bytes = at_most_bytes

    @override
    def to_internal_value(self, data: Any) -> str | None:
        text = (
            legible(data, at_most=self.at_most_bytes) if isinstance(data, str) else ""
        )
        return text if text.strip() else None


class MetadataField(serializers.Field[Any, Any, Any, Any]):
    """The operator's own facts of a playback: a few names with text, numbers or truth values. As with `CosmeticField`,
    what does not fit is not there."""

    @override
    def to_internal_value(self, data: Any) -> dict[str, str | int | float | bool]:
        kept: dict[str, str | int | float | bool] = {}
        left = METADATA_BYTES
        for name, value in (
            list(data.items())[:METADATA_KEYS] if isinstance(data, dict) else ()
        ):
            if not METADATA_KEY.fullmatch(name) or not isinstance(
                value, str | int | float
            ):
                continue
            if isinstance(value, str):
                value = legible(value, at_most=max(0, left - len(name)))
            elif not -1e15 <= value <= 1e15:  # what every client reads as it was sent
                continue
            left -= len(name) + len(str(value).encode())
            if left < 0:
                break
            kept[name] = value
        return kept


class ReplaceField(serializers.Field[Any, Any, Any, Any]):
    """Streams to end: ids, or `{"id", "epoch"}` for the playback with that epoch only. The first that are neither are
    named."""

    default_error_messages: ClassVar = {
        "list": "Must be a list.",
        "length": f"Must name at most {settings.MAX_LIMIT} streams.",
        "entry": 'Must be an id, or an object with "id" and "epoch", a whole number.',
    }

    @override
    def to_internal_value(self, data: Any) -> dict[str, int | None]:
        if not isinstance(data, list):
            self.fail("list")
        if len(data) > settings.MAX_LIMIT:
            self.fail("length")
        named: dict[str, int | None] = {}
        errors: Any = {}
        for index, entry in enumerate(data):
            id, epoch = (
                (entry.get("id"), entry.get("epoch"))
                if isinstance(entry, dict)
                else (entry, None)
            )
            if not isinstance(id, str) or type(epoch) not in (int, type(None)):
                errors[index] = [str(self.error_messages["entry"])]
            elif not ID.fullmatch(id):
                errors[index] = [ID_IS]
            else:
                named[id] = epoch
            if len(errors) == MAX_ERRORS:
                break
        if errors:
            raise serializers.ValidationError(errors)
        return named


class PlayerSerializer(serializers.Serializer[Any]):
    """What a player sends: an object with the fields it declares. `null` is a field that is not there, and others are
    ignored, since players in the field are older or newer than the service."""

    @override
    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if isinstance(data, dict):
            data = {name: value for name, value in data.items() if value is not None}
        values: dict[str, Any] = super().to_internal_value(data)
        return values


class OperatorSerializer(PlayerSerializer):
    """What an operator sends: an object with the fields it declares and no others."""

    @override
    def to_internal_value(self, data: Any) -> dict[str, Any]:
        errors: dict[str, Any] = {}
        if isinstance(data, dict):
            known = ", ".join(self.fields)
            unknown = [name for name in data if name not in self.fields][:MAX_ERRORS]
            errors = {
                name: [f"Not a field. The fields are: {known}."] for name in unknown
            }
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as exc:
            by_field: Any = exc.detail
            raise serializers.ValidationError({**errors, **by_field}) from exc
        if errors:
            raise serializers.ValidationError(errors)
        return values


class StartSerializer(PlayerSerializer):
    """A start: what is watched, by which device, and which streams to end for it."""

    streamId = TextField(
        source="stream_id",
        at_most_bytes=MAX_STREAM_ID_BYTES,
        help_text="What is being watched.",
    )
    deviceId = IdField(
        source="device_id",
        required=False,
        allow_null=True,
        help_text="The same device starting again keeps its slot.",
    )
    deviceName = CosmeticField(
        source="device_name", at_most_bytes=64, help_text="As the viewer knows it."
    )
    deviceType = CosmeticField(
        source="device_type", at_most_bytes=32, help_text="tv, phone, web, …"
    )
    title = CosmeticField(at_most_bytes=128, help_text="Of what is being watched.")
    metadata = MetadataField(
        required=False, help_text="Facts of your own, 256 bytes in all."
    )
    replace = ReplaceField(
        required=False, allow_null=True, help_text="Streams to end for this one."
    )


class TokenSerializer(PlayerSerializer):
    """A heartbeat or a stop: the token of the last start or heartbeat."""

    token = TextField(max_length=MAX_TOKEN_CHARACTERS)


class HeartbeatSerializer(TokenSerializer):
    """A heartbeat, and whether the player plays."""

    state = serializers.ChoiceField(
        choices=STATES,
        required=False,
        error_messages={"invalid_choice": f"Must be one of {', '.join(STATES)}."},
    )


class LimitSerializer(OperatorSerializer):
    """A user's own plan or limit."""

    limit = WholeField(
        required=False, allow_null=True, min_value=0, max_value=settings.MAX_LIMIT
    )
    plan = TextField(required=False, allow_null=True, help_text="The name of a plan.")
    whenFull = serializers.ChoiceField(
        source="when_full",
        choices=[choice.value for choice in WhenFull],
        required=False,
        allow_null=True,
        error_messages={"invalid_choice": f"Must be one of {', '.join(WhenFull)}."},
    )
    endSurplus = serializers.BooleanField(
        source="end_surplus", required=False, help_text="End what is above it."
    )

    @override
    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        known = [plan.name for plan in settings.PLANS.all]
        if attrs.get("plan", settings.PLANS.default.name) not in known:
            raise serializers.ValidationError(
                {"plan": [f"Not a plan. The plans are: {', '.join(known)}."]}
            )
        if not attrs.keys() & {"limit", "plan"}:
            raise serializers.ValidationError(
                {"limit": ["Give a limit, or a plan, or both."]}
            )
        when_full = attrs.get("when_full", None if "plan" in attrs else WhenFull.DENY)
        return {
            "limit": None,
            "plan": None,
            **attrs,
            "when_full": when_full and WhenFull(when_full),
        }


def iso(instant: int) -> str:
    """RFC 3339 with milliseconds, UTC."""
    return (
        datetime.fromtimestamp(instant / 1000, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )


def stream_body(user_id: str, lease: Lease, *, now: int) -> dict[str, Any]:
    """A stream as everyone may see it. `leaseSeconds` is what is left of the lease."""
    left = max(0, lease.expires_at - now)
    due = (
        max(
            SHORTEST_LEASE_MS,
            left if lease.paused_at else min(left, settings.LONGEST_LEASE_MS),
        )
        / 3
    )
    return {
        "id": lease.id,
        "userId": user_id,
        "streamId": lease.stream_id,
        "deviceId": lease.device_id,
        "deviceName": lease.device_name,
        "deviceType": lease.device_type,
        "title": lease.title,
        "metadata": lease.metadata,
        "startedAt": iso(lease.started_at),
        "expiresAt": iso(lease.expires_at),
        "leaseSeconds": left / 1000,
        "heartbeatSeconds": round(due / 1000 * JITTER.uniform(0.9, 1), 3),
        "state": STATES[lease.paused_at > 0],
        "pausedAt": iso(lease.paused_at) if lease.paused_at else None,
        "epoch": lease.epoch,
    }


def player_body(issued: IssuedLease, *, now: int) -> dict[str, Any]:
    """A stream as its own player sees it: with the token, and the edge token where there is one. `isGrace`:
    it plays while the store is down."""
    edge = {"edgeToken": issued.edge_token} if issued.edge_token else {}
    token = {"token": issued.token, "isGrace": issued.is_grace}
    return stream_body(issued.user_id, issued.lease, now=now) | token | edge


def listing_body(user_id: str, listing: Listing, *, now: int) -> dict[str, Any]:
    """A user's live streams, what is left of the limit, and the last streams that are over, newest first."""
    active, limit = len(listing.streams), listing.plan.limit
    return {
        "userId": user_id,
        "plan": listing.plan.name,
        "limit": limit,
        "active": active,
        "available": max(0, limit - active),
        "streams": [stream_body(user_id, lease, now=now) for lease in listing.streams],
        "ended": [
            {
                "id": id,
                "reason": ending.reason.value,
                "endedAt": iso(ending.at),
                "endedBy": ending.by,
            }
            for id, ending in listing.ended
        ],
    }


def limit_body(user_id: str, listing: Listing) -> Mapping[str, Any]:
    """The limit that holds for a user, whether it is the default, and which streams ended for it, if any were to."""
    return {
        "userId": user_id,
        "plan": listing.plan.name,
        "limit": listing.plan.limit,
        "whenFull": listing.plan.when_full.value,
        "isDefault": listing.is_default,
        **(
            {}
            if listing.surplus is None
            else {"ended": [lease.id for lease in listing.surplus]}
        ),
    }


def dry_run_body(plan: Plan, ended: list[Lease]) -> dict[str, Any]:
    """What a start would be admitted under, and which streams would end for it."""
    return {
        "isAdmitted": True,
        "plan": plan.name,
        "limit": plan.limit,
        "ended": [lease.id for lease in ended],
    }


def plan_body(plan: Plan) -> dict[str, Any]:
    """A plan, as its file has it."""
    return {
        "name": plan.name,
        "limit": plan.limit,
        "whenFull": plan.when_full.value,
        "leaseSeconds": plan.lease_ms // 1000,
        "relaxedLeaseSeconds": plan.relaxed_lease_ms and plan.relaxed_lease_ms // 1000,
        "pausedSeconds": plan.paused_ms and plan.paused_ms // 1000,
        "rules": [asdict(rule) for rule in plan.rules],
    }


def ending_body(error: StreamEnded) -> dict[str, Any]:
    """Why a stream is over, and which stream took its place, while that lasts."""
    ending, by = error.ending, error.by
    return {
        "reason": ending.reason.value,
        "endedAt": iso(ending.at),
        "endedBy": ending.by,
        "endedByName": by and by.device_name,
        "endedByTitle": by and by.title,
    }
