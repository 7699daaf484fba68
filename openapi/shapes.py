"""What the service answers, as serializers, and an example of each. Its requests are in `streams/serializers.py`."""

from typing import Any

from django.conf import settings
from django.core.validators import MinLengthValidator
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, PolymorphicProxySerializer
from rest_framework import serializers

from streams.problems import MEDIA_TYPE, PROBLEMS, Problem, body_of
from streams.rules import Reason, WhenFull
from streams.serializers import IdField, MetadataField, OperatorSerializer, TextField, WholeField


class Stream(OperatorSerializer):
    """A live stream, as everyone who may see it sees it."""

    id = IdField(help_text="The slot's identity; the last segment of the stream's URL.")
    userId = serializers.CharField()
    streamId = TextField(at_most_bytes=256, help_text="What is being watched.")
    deviceId = IdField(allow_null=True)
    deviceName = TextField(allow_null=True, at_most_bytes=64)
    deviceType = TextField(allow_null=True, at_most_bytes=32)
    title = TextField(allow_null=True, at_most_bytes=128)
    metadata = MetadataField(help_text="The operator's own facts.")
    startedAt = serializers.DateTimeField()
    expiresAt = serializers.DateTimeField()
    leaseSeconds = serializers.FloatField(min_value=0, help_text="What is left of the lease.")
    heartbeatSeconds = serializers.FloatField(help_text="When to send the next heartbeat.")
    epoch = WholeField(help_text="Grows each time the slot changes hands.")


class PlayerStream(Stream):
    """A stream as its own player sees it: with the token."""

    token = TextField(help_text="For the next heartbeat, or the stop.")
    isGrace = serializers.BooleanField(help_text="Whether it plays by grace, while the store is down.")


class StreamList(OperatorSerializer):
    """A user's live streams, oldest first, and what is left of the limit."""

    userId = serializers.CharField()
    limit = WholeField(min_value=0, max_value=settings.HIGHEST_LIMIT)
    active = WholeField(min_value=0)
    available = WholeField(min_value=0, help_text="How many more may start.")
    streams = Stream(many=True)


class UserLimit(OperatorSerializer):
    """The limit that holds for a user."""

    userId = serializers.CharField()
    limit = WholeField(min_value=0, max_value=settings.HIGHEST_LIMIT)
    whenFull = serializers.ChoiceField(choices=[choice.value for choice in WhenFull])
    isDefault = serializers.BooleanField(help_text="Whether no limit of the user's own is set.")


class Ended(OperatorSerializer):
    """The streams that a call ended."""

    ended = serializers.ListField(child=IdField(), help_text="Their ids, oldest first.")


class Health(OperatorSerializer):
    """All is well."""

    status = serializers.ChoiceField(choices=["ok"])


MORE_FIELDS: dict[str, dict[str, "serializers.Field[Any, Any, Any, Any]"]] = {
    "invalid-request": {"errors": serializers.DictField(validators=[MinLengthValidator(1)], help_text="By field.")},
    "stream-limit-reached": {
        "limit": WholeField(min_value=0, max_value=settings.HIGHEST_LIMIT),
        "streams": Stream(many=True, help_text="Who holds the slots, for a viewer to choose from."),
    },
    "stream-ended": {
        "reason": serializers.ChoiceField(choices=[reason.value for reason in Reason]),
        "endedAt": serializers.DateTimeField(),
        "endedBy": IdField(allow_null=True, help_text="The id of the stream that took its place."),
        "endedByName": TextField(allow_null=True, help_text="That stream's device, while it lives."),
        "endedByTitle": TextField(allow_null=True, help_text="What that stream plays, while it lives."),
    },
}
"""What a problem has beside `type`, `title`, `status` and `detail`."""

TOKEN = "WyJ1c2VyMiIsInR2IiwxXQ:c2lnbmF0dXJl"  # noqa: S105
STREAM = {
    "id": "tv",
    "userId": "user2",
    "streamId": "456",
    "deviceId": "tv",
    "deviceName": "Living room TV",
    "deviceType": "tv",
    "title": "The Great Escape",
    "metadata": {"match": 17},
    "startedAt": "2026-11-24T12:00:00.000Z",
    "expiresAt": "2026-11-24T12:01:00.000Z",
    "leaseSeconds": 60.0,
    "heartbeatSeconds": 19.2,
    "epoch": 1,
}
START = {name: STREAM[name] for name in ("streamId", "deviceId", "deviceName", "deviceType", "title", "metadata")}
LIMIT = {"limit": 5, "whenFull": "deny"}
EXAMPLES: dict[type, Any] = {
    Stream: STREAM,
    PlayerStream: STREAM | {"token": TOKEN, "isGrace": False},
    StreamList: {"userId": "user2", "limit": 3, "active": 1, "available": 2, "streams": [STREAM]},
    UserLimit: {"userId": "user2", **LIMIT, "isDefault": False},
    Ended: {"ended": ["tv"]},
    Health: {"status": "ok"},
}
WHO = {"endedByName": "Living room TV", "endedByTitle": "The Great Escape"}
MORE_MEMBERS: dict[str, dict[str, Any]] = {
    "invalid-request": {"errors": {"streamId": ["This field is required."]}},
    "unauthenticated": {"detail": "The bearer token has expired."},
    "stream-limit-reached": {"limit": 1, "streams": [STREAM]},
    "stream-ended": {"reason": "taken-over", "endedAt": "2026-11-24T12:00:30.000Z", "endedBy": "tv"} | WHO,
}


def answer(shape: type[OperatorSerializer], what: str) -> OpenApiResponse:
    """A success."""
    return OpenApiResponse(shape, what, [OpenApiExample("success", EXAMPLES[shape])])


def refusals(types: tuple[str, ...]) -> dict[tuple[int, str], OpenApiResponse]:
    """The answers with these problems, by status: some statuses stand for several."""
    by_status: dict[int, list[str]] = {}
    for type_ in types:
        by_status.setdefault(TABLE[type_].status, []).append(type_)
    return {(status, MEDIA_TYPE): _refusal(alike) for status, alike in sorted(by_status.items())}


def _refusal(types: list[str]) -> OpenApiResponse:
    shape: Any = SHAPES[types[0]]
    if len(types) > 1:
        shapes: dict[str, Any] = {type_: SHAPES[type_] for type_ in types}
        shape = PolymorphicProxySerializer("-or-".join(types), shapes, resource_type_field_name="type")
    titles = dict.fromkeys(problem.title for problem in PROBLEMS.values() if problem.type in types)
    examples = [OpenApiExample(type_, body_of(TABLE[type_], **MORE_MEMBERS.get(type_, {}))) for type_ in types]
    return OpenApiResponse(shape, ". Or: ".join(titles) + ".", examples)


def _shape(problem: Problem) -> type[OperatorSerializer]:
    fields = {
        "__doc__": f"{problem.title}.",
        "type": serializers.ChoiceField(choices=[problem.type]),
        "title": serializers.CharField(),
        "status": serializers.ChoiceField(choices=[problem.status]),
        "detail": serializers.CharField(required=False),
    }
    return type(problem.type, (OperatorSerializer,), fields | MORE_FIELDS.get(problem.type, {}))


TABLE = {problem.type: problem for problem in PROBLEMS.values()}
"""By type: for those with several titles, the last."""
SHAPES = {type_: _shape(problem) for type_, problem in TABLE.items()}
