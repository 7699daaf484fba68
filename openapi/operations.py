"""The answers, problems, headers and examples of each operation."""

from collections.abc import Mapping, Sequence
from typing import Any

from drf_spectacular.extensions import OpenApiViewExtension
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
)

from openapi.examples import ANSWERS, REQUESTS
from openapi.problems import Shape, problem_answers
from openapi.schema import (
    EPOCH_NUMBER,
    IDENTIFIER,
    OWN_IDENTIFIER,
    USER_IDENTIFIER,
)
from streams.fields import ID
from streams.serializers import (
    DryRunSerializer,
    EdgeKeysSerializer,
    EndedSerializer,
    HealthSerializer,
    HeartbeatSerializer,
    LimitSerializer,
    PlanListSerializer,
    PlayerStreamSerializer,
    ReadinessSerializer,
    StartSerializer,
    StreamListSerializer,
    StreamSerializer,
    TicketRequestSerializer,
    TicketSerializer,
    TokenSerializer,
    UserLimitSerializer,
    UserLimitSetSerializer,
)

type Body = Shape | Mapping[str, type[Any]]
"""The serializer of a body, or one by media type. `str` is a body of text."""

# --- problems -------------------------------------------------------------------

EVERYWHERE = ("invalid-request", "not-acceptable", "throttled", "headers-too-large")
STORE = ("store-unavailable", "request-timed-out", "item-unreadable")
WITH_TOKEN = (*EVERYWHERE, *STORE)
OF_READINESS = (*EVERYWHERE, "store-unavailable", "request-timed-out")
WITH_CREDENTIALS = (
    *EVERYWHERE,
    "unauthenticated",
    "forbidden",
    "issuer-unavailable",
)
FOR_USERS = (*WITH_CREDENTIALS, *STORE)
WITH_BODY = (
    "request-incomplete",
    "length-required",
    "payload-too-large",
    "unsupported-media-type",
)
OF_STREAM = ("stream-not-found", "stream-ended")
OF_START = ("stream-limit-reached", "too-many-starts")

CMCD_TYPES = ("application/cmcd", "text/cmcd", "text/plain")

# --- headers and parameters -----------------------------------------------------

SECONDS = {"type": "integer", "minimum": 1}
HANDLE = {"type": "string", "pattern": r"^[\w-]+\.[\w-]+$"}


def header(
    name: str,
    description: str,
    *statuses: int,
    required: bool = True,
    schema: Any = str,
) -> OpenApiParameter:
    """Return a header of the answers with these statuses."""
    return OpenApiParameter(
        name,
        schema,
        OpenApiParameter.HEADER,
        required=required,
        description=description,
        response=list(statuses),
    )


def in_path(name: str, description: str, schema: Any) -> OpenApiParameter:
    """Return an id in the path."""
    return OpenApiParameter(
        name, schema, OpenApiParameter.PATH, description=description
    )


EXPIRES = "Time at which the lease expires."
RETRY_AFTER = [
    header(
        "Retry-After",
        "Seconds until a retry can succeed.",
        409,
        required=False,
        schema=SECONDS,
    ),
    header("Retry-After", "Seconds.", 429, schema=SECONDS),
    header("Retry-After", "Seconds.", 503, required=False, schema=SECONDS),
]
AUTHENTICATE = header("WWW-Authenticate", "How to authenticate.", 401)
OF_A_USER = [
    in_path("userId", "The account whose limit is enforced.", USER_IDENTIFIER),
    header(
        "Date",
        "Time of the service's clock, which decides expiries.",
        *(200, 201, 204),
    ),
    header(
        "Cache-Control",
        "The answer must not be cached.",
        *(200, 201, 204),
        schema={"const": "no-store"},
    ),
    AUTHENTICATE,
    *RETRY_AFTER,
]
OF_A_STREAM = [*OF_A_USER, in_path("id", "The stream, by its id.", IDENTIFIER)]
OF_AN_OWN_STREAM = [
    *OF_A_USER,
    in_path("id", "The id of the player's stream.", OWN_IDENTIFIER),
]
OF_A_LEASE = [*OF_A_STREAM, header("Expires", EXPIRES, 200, 201)]
OF_A_START = [
    header("Location", "The stream's URL.", 200, 201),
    header("Expires", EXPIRES, 200, 201),
]
FIRST_EXPIRY = header(
    "Expires",
    "Time at which the first lease expires, if a stream is live.",
    200,
    required=False,
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": f'^({ID.pattern}|"{ID.pattern}")$'},
    OpenApiParameter.HEADER,
    description=(
        "Identifies a start without `deviceId`, so that a repeat uses the same slot. "
        "`null`, `undefined` and only zeros count as not given."
    ),
)
EPOCH = OpenApiParameter(
    "epoch",
    EPOCH_NUMBER,
    description="End only the playback with this epoch.",
)
EXCEPT = OpenApiParameter(
    "except", IDENTIFIER, description="The stream that continues."
)


