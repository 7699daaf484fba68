"""Validates requests and builds answers.

The fields of an answer describe it for the OpenAPI document. Its `to_representation`
builds it directly, because REST framework's loop over the fields would be a tenth of a
request.
"""

from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from random import SystemRandom
from typing import Any, NamedTuple, override

from django.core.validators import MinLengthValidator
from rest_framework import serializers

from streams import tickets
from streams.conf import settings
from streams.errors import StreamEnded, StreamLimitReached
from streams.fields import (
    MAX_DEVICE_TYPE_BYTES,
    MAX_EPOCH,
    MAX_ERRORS,
    AttributesField,
    ContentIdField,
    CosmeticField,
    IdField,
    MetadataField,
    OptionalIdField,
    ReplaceField,
    TextField,
    TrueOrFalseField,
    WholeField,
)
from streams.rules import Ending, Lease, Plan, Plans, Reason, WhenFull
from streams.service import IssuedLease, Listing

MAX_STREAM_ID_BYTES = 256
MAX_DEVICE_NAME_BYTES = 64
MAX_TITLE_BYTES = 128
MAX_TOKEN_CHARACTERS = 12_288
"""A grace lease's token contains the whole start."""

DEFAULT_TICKET_SECONDS = 60
MAX_TICKET_CHARACTERS = tickets.MAX_CHARACTERS

STATES = ("playing", "paused")
WHEN_FULL = [choice.value for choice in WhenFull]
REASONS = [reason.value for reason in Reason]

MIN_HEARTBEAT_MS = 3000
"""Shortest time until the next heartbeat is due, unless the lease ends before."""

SYSTEM_RANDOM = SystemRandom()
"""The system's random numbers, because instances that Lambda resumes from one snapshot
would continue the same seeded sequence.
"""


@cache
def serializer_of(shape: type[serializers.Serializer[Any]]) -> Any:
    """Return the serializer of a class. Each is created once per process.

    Creating one copies all fields, which takes a tenth of a request. `run_validation`
    and `to_representation` store no state in it.
    """
    return shape()


# --- requests -------------------------------------------------------------------


class PlayerSerializer(serializers.Serializer[Any]):
    """Base of players' requests.

    `null` means "not given". Unknown fields are ignored, because players can be older
    or newer than the service.
    """

    @override
    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if isinstance(data, dict):
            data = {name: value for name, value in data.items() if value is not None}

        values: dict[str, Any] = super().to_internal_value(data)
        return values


class OperatorSerializer(PlayerSerializer):
    """Base of operators' requests. Unknown fields are errors."""

    @override
    def to_internal_value(self, data: Any) -> dict[str, Any]:
        errors = self._unknown_fields(data)
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as exc:
            by_field: Any = exc.detail
            raise serializers.ValidationError({**errors, **by_field}) from exc

        if errors:
            raise serializers.ValidationError(errors)
        return values

    def _unknown_fields(self, data: Any) -> dict[str, Any]:
        """Return an error for each unknown field, up to `MAX_ERRORS`."""
        if not isinstance(data, dict):
            return {}

        known = ", ".join(self.fields)
        unknown = [name for name in data if name not in self.fields]
        error = f"Unknown field. The fields are: {known}."
        return {name: [error] for name in unknown[:MAX_ERRORS]}


class StartSerializer(PlayerSerializer):
    """A start: the content, the device, and the streams that it ends."""

    streamId = ContentIdField(
        source="stream_id",
        max_bytes=MAX_STREAM_ID_BYTES,
        help_text="Id of the content. An integer stands for its digits.",
    )
    deviceId = OptionalIdField(
        source="device_id",
        required=False,
        allow_null=True,
        help_text=(
            "Id of the device. A start with the same id takes over its slot. Blanks, "
            "`null`, `undefined` and only zeros count as not given."
        ),
    )
    deviceName = CosmeticField(
        source="device_name",
        max_bytes=MAX_DEVICE_NAME_BYTES,
        help_text="Name of the device for the viewer.",
    )
    deviceType = CosmeticField(
        source="device_type",
        max_bytes=MAX_DEVICE_TYPE_BYTES,
        help_text="Type of the device: tv, phone, web, …",
    )
    title = CosmeticField(
        max_bytes=MAX_TITLE_BYTES,
        help_text="Title of the content.",
    )
    metadata = MetadataField(
        required=False,
        help_text=("Your own data about the stream: up to 8 keys, 256 bytes in total."),
    )
    replace = ReplaceField(
        required=False,
        allow_null=True,
        help_text="Streams that this start ends.",
    )
    cmcd = TrueOrFalseField(
        required=False,
        help_text="Whether the player reports its state by CMCD to a `cmcdUrl`.",
    )


