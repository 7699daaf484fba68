"""What the service answers, as serializers, and an example of each. Its requests are in `streams/serializers.py`."""

from typing import Any

from django.conf import settings
from django.core.validators import MinLengthValidator
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiResponse,
    PolymorphicProxySerializer,
)
from rest_framework import serializers

from streams.problems import MEDIA_TYPE, PROBLEMS, Problem, body_of
from streams.rules import Reason, WhenFull
from streams.serializers import (
    STATES,
    IdField,
    MetadataField,
    OperatorSerializer,
    TextField,
    WholeField,
)


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
    leaseSeconds = serializers.FloatField(
        min_value=0, help_text="What is left of the lease."
    )
    heartbeatSeconds = serializers.FloatField(
        help_text="When to send the next heartbeat."
    )
    state = serializers.ChoiceField(choices=STATES)
    pausedAt = serializers.DateTimeField(allow_null=True)
    epoch = WholeField(help_text="Grows each time the slot changes hands.")


class PlayerStream(Stream):
    """A stream as its own player sees it: with the token."""

    token = TextField(help_text="For the next heartbeat, or the stop.")
    isGrace = serializers.BooleanField(
        help_text="Whether it plays by grace, while the store is down."
    )
    edgeToken = TextField(
        required=False,
        help_text="For whoever serves what plays: a JWT, where these are turned on.",
    )


class EndedStream(OperatorSerializer):
    """A stream that is over."""

    id = IdField()
    reason = serializers.ChoiceField(choices=[reason.value for reason in Reason])
    endedAt = serializers.DateTimeField()
    endedBy = IdField(
        allow_null=True, help_text="The id of the stream whose start ended it."
    )


class StreamList(OperatorSerializer):
    """A user's live streams, oldest first, and what is left of the limit."""

    userId = serializers.CharField()
    plan = serializers.CharField()
    limit = WholeField(min_value=0, max_value=settings.MAX_LIMIT)
    active = WholeField(min_value=0)
    available = WholeField(min_value=0, help_text="How many more may start.")
    streams = Stream(many=True)
    ended = EndedStream(
        many=True, help_text="The last streams that are over, newest first."
    )


class DryRun(OperatorSerializer):
    """What a start would come to: nothing is taken."""

    isAdmitted = serializers.ChoiceField(choices=[True])
    plan = serializers.CharField(help_text="That it would be admitted under.")
    limit = WholeField(min_value=0, max_value=settings.MAX_LIMIT)
    ended = serializers.ListField(
        child=IdField(), help_text="The streams that would end for it."
    )


class Where(serializers.Field[Any, Any, Any, Any]):
    """An attribute of a stream, to the values that are counted."""


class PlanRule(OperatorSerializer):
    """A rule of a plan."""

    name = serializers.CharField()
    limit = WholeField(min_value=0, max_value=settings.MAX_LIMIT)
    where = Where(help_text="An attribute of a stream, to the values that are counted.")
    per = serializers.CharField(
        allow_null=True, help_text="The attribute by whose value streams are counted."
    )
    distinct = serializers.CharField(
        allow_null=True, help_text="The attribute whose values are counted."
    )
    message = serializers.CharField(allow_null=True, help_text="For the viewer.")


class ListedPlan(OperatorSerializer):
    """A plan."""

    name = serializers.CharField()
    limit = WholeField(min_value=0, max_value=settings.MAX_LIMIT)
    whenFull = serializers.ChoiceField(choices=[choice.value for choice in WhenFull])
    leaseSeconds = WholeField(min_value=5)
    relaxedLeaseSeconds = WholeField(allow_null=True, min_value=5)
    pausedSeconds = WholeField(allow_null=True, min_value=5)
    rules = PlanRule(many=True)


class PlanList(OperatorSerializer):
    """The plans in force, the default one first, and those that decide nothing."""

    plans = ListedPlan(many=True)
    shadowPlans = ListedPlan(many=True, required=False)


class UserLimit(OperatorSerializer):
    """The limit that holds for a user."""

    userId = serializers.CharField()
    plan = serializers.CharField()
    limit = WholeField(min_value=0, max_value=settings.MAX_LIMIT)
    whenFull = serializers.ChoiceField(choices=[choice.value for choice in WhenFull])
    isDefault = serializers.BooleanField(
        help_text="Whether no limit of the user's own is set."
    )


class UserLimitSet(UserLimit):
    """The limit that holds for a user from now on."""

    ended = serializers.ListField(
        child=IdField(),
        required=False,
        help_text="With `endSurplus`: what ended for it.",
    )


class PlanRuleThatRefused(OperatorSerializer):
    """The rule that refused, where it was not the limit."""

    name = serializers.CharField()
    message = serializers.CharField(allow_null=True, help_text="For the viewer.")


class Ended(OperatorSerializer):
    """The streams that a call ended."""

    ended = serializers.ListField(child=IdField(), help_text="Their ids, oldest first.")


class EdgeKeys(OperatorSerializer):
    """A JWK Set (RFC 7517)."""

    keys = serializers.ListField(
        child=serializers.DictField(child=serializers.CharField()), help_text="JWKs."
    )


class Health(OperatorSerializer):
    """All is well."""

    status = serializers.ChoiceField(choices=["ok"])


