"""What each operation answers and refuses, beside what its view and its docstring say."""

from typing import Any

from drf_spectacular.extensions import OpenApiViewExtension
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    PolymorphicProxySerializer,
    extend_schema,
)

from openapi.schema import IDENTIFIER, USER_IDENTIFIER
from openapi.shapes import (
    EXAMPLES,
    LIMIT,
    START,
    TOKEN,
    DryRun,
    EdgeKeys,
    Ended,
    Health,
    PlanList,
    PlayerStream,
    Stream,
    StreamList,
    UserLimit,
    UserLimitSet,
    answer,
    refusals,
)
from streams.serializers import (
    ID,
    HeartbeatSerializer,
    LimitSerializer,
    PlayerSerializer,
    StartSerializer,
    TokenSerializer,
)

EVERYWHERE = ("invalid-request", "not-acceptable", "throttled")
STORE = ("store-unavailable", "request-timed-out", "item-unreadable")
BY_TOKEN = (*EVERYWHERE, *STORE)
FOR_USERS = (
    *EVERYWHERE,
    "unauthenticated",
    "forbidden",
    *STORE,
    "issuer-unavailable",
)
WITH_BODY = ("payload-too-large", "unsupported-media-type")
BODIES: dict[type[PlayerSerializer], tuple[str, dict[str, Any]]] = {
    StartSerializer: ("A start", START),
    TokenSerializer: ("The last token", {"token": TOKEN}),
    HeartbeatSerializer: ("The last token", {"token": TOKEN, "state": "playing"}),
    LimitSerializer: ("A limit", LIMIT),
}


def header(
    name: str, what: str, *statuses: int, required: bool = True, schema: Any = str
) -> OpenApiParameter:
    """A header of the answers with these statuses."""
    answers = list(statuses)
    return OpenApiParameter(
        name,
        schema,
        OpenApiParameter.HEADER,
        required=required,
        description=what,
        response=answers,
    )


def in_path(name: str, what: str, schema: Any = IDENTIFIER) -> OpenApiParameter:
    """An id in the path."""
    return OpenApiParameter(name, schema, OpenApiParameter.PATH, description=what)


SECONDS = {"type": "integer", "minimum": 1}
EXPIRES = header("Expires", "When the lease ends.", 200, 201)
RETRY_AFTER = [
    header(
        "Retry-After",
        "Seconds until the first slot frees.",
        409,
        required=False,
        schema=SECONDS,
    ),
    header("Retry-After", "Seconds.", 429, 503, schema=SECONDS),
]
OF_A_USER = [
    in_path("userId", "The account whose limit is enforced.", USER_IDENTIFIER),
    header("Date", "The service's clock, which decides.", 200, 201, 204),
    header(
        "Cache-Control",
        "Who holds a slot changes at any moment.",
        200,
        201,
        204,
        schema={"const": "no-store"},
    ),
    header("WWW-Authenticate", "How to authenticate.", 401),
    *RETRY_AFTER,
]
OF_A_STREAM = [*OF_A_USER, in_path("id", "The stream, by its id.")]
STARTED = [
    header("Location", "The stream's URL.", 201),
    header("Location", "The stream's URL.", 200, required=False),
    header("Expires", "When the lease ends.", 201),
    header("Expires", "When the lease ends.", 200, required=False),
]
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": f'^({ID.pattern}|"{ID.pattern}")$'},
    OpenApiParameter.HEADER,
    description="Makes a repeated start without a `deviceId` keep its one slot.",
)


EPOCH = OpenApiParameter(
    "epoch",
    {"type": "integer", "minimum": 0, "maximum": 10**16 - 1},
    description="End only the playback that has this epoch.",
)
DRY_RUN = OpenApiParameter(
    "dryRun", bool, description="Say whether it would be admitted, and take nothing."
)
EXCEPT = OpenApiParameter("except", IDENTIFIER, description="The stream that goes on.")


def operation(
    id: str,
    answers: dict[int, Any],
    *refused: str,
    tag: str = "Streams",
    body: type[PlayerSerializer] | Any = None,
    parameters: list[OpenApiParameter] = OF_A_USER,
    everywhere: tuple[str, ...] = FOR_USERS,
) -> Any:
    """An operation as it is described."""
    problems = (*everywhere, *(WITH_BODY if body else ()), *refused)
    shapes = (
        body if isinstance(body, dict) else {"application/json": body} if body else {}
    )
    examples = [
        OpenApiExample(*BODIES[shape], request_only=True, media_type=media_type)
        for media_type, shape in shapes.items()
    ]
    return extend_schema(
        operation_id=id,
        tags=[tag],
        parameters=parameters,
        request=body,
        responses=answers | refusals(problems),
        examples=examples,
    )


def started(id: str, parameters: list[OpenApiParameter]) -> Any:
    """A start, by `POST` or `PUT`."""
    answers = {
        201: answer(PlayerStream, "Admitted."),
        200: OpenApiResponse(
            PolymorphicProxySerializer(
                "StartAnswer", [PlayerStream, DryRun], resource_type_field_name=None
            ),
            "Admitted: the id held a slot already, and keeps that one. Or it would be admitted: a dry run.",
            [
                OpenApiExample("a playback", EXAMPLES[PlayerStream]),
                OpenApiExample("a dry run", EXAMPLES[DryRun]),
            ],
        ),
    }
    refused = ("stream-limit-reached", "too-many-starts", "store-contended")
    return operation(
        id,
        answers,
        *refused,
        body=StartSerializer,
        parameters=[*parameters, DRY_RUN, *STARTED],
    )