class TokenSerializer(PlayerSerializer):
    """A heartbeat or a stop: the token from the latest answer."""

    token = TextField(max_length=MAX_TOKEN_CHARACTERS)


class HeartbeatSerializer(TokenSerializer):
    """A heartbeat with the state of the player."""

    state = serializers.ChoiceField(
        choices=STATES,
        required=False,
        error_messages={"invalid_choice": f"Must be one of {', '.join(STATES)}."},
    )


def _known_plan(name: str) -> str:
    """Return the name of a plan that exists."""
    known = [plan.name for plan in settings.PLANS.all]
    if name not in known:
        error = f"Unknown plan. The plans are: {', '.join(known)}."
        raise serializers.ValidationError([error])
    return name


class LimitSerializer(OperatorSerializer):
    """The plan or the limit that an operator sets for a user."""

    limit = WholeField(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=settings.MAX_LIMIT,
    )
    plan = TextField(required=False, allow_null=True, help_text="Name of a plan.")
    whenFull = serializers.ChoiceField(
        source="when_full",
        choices=WHEN_FULL,
        required=False,
        allow_null=True,
        error_messages={"invalid_choice": f"Must be one of {', '.join(WHEN_FULL)}."},
    )
    endSurplus = serializers.BooleanField(
        source="end_surplus",
        required=False,
        help_text="Whether to end the streams above the limit.",
    )

    def validate_plan(self, plan: str) -> str:
        """Return the name of a plan that exists."""
        return _known_plan(plan)

    @override
    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "plan" not in attrs and "limit" not in attrs:
            error = "Set a limit, a plan or both."
            raise serializers.ValidationError({"limit": [error]})

        # Without `whenFull`, the plan's applies.
        when_full = attrs.get("when_full")
        return {
            "limit": None,
            "plan": None,
            **attrs,
            "when_full": WhenFull(when_full) if when_full else None,
        }


class TicketRequestSerializer(OperatorSerializer):
    """The content of a ticket."""

    seconds = WholeField(
        required=False,
        default=DEFAULT_TICKET_SECONDS,
        min_value=5,
        max_value=300,
        help_text="Time for which the ticket is valid.",
    )
    streamId = ContentIdField(
        source="stream_id",
        required=False,
        allow_null=True,
        max_bytes=MAX_STREAM_ID_BYTES,
        help_text="Id of the only content that the ticket starts.",
    )
    plan = TextField(
        required=False,
        allow_null=True,
        help_text="Plan of the ticket's starts. Only operators may set it.",
    )
    attributes = AttributesField(
        required=False,
        allow_null=True,
        help_text=(
            "Attributes that replace those that the player sends. "
            "Only operators may set them."
        ),
    )

    def validate_plan(self, plan: str) -> str:
        """Return the name of a plan that exists."""
        return _known_plan(plan)


class ViewerTicketRequestSerializer(TicketRequestSerializer):
    """The content of a ticket for a viewer. Unknown fields are ignored."""

    @override
    def _unknown_fields(self, data: Any) -> dict[str, Any]:
        return {}


# --- answers --------------------------------------------------------------------