MORE_FIELDS: dict[str, dict[str, "serializers.Field[Any, Any, Any, Any]"]] = {
    "invalid-request": {
        "errors": serializers.DictField(
            validators=[MinLengthValidator(1)], help_text="By field."
        )
    },
    "stream-limit-reached": {
        "limit": WholeField(min_value=0, max_value=settings.MAX_LIMIT),
        "plan": serializers.CharField(),
        "rule": PlanRuleThatRefused(
            required=False,
            help_text="The plan's rule that refused, if it was not the limit.",
        ),
        "streams": Stream(
            many=True,
            help_text="Who holds the slots that count, for a viewer to choose from.",
        ),
    },
    "stream-ended": {
        "reason": serializers.ChoiceField(choices=[reason.value for reason in Reason]),
        "endedAt": serializers.DateTimeField(),
        "endedBy": IdField(
            allow_null=True, help_text="The id of the stream that took its place."
        ),
        "endedByName": TextField(
            allow_null=True, help_text="That stream's device, while it lives."
        ),
        "endedByTitle": TextField(
            allow_null=True, help_text="What that stream plays, while it lives."
        ),
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
    "state": "playing",
    "pausedAt": None,
    "epoch": 1,
}
ENDED = {
    "id": "phone",
    "reason": "expired",
    "endedAt": "2026-11-24T11:58:00.000Z",
    "endedBy": None,
}
START = {
    name: STREAM[name]
    for name in (
        "streamId",
        "deviceId",
        "deviceName",
        "deviceType",
        "title",
        "metadata",
    )
}
LIMIT = {"limit": 5, "whenFull": "deny"}
USER_LIMIT = {"userId": "user2", "plan": "default", **LIMIT, "isDefault": False}
PLAN = {
    "name": "family",
    "limit": 4,
    "whenFull": "deny",
    "leaseSeconds": 60,
    "relaxedLeaseSeconds": 300,
    "pausedSeconds": 600,
    "rules": [
        {
            "name": "two-big-screens",
            "limit": 2,
            "where": {"deviceType": ["tv", "console"]},
            "per": None,
            "distinct": None,
            "message": None,
        }
    ],
}
EXAMPLES: dict[type, Any] = {
    Stream: STREAM,
    PlayerStream: STREAM | {"token": TOKEN, "isGrace": False},
    StreamList: {
        "userId": "user2",
        "plan": "default",
        "limit": 3,
        "active": 1,
        "available": 2,
        "streams": [STREAM],
        "ended": [ENDED],
    },
    DryRun: {"isAdmitted": True, "plan": "family", "limit": 4, "ended": []},
    PlanList: {"plans": [PLAN]},
    UserLimit: USER_LIMIT,
    UserLimitSet: USER_LIMIT | {"ended": []},
    Ended: {"ended": ["tv"]},
    EdgeKeys: {
        "keys": [
            {
                "kty": "EC",
                "crv": "P-256",
                "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
                "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
                "kid": "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s",
                "alg": "ES256",
                "use": "sig",
            }
        ]
    },
    Health: {"status": "ok"},
}
WHO = {"endedByName": "Living room TV", "endedByTitle": "The Great Escape"}
MORE_MEMBERS: dict[str, dict[str, Any]] = {
    "invalid-request": {"errors": {"streamId": ["This field is required."]}},
    "unauthenticated": {"detail": "The bearer token has expired."},
    "stream-limit-reached": {"limit": 1, "plan": "default", "streams": [STREAM]},
    "stream-ended": {
        "reason": "taken-over",
        "endedAt": "2026-11-24T12:00:30.000Z",
        "endedBy": "tv",
    }
    | WHO,
}


def answer(shape: type[OperatorSerializer], what: str) -> OpenApiResponse:
    """A success."""
    return OpenApiResponse(shape, what, [OpenApiExample("success", EXAMPLES[shape])])


def refusals(types: tuple[str, ...]) -> dict[tuple[int, str], OpenApiResponse]:
    """The answers with these problems, by status: some statuses stand for several."""
    by_status: dict[int, list[str]] = {}
    for type_ in types:
        by_status.setdefault(TABLE[type_].status, []).append(type_)
    return {
        (status, MEDIA_TYPE): _refusal(alike)
        for status, alike in sorted(by_status.items())
    }


def _refusal(types: list[str]) -> OpenApiResponse:
    shape: Any = SHAPES[types[0]]
    if len(types) > 1:
        shapes: dict[str, Any] = {type_: SHAPES[type_] for type_ in types}
        shape = PolymorphicProxySerializer(
            "-or-".join(types), shapes, resource_type_field_name="type"
        )
    titles = dict.fromkeys(
        problem.title for problem in PROBLEMS.values() if problem.type in types
    )
    examples = [
        OpenApiExample(type_, body_of(TABLE[type_], **MORE_MEMBERS.get(type_, {})))
        for type_ in types
    ]
    return OpenApiResponse(shape, ". Or: ".join(titles) + ".", examples)


def _shape(problem: Problem) -> type[OperatorSerializer]:
    fields = {
        "__doc__": f"{problem.title}.",
        "type": serializers.ChoiceField(choices=[problem.type]),
        "title": serializers.CharField(),
        "status": serializers.ChoiceField(choices=[problem.status]),
        "detail": serializers.CharField(required=False),
    }
    return type(
        problem.type, (OperatorSerializer,), fields | MORE_FIELDS.get(problem.type, {})
    )


TABLE = {problem.type: problem for problem in PROBLEMS.values()}
"""By type: for those with several titles, the last."""
SHAPES = {type_: _shape(problem) for type_, problem in TABLE.items()}