def health(id: str, *refused: str) -> Any:
    """A health check."""
    answers = {200: answer(Health, "Yes.")}
    return operation(
        id,
        answers,
        *refused,
        tag="Health",
        parameters=RETRY_AFTER,
        everywhere=EVERYWHERE,
    )


def described(view: Any, **operations: Any) -> Any:
    """The view, each of its methods with its description."""
    for name, describe in operations.items():
        describe(getattr(view, name))
    return view


class Streams(OpenApiViewExtension):
    """The streams of a user."""

    target_class = "streams.views.StreamViewSet"

    def view_replacement(self) -> Any:
        ended = ("stream-not-found", "stream-ended")
        first_expiry = header(
            "Expires",
            "When the first lease ends, if there is one.",
            200,
            required=False,
        )
        stream = [*OF_A_STREAM, EXPIRES]
        return described(
            self.target_class,
            list=operation(
                "listStreams",
                {200: answer(StreamList, "The streams, oldest first.")},
                parameters=[*OF_A_USER, first_expiry],
            ),
            create=started("startStream", [*OF_A_USER, IDEMPOTENCY_KEY]),
            retrieve=operation(
                "readStream",
                {200: answer(Stream, "The stream.")},
                *ended,
                parameters=stream,
            ),
            update=started("startStreamAs", OF_A_STREAM),
            destroy=operation(
                "endStream",
                {204: OpenApiResponse(description="It is over.")},
                *(*ended, "store-contended"),
                parameters=[*OF_A_STREAM, EPOCH],
            ),
            clear=operation(
                "endStreams",
                {200: answer(Ended, "They are over.")},
                "store-contended",
                parameters=[*OF_A_USER, EXCEPT],
            ),
            heartbeat=operation(
                "renewStream",
                {200: answer(PlayerStream, "Renewed, with a new token.")},
                *(*ended, "too-many-starts", "store-contended"),
                body=HeartbeatSerializer,
                parameters=stream,
                everywhere=BY_TOKEN,
            ),
            stop=operation(
                "stopStream",
                {204: OpenApiResponse(description="It is over.")},
                *(*ended, "store-contended"),
                body={
                    "application/json": TokenSerializer,
                    "text/plain": TokenSerializer,
                },
                parameters=OF_A_STREAM,
                everywhere=BY_TOKEN,
            ),
        )


class UserAccount(OpenApiViewExtension):
    """All that is kept of a user."""

    target_class = "streams.views.AccountView"

    def view_replacement(self) -> Any:
        return described(
            self.target_class,
            delete=operation(
                "forgetUser",
                {204: OpenApiResponse(description="Nothing is kept.")},
                tag="Limit",
            ),
        )


class Limit(OpenApiViewExtension):
    """The limit of a user."""

    target_class = "streams.views.LimitView"

    def view_replacement(self) -> Any:
        limit = {200: answer(UserLimit, "The limit.")}
        return described(
            self.target_class,
            get=operation("readLimit", limit, tag="Limit"),
            put=operation(
                "setLimit",
                {200: answer(UserLimitSet, "The limit.")},
                "store-contended",
                tag="Limit",
                body=LimitSerializer,
            ),
            delete=operation(
                "clearLimit",
                {204: OpenApiResponse(description="The default holds.")},
                "store-contended",
                tag="Limit",
            ),
        )


class Plans(OpenApiViewExtension):
    """The plans in force."""

    target_class = "streams.views.PlansView"

    def view_replacement(self) -> Any:
        refused = tuple(type_ for type_ in FOR_USERS if type_ not in STORE)
        return described(
            self.target_class,
            get=operation(
                "listPlans",
                {200: answer(PlanList, "The plans.")},
                tag="Limit",
                parameters=[
                    header("WWW-Authenticate", "How to authenticate.", 401),
                    *RETRY_AFTER,
                ],
                everywhere=refused,
            ),
        )


class PublicKeys(OpenApiViewExtension):
    """The public keys of edge tokens."""

    target_class = "streams.views.EdgeKeysView"

    def view_replacement(self) -> Any:
        cached = header(
            "Cache-Control",
            "How long the keys may be kept.",
            200,
            schema={"const": "public, max-age=300"},
        )
        keys = {
            200: answer(
                EdgeKeys,
                "The keys; none where no edge tokens are signed with published keys.",
            )
        }
        parameters = [cached, *RETRY_AFTER]
        return described(
            self.target_class,
            get=operation(
                "readEdgeKeys",
                keys,
                tag="Edge",
                parameters=parameters,
                everywhere=EVERYWHERE,
            ),
        )


class Healthz(OpenApiViewExtension):
    """Whether the process serves."""

    target_class = "streams.views.HealthView"

    def view_replacement(self) -> Any:
        return described(self.target_class, get=health("healthz"))


class Readyz(OpenApiViewExtension):
    """Whether the process can do its work."""

    target_class = "streams.views.ReadyView"

    def view_replacement(self) -> Any:
        return described(self.target_class, get=health("readyz", "store-unavailable"))


def endpoints(
    endpoints: list[tuple[str, str, str, Any]],
) -> list[tuple[str, str, str, Any]]:
    """drf-spectacular's hook: the paths as the README has them, in an order that stays."""
    methods = ["GET", "POST", "PUT", "DELETE"]
    named = {
        (path.rstrip("/").replace("{user_id}", "{userId}"), *rest)
        for path, *rest in endpoints
        if not path.startswith("/me")  # `tidied` describes them
    }
    return sorted(named, key=lambda endpoint: (endpoint[0], methods.index(endpoint[2])))