# --- descriptions ---------------------------------------------------------------


def answer(shape: Shape, description: str) -> OpenApiResponse:
    """Return a successful answer."""
    example = OpenApiExample("success", ANSWERS[shape])
    return OpenApiResponse(shape, description, [example])


def no_content(description: str) -> OpenApiResponse:
    """Return a successful answer without a body."""
    return OpenApiResponse(description=description)


def operation(
    id: str,
    answers: dict[int, OpenApiResponse],
    problems: Sequence[str],
    *,
    parameters: list[OpenApiParameter],
    body: Body | None = None,
    tag: str = "Streams",
) -> Any:
    """Return a decorator that describes a method of a view."""
    if body:
        problems = (*problems, *WITH_BODY)

    return extend_schema(
        operation_id=id,
        tags=[tag],
        parameters=parameters,
        request=body,
        responses={**answers, **problem_answers(problems)},
        examples=_request_examples(body),
    )


def _request_examples(body: Body | None) -> list[OpenApiExample]:
    if body is None:
        return []

    shapes = body if isinstance(body, Mapping) else {"application/json": body}
    return [
        OpenApiExample(*REQUESTS[shape], request_only=True, media_type=media_type)
        for media_type, shape in shapes.items()
    ]


def start(id: str, parameters: list[OpenApiParameter]) -> Any:
    """Describe a start, by `POST` or `PUT`."""
    taken_over = "Admitted in the slot that the id already held."
    return operation(
        id,
        {
            201: answer(PlayerStreamSerializer, "Admitted."),
            200: answer(PlayerStreamSerializer, taken_over),
        },
        (*FOR_USERS, *OF_START, *OF_STREAM, "store-contended"),
        body=StartSerializer,
        parameters=[*parameters, *OF_A_START],
    )


def health_check(id: str, shape: Shape, problems: Sequence[str]) -> Any:
    """Describe a health check."""
    return operation(
        id,
        {200: answer(shape, "Yes.")},
        problems,
        tag="Health",
        parameters=RETRY_AFTER,
    )


def describe(view: Any, **operations: Any) -> Any:
    """Describe the methods of a view and return it."""
    for name, description in operations.items():
        description(getattr(view, name))
    return view


# --- views ----------------------------------------------------------------------


class Streams(OpenApiViewExtension):
    """The streams of a user."""

    target_class = "streams.views.StreamViewSet"

    def view_replacement(self) -> Any:
        return describe(
            self.target_class,
            list=operation(
                "listStreams",
                {200: answer(StreamListSerializer, "The streams, oldest first.")},
                FOR_USERS,
                parameters=[*OF_A_USER, FIRST_EXPIRY],
            ),
            create=start("startStream", [*OF_A_USER, IDEMPOTENCY_KEY]),
            update=start("startStreamAs", OF_AN_OWN_STREAM),
            retrieve=operation(
                "readStream",
                {200: answer(StreamSerializer, "The stream.")},
                (*FOR_USERS, *OF_STREAM),
                parameters=OF_A_LEASE,
            ),
            destroy=operation(
                "endStream",
                {204: no_content("The stream has ended.")},
                (*FOR_USERS, *OF_STREAM, "store-contended"),
                parameters=[*OF_A_STREAM, EPOCH],
            ),
            clear=operation(
                "endStreams",
                {200: answer(EndedSerializer, "The streams have ended.")},
                (*FOR_USERS, "store-contended"),
                parameters=[*OF_A_USER, EXCEPT],
            ),
            heartbeat=operation(
                "renewStream",
                {
                    200: answer(
                        PlayerStreamSerializer,
                        "The lease was renewed. The answer contains the next token.",
                    )
                },
                (*WITH_TOKEN, *OF_STREAM, "too-many-starts", "store-contended"),
                body=HeartbeatSerializer,
                parameters=OF_A_LEASE,
            ),
            stop=operation(
                "stopStream",
                {204: no_content("The stream has ended.")},
                (*WITH_TOKEN, *OF_STREAM, "store-contended"),
                body={
                    "application/json": TokenSerializer,
                    "text/plain": TokenSerializer,
                },
                parameters=OF_A_STREAM,
            ),
        )