def iso(instant: int) -> str:
    """Format a time as RFC 3339 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(instant / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def limit_field() -> WholeField:
    """Return the field of a limit in an answer."""
    return WholeField(min_value=0, max_value=settings.MAX_LIMIT)


def ids_field(help_text: str, **options: Any) -> serializers.ListField:
    """Return the field of a list of ids in an answer."""
    return serializers.ListField(child=IdField(), help_text=help_text, **options)


class Shown[Content](NamedTuple):
    """The content of an answer, with the user and the time (ms) of its call."""

    content: Content
    user_id: str
    now: int


class AnswerSerializer(serializers.Serializer[Any]):
    """Base of answers.

    `to_representation` reads no state of the serializer, so that one serializer per
    process is enough.
    """


class StreamSerializer(AnswerSerializer):
    """A live stream, as everyone who may see it sees it."""

    id = IdField(help_text="Id of the stream, the last segment of its URL.")
    userId = serializers.CharField()
    streamId = TextField(
        max_bytes=MAX_STREAM_ID_BYTES,
        help_text="Id of the content.",
    )
    deviceId = IdField(allow_null=True)
    deviceName = TextField(allow_null=True, max_bytes=MAX_DEVICE_NAME_BYTES)
    deviceType = TextField(allow_null=True, max_bytes=MAX_DEVICE_TYPE_BYTES)
    title = TextField(allow_null=True, max_bytes=MAX_TITLE_BYTES)
    metadata = MetadataField(help_text="Custom data of the stream.")
    startedAt = serializers.DateTimeField()
    expiresAt = serializers.DateTimeField()
    leaseSeconds = serializers.FloatField(
        min_value=0,
        help_text="Remaining time of the lease.",
    )
    heartbeatSeconds = serializers.FloatField(
        help_text="Seconds until the next heartbeat is due.",
    )
    state = serializers.ChoiceField(choices=STATES)
    pausedAt = serializers.DateTimeField(allow_null=True)
    epoch = WholeField(
        min_value=0,
        max_value=MAX_EPOCH,
        help_text="Increases each time the slot changes hands.",
    )

    @override
    def to_representation(self, instance: Shown[Lease]) -> dict[str, Any]:
        lease, user_id, now = instance
        return _stream(user_id, lease, now=now, jitter=_jitter())


class PlayerStreamSerializer(StreamSerializer):
    """A stream as its own player sees it: with the token."""

    token = TextField(help_text="Credential for the next heartbeat or the stop.")
    isGrace = serializers.BooleanField(
        help_text=(
            "Whether this is a grace lease, granted while the database does not answer."
        ),
    )
    edgeToken = TextField(
        required=False,
        help_text="JWT for the CDN or licence server, if edge tokens are on.",
    )
    cmcdUrl = serializers.CharField(
        required=False,
        help_text=(
            "Address for the reports of this playback, if the start asked for it. "
            "Omitted for a grace lease, and if the ids make the address too long."
        ),
    )

    @override
    def to_representation(self, instance: Shown[IssuedLease]) -> dict[str, Any]:  # type: ignore[override]  # a lease with its token
        issued, _, now = instance
        body = _stream(issued.user_id, issued.lease, now=now, jitter=_jitter())
        body["token"] = issued.token
        body["isGrace"] = issued.is_grace
        if issued.edge_token:
            body["edgeToken"] = issued.edge_token

        return body


def _streams(user_id: str, leases: list[Lease], *, now: int) -> list[dict[str, Any]]:
    """Return the public representations of streams, with one random number."""
    jitter = _jitter()
    return [_stream(user_id, lease, now=now, jitter=jitter) for lease in leases]


def _jitter() -> float:
    """Return the random factor of a heartbeat's time.

    Players that started together do not stay together.
    """
    return SYSTEM_RANDOM.uniform(0.9, 1)


def _stream(user_id: str, lease: Lease, *, now: int, jitter: float) -> dict[str, Any]:
    """Return the public representation of a stream.

    `leaseSeconds` is the remaining time. `heartbeatSeconds` is about a third of it.
    """
    remaining_ms = max(0, lease.expires_at - now)
    due_ms = _heartbeat_due_ms(lease, remaining_ms)
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
        "leaseSeconds": remaining_ms / 1000,
        "heartbeatSeconds": round(due_ms / 1000 * jitter, 3),
        "state": STATES[lease.paused_at > 0],
        "pausedAt": iso(lease.paused_at) if lease.paused_at else None,
        "epoch": lease.epoch,
    }


def _heartbeat_due_ms(lease: Lease, remaining_ms: int) -> float:
    """Return the time until the next heartbeat is due: before the lease ends.

    A stream that resumes keeps the long lease of its pause until the next heartbeat,
    which is due as early as that of any playing stream. Near the end of a pause a
    third of the remaining time would ask for many heartbeats.
    """
    longest_ms = remaining_ms if lease.paused_at else settings.LONGEST_LEASE_MS
    third_ms = min(remaining_ms, longest_ms) / 3
    shortest_ms = min(MIN_HEARTBEAT_MS, remaining_ms / 2)
    return max(third_ms, shortest_ms)


class EndedStreamSerializer(AnswerSerializer):
    """A stream that has ended."""

    id = IdField()
    reason = serializers.ChoiceField(choices=REASONS)
    endedAt = serializers.DateTimeField()
    endedBy = IdField(
        allow_null=True,
        help_text="Id of the stream whose start ended it.",
    )

    @override
    def to_representation(self, instance: tuple[str, Ending]) -> dict[str, Any]:
        id, ending = instance
        return _ended_stream(id, ending)


def _ended_stream(id: str, ending: Ending) -> dict[str, Any]:
    return {
        "id": id,
        "reason": ending.reason.value,
        "endedAt": iso(ending.at),
        "endedBy": ending.by,
    }


class StreamListSerializer(AnswerSerializer):
    """The user's live streams, oldest first, and the number of free slots."""

    userId = serializers.CharField()
    plan = serializers.CharField()
    limit = limit_field()
    active = WholeField(min_value=0)
    available = WholeField(min_value=0, help_text="Number of free slots.")
    streams = StreamSerializer(many=True)
    ended = EndedStreamSerializer(
        many=True,
        help_text="The latest endings, newest first.",
    )

    @override
    def to_representation(self, instance: Shown[Listing]) -> dict[str, Any]:
        listing, user_id, now = instance
        limit = listing.plan.limit
        active = len(listing.streams)
        return {
            "userId": user_id,
            "plan": listing.plan.name,
            "limit": limit,
            "active": active,
            "available": max(0, limit - active),
            "streams": _streams(user_id, listing.streams, now=now),
            "ended": [_ended_stream(id, ending) for id, ending in listing.ended],
        }


