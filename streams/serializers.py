"""Shapes in and out. No decisions."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from random import SystemRandom
from typing import Any, ClassVar, override

from django.conf import settings
from django.core.validators import BaseValidator
from rest_framework import serializers

from streams import tokens
from streams.rules import Account, Ending, Lease, Policy, WhenFull

JITTER = SystemRandom()
"""Not a seeded one: instances that Lambda resumes from one snapshot would all send the same."""
ID = re.compile(r"(?!\.\.?$)[A-Za-z0-9._~:@|-]{1,128}")
"""User ids, stream ids and device ids. Not `.` or `..`: in a path, clients and proxies resolve those (RFC 3986)."""
ID_IS = "Must be 1 to 128 characters of A-Z a-z 0-9 . _ ~ : @ | -, and neither . nor .."
ERRORS_AT_MOST = 10
"""Of a kind, in an answer: one that grew with the request would be a lever."""


CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters (Unicode's Cc), and halves of surrogate pairs, which are no text."""


class TextField(serializers.CharField):
    """Text as it is: no number made into text, no blanks trimmed, no control characters."""

    default_error_messages: ClassVar = {"control": "Must not hold control characters."}

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)
        # REST framework's own two look at each character, for less than `CONTROL` finds.
        self.validators = [check for check in self.validators if isinstance(check, BaseValidator)]

    @override
    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        if CONTROL.search(data):
            self.fail("control")
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


class IdsField(serializers.ListField):
    """A list of ids: the first that are not are named."""

    child = IdField()

    @override
    def run_child_validation(self, data: Any) -> list[str]:
        data = [one.get("id") if isinstance(one, dict) else one for one in data]
        try:
            ids: list[str] = super().run_child_validation(data)
        except serializers.ValidationError as exc:
            by_index: Any = exc.detail
            raise serializers.ValidationError(dict(list(by_index.items())[:ERRORS_AT_MOST])) from exc
        return ids


class StrictSerializer(serializers.Serializer[Any]):
    """An object with the fields it declares and no others."""

    @override
    def to_internal_value(self, data: Any) -> dict[str, Any]:
        errors: dict[str, Any] = {}
        if isinstance(data, dict):
            known = ", ".join(self.fields)
            unknown = [name for name in data if name not in self.fields][:ERRORS_AT_MOST]
            errors = {name: [f"Not a field. The fields are: {known}."] for name in unknown}
        try:
            values: dict[str, Any] = super().to_internal_value(data)
        except serializers.ValidationError as exc:
            by_field: Any = exc.detail
            raise serializers.ValidationError({**errors, **by_field}) from exc
        if errors:
            raise serializers.ValidationError(errors)
        return values


class StartSerializer(StrictSerializer):
    """A start: what is watched, by which device, and which streams to end for it."""

    streamId = TextField(max_length=256, help_text="What is being watched.")
    deviceId = IdField(required=False, allow_null=True, help_text="The same device starting again keeps its slot.")
    deviceName = TextField(required=False, allow_null=True, max_length=128, help_text="As the viewer knows it.")
    deviceType = TextField(required=False, allow_null=True, max_length=64, help_text="tv, phone, web, …")
    title = TextField(required=False, allow_null=True, max_length=256, help_text="Of what is being watched.")
    replace = IdsField(
        required=False,
        max_length=settings.HIGHEST_LIMIT,
        help_text="Ids of streams to end for this one.",
    )


class HeartbeatSerializer(StrictSerializer):
    """A heartbeat: the token of the last start or heartbeat."""

    token = TextField(max_length=2048)


class StopSerializer(StrictSerializer):
    """A stop. With a token it stops that playback only, and not a later one in the same slot."""

    token = TextField(max_length=2048, required=False)


class LimitSerializer(StrictSerializer):
    """A user's own limit."""

    limit = WholeField(min_value=0, max_value=settings.HIGHEST_LIMIT)
    whenFull = serializers.ChoiceField(
        choices=[choice.value for choice in WhenFull],
        default=WhenFull.DENY.value,
        error_messages={"invalid_choice": f"Must be one of {', '.join(WhenFull)}."},
    )


def iso(instant: int) -> str:
    """RFC 3339 with milliseconds, UTC."""
    return datetime.fromtimestamp(instant / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def stream_body(user_id: str, lease: Lease, *, now: int) -> dict[str, Any]:
    """A stream as everyone may see it. `leaseSeconds` is what is left of the lease."""
    return {
        "id": lease.id,
        "userId": user_id,
        "streamId": lease.stream_id,
        "deviceId": lease.device_id,
        "deviceName": lease.device_name,
        "deviceType": lease.device_type,
        "title": lease.title,
        "startedAt": iso(lease.started_at),
        "expiresAt": iso(lease.expires_at),
        "leaseSeconds": max(0, lease.expires_at - now) / 1000,
        "heartbeatSeconds": round(settings.LEASE_SECONDS / 3 * JITTER.uniform(0.9, 1), 3),
        "epoch": lease.epoch,
    }


def player_body(user_id: str, lease: Lease, *, now: int) -> dict[str, Any]:
    """A stream as its own player sees it: with the token."""
    return stream_body(user_id, lease, now=now) | {"token": tokens.issue(user_id, lease)}


def account_body(
    user_id: str, account: Account, default: Policy, *, entitlement: int | None, now: int
) -> dict[str, Any]:
    """A user's live streams and what is left of the limit."""
    live, limit = account.live(now), account.policy(default, entitlement).limit
    return {
        "userId": user_id,
        "limit": limit,
        "active": len(live),
        "available": max(0, limit - len(live)),
        "streams": [stream_body(user_id, lease, now=now) for lease in live],
    }


def limit_body(user_id: str, account: Account, default: Policy) -> Mapping[str, Any]:
    """The limit that holds for a user, and whether it is the default."""
    policy = account.policy(default)
    return {
        "userId": user_id,
        "limit": policy.limit,
        "whenFull": policy.when_full.value,
        "isDefault": account.limit is None,
    }


def ending_body(ending: Ending) -> dict[str, Any]:
    """Why a stream is over."""
    return {"reason": ending.reason.value, "endedAt": iso(ending.at), "endedBy": ending.by}