class DryRun(OpenApiViewExtension):
    """Whether a start would be admitted."""

    target_class = "streams.views.DryRunView"

    def view_replacement(self) -> Any:
        return describe(
            self.target_class,
            post=operation(
                "checkStart",
                {200: answer(DryRunSerializer, "The start would be admitted.")},
                (*FOR_USERS, *OF_START, *OF_STREAM),
                body=StartSerializer,
                parameters=[*OF_A_USER, IDEMPOTENCY_KEY],
            ),
        )


class Account(OpenApiViewExtension):
    """Everything that is stored about a user."""

    target_class = "streams.views.AccountView"

    def view_replacement(self) -> Any:
        return describe(
            self.target_class,
            delete=operation(
                "forgetUser",
                {204: no_content("The user was erased.")},
                FOR_USERS,
                tag="Limit",
                parameters=OF_A_USER,
            ),
        )


class Limit(OpenApiViewExtension):
    """The limit of a user."""

    target_class = "streams.views.LimitView"

    def view_replacement(self) -> Any:
        return describe(
            self.target_class,
            get=operation(
                "readLimit",
                {200: answer(UserLimitSerializer, "The limit.")},
                FOR_USERS,
                tag="Limit",
                parameters=OF_A_USER,
            ),
            put=operation(
                "setLimit",
                {200: answer(UserLimitSetSerializer, "The limit.")},
                (*FOR_USERS, "store-contended"),
                tag="Limit",
                body=LimitSerializer,
                parameters=OF_A_USER,
            ),
            delete=operation(
                "clearLimit",
                {204: no_content("The default applies.")},
                (*FOR_USERS, "store-contended"),
                tag="Limit",
                parameters=OF_A_USER,
            ),
        )


class Tickets(OpenApiViewExtension):
    """The tickets of a user."""

    target_class = "streams.views.TicketsView"

    def view_replacement(self) -> Any:
        return describe(
            self.target_class,
            post=operation(
                "createTicket",
                {201: answer(TicketSerializer, "The ticket.")},
                WITH_CREDENTIALS,
                tag="Tickets",
                body=TicketRequestSerializer,
                parameters=OF_A_USER,
            ),
        )


class Cmcd(OpenApiViewExtension):
    """The reports of a player."""

    target_class = "streams.views.CmcdView"

    def view_replacement(self) -> Any:
        handle = in_path("handle", "The last part of a `cmcdUrl`.", HANDLE)
        return describe(
            self.target_class,
            post=operation(
                "reportPlayback",
                {204: no_content("The report was read.")},
                (*WITH_TOKEN, *OF_STREAM, "store-contended"),
                tag="CMCD",
                body=dict.fromkeys(CMCD_TYPES, str),
                parameters=[handle, *RETRY_AFTER],
            ),
        )


class Plans(OpenApiViewExtension):
    """The plans."""

    target_class = "streams.views.PlansView"

    def view_replacement(self) -> Any:
        return describe(
            self.target_class,
            get=operation(
                "listPlans",
                {200: answer(PlanListSerializer, "The plans.")},
                WITH_CREDENTIALS,
                tag="Limit",
                parameters=[AUTHENTICATE, *RETRY_AFTER],
            ),
        )


class EdgeKeys(OpenApiViewExtension):
    """The public keys of edge tokens."""

    target_class = "streams.views.EdgeKeysView"

    def view_replacement(self) -> Any:
        cache_time = header(
            "Cache-Control",
            "Time for which the keys may be cached.",
            200,
            schema={"const": "public, max-age=300"},
        )
        keys = answer(
            EdgeKeysSerializer,
            "The keys, or an empty list if no published key signs edge tokens.",
        )
        return describe(
            self.target_class,
            get=operation(
                "readEdgeKeys",
                {200: keys},
                EVERYWHERE,
                tag="Edge",
                parameters=[cache_time, *RETRY_AFTER],
            ),
        )


class Health(OpenApiViewExtension):
    """Whether the process answers."""

    target_class = "streams.views.HealthView"

    def view_replacement(self) -> Any:
        check = health_check("healthz", HealthSerializer, EVERYWHERE)
        return describe(self.target_class, get=check)


class Ready(OpenApiViewExtension):
    """Whether the process can decide."""

    target_class = "streams.views.ReadyView"

    def view_replacement(self) -> Any:
        check = health_check("readyz", ReadinessSerializer, OF_READINESS)
        return describe(self.target_class, get=check)