class DryRunSerializer(AnswerSerializer):
    """A start that would be admitted."""

    isAdmitted = serializers.ChoiceField(choices=[True])
    plan = serializers.CharField(help_text="Plan that applies to the start.")
    limit = limit_field()
    ended = ids_field("The streams that the start would end.")

    @override
    def to_representation(self, instance: tuple[Plan, list[Lease]]) -> dict[str, Any]:
        plan, ended = instance
        return {
            "isAdmitted": True,
            "plan": plan.name,
            "limit": plan.limit,
            "ended": [lease.id for lease in ended],
        }


class TicketSerializer(AnswerSerializer):
    """A ticket."""

    ticket = TextField(
        max_bytes=MAX_TICKET_CHARACTERS,
        help_text="Credential for URLs, of the characters A-Z a-z 0-9 . _ -",
    )
    expiresAt = serializers.DateTimeField()

    @override
    def to_representation(self, instance: tuple[str, int]) -> dict[str, Any]:
        ticket, expires_at = instance
        return {"ticket": ticket, "expiresAt": iso(expires_at)}


class EndedSerializer(AnswerSerializer):
    """The streams that a call ended."""

    ended = ids_field("Their ids, oldest first.")

    @override
    def to_representation(self, instance: list[str]) -> dict[str, Any]:
        return {"ended": instance}


class UserLimitSerializer(AnswerSerializer):
    """The limit that applies to a user."""

    userId = serializers.CharField()
    plan = serializers.CharField()
    limit = limit_field()
    whenFull = serializers.ChoiceField(choices=WHEN_FULL)
    isDefault = serializers.BooleanField(help_text="Whether the default applies.")

    @override
    def to_representation(self, instance: Shown[Listing]) -> dict[str, Any]:
        listing = instance.content
        return {
            "userId": instance.user_id,
            "plan": listing.plan.name,
            "limit": listing.plan.limit,
            "whenFull": listing.plan.when_full.value,
            "isDefault": listing.is_default,
        }


class UserLimitSetSerializer(UserLimitSerializer):
    """The limit that an operator has set."""

    ended = ids_field("With `endSurplus`: the streams that ended.", required=False)

    @override
    def to_representation(self, instance: Shown[Listing]) -> dict[str, Any]:
        body = super().to_representation(instance)
        surplus = instance.content.surplus
        if surplus is not None:
            body["ended"] = [lease.id for lease in surplus]

        return body


class AttributeValuesField(serializers.Field[Any, Any, Any, Any]):
    """Attributes of a stream, each with a list of values."""


class PlanRuleSerializer(AnswerSerializer):
    """A rule of a plan."""

    name = serializers.CharField()
    limit = limit_field()
    where = AttributeValuesField(
        help_text="Attributes, each with the values that count.",
    )
    per = serializers.CharField(
        allow_null=True,
        help_text="Attribute: streams with the same value count together.",
    )
    distinct = serializers.CharField(
        allow_null=True,
        help_text="Attribute whose different values count.",
    )
    message = serializers.CharField(
        allow_null=True, help_text="Message for the viewer."
    )


class ListedPlanSerializer(AnswerSerializer):
    """A plan."""

    name = serializers.CharField()
    limit = limit_field()
    whenFull = serializers.ChoiceField(choices=WHEN_FULL)
    leaseSeconds = WholeField(min_value=5)
    relaxedLeaseSeconds = WholeField(allow_null=True, min_value=5)
    pausedSeconds = WholeField(allow_null=True, min_value=5)
    rules = PlanRuleSerializer(many=True)

    @override
    def to_representation(self, instance: Plan) -> dict[str, Any]:
        return {
            "name": instance.name,
            "limit": instance.limit,
            "whenFull": instance.when_full.value,
            "leaseSeconds": instance.lease_ms // 1000,
            "relaxedLeaseSeconds": _seconds(instance.relaxed_lease_ms),
            "pausedSeconds": _seconds(instance.paused_ms),
            "rules": [asdict(rule) for rule in instance.rules],
        }


def _seconds(ms: int | None) -> int | None:
    return None if ms is None else ms // 1000


class PlanListSerializer(AnswerSerializer):
    """The plans, the default one first, and the plans that decide nothing."""

    plans = ListedPlanSerializer(many=True)
    shadowPlans = ListedPlanSerializer(many=True, required=False)

    @override
    def to_representation(self, instance: tuple[Plans, Plans | None]) -> dict[str, Any]:
        plans, shadow_plans = instance
        plan = ListedPlanSerializer()
        body = {"plans": [plan.to_representation(each) for each in plans.all]}
        if shadow_plans is not None:
            shadows = [plan.to_representation(each) for each in shadow_plans.all]
            body["shadowPlans"] = shadows

        return body


class EdgeKeysSerializer(AnswerSerializer):
    """A JWK Set (RFC 7517)."""

    keys = serializers.ListField(
        child=serializers.DictField(child=serializers.CharField()),
        help_text="JWKs.",
    )

    @override
    def to_representation(self, instance: list[Any]) -> dict[str, Any]:
        return {"keys": instance}


class HealthSerializer(AnswerSerializer):
    """A process that answers."""

    status = serializers.ChoiceField(choices=["ok"])
    version = serializers.CharField(
        help_text="Version of the service, and the commit that it was built from."
    )

    @override
    def to_representation(self, instance: str) -> dict[str, Any]:
        return {"status": "ok", "version": instance}


class ReadinessSerializer(AnswerSerializer):
    """A process that can decide."""

    status = serializers.ChoiceField(choices=["ok"])

    @override
    def to_representation(self, instance: str) -> dict[str, Any]:
        return {"status": instance}


# --- members of problems --------------------------------------------------------


class FieldErrorsSerializer(AnswerSerializer):
    """Members of `invalid-request`."""

    errors = serializers.DictField(  # type: ignore[assignment]  # REST framework keeps the property
        validators=[MinLengthValidator(1)],
        help_text="Errors by field.",
    )

    @override
    def to_representation(self, instance: dict[str, Any]) -> dict[str, Any]:
        return {"errors": instance}


class DenyingRuleSerializer(AnswerSerializer):
    """The rule that denied a start."""

    name = serializers.CharField()
    message = serializers.CharField(
        allow_null=True, help_text="Message for the viewer."
    )


class DenialSerializer(AnswerSerializer):
    """Members of `stream-limit-reached`."""

    limit = limit_field()
    plan = serializers.CharField()
    rule = DenyingRuleSerializer(
        required=False,
        help_text="Rule that denied the start. Omitted if the limit denied it.",
    )
    streams = StreamSerializer(
        many=True,
        help_text="Live streams that count, for the viewer to choose from.",
    )

    @override
    def to_representation(self, instance: Shown[StreamLimitReached]) -> dict[str, Any]:
        denial, user_id, now = instance
        body: dict[str, Any] = {"limit": denial.limit, "plan": denial.plan}
        if denial.rule:
            body["rule"] = {"name": denial.rule.name, "message": denial.rule.message}

        body["streams"] = _streams(user_id, denial.holders, now=now)
        return body


class EndingSerializer(AnswerSerializer):
    """Members of `stream-ended`."""

    reason = serializers.ChoiceField(choices=REASONS)
    endedAt = serializers.DateTimeField()
    endedBy = IdField(
        allow_null=True,
        help_text="Id of the stream that took its place.",
    )
    endedByName = TextField(
        allow_null=True,
        help_text="Device name of that stream, while it is live.",
    )
    endedByTitle = TextField(
        allow_null=True,
        help_text="Title of that stream, while it is live.",
    )

    @override
    def to_representation(self, instance: StreamEnded) -> dict[str, Any]:
        ending, successor = instance.ending, instance.by
        return {
            "reason": ending.reason.value,
            "endedAt": iso(ending.at),
            "endedBy": ending.by,
            "endedByName": successor.device_name if successor else None,
            "endedByTitle": successor.title if successor else None,
        }
