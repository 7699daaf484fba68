"""The API described, as OpenAPI 3.1: made of the same constants and the same table of problems that the service runs
on.

Imported when `/openapi.json` is asked for, and by no other request.
"""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from streams.problems import MEDIA_TYPE, PROBLEMS
from streams.rules import Reason, WhenFull
from streams.serializers import ID

Schema = dict[str, Any]

PLAIN_TEXT = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"
"""No control characters."""
IDENTIFIER: Schema = {"type": "string", "pattern": f"^{ID.pattern}$", "minLength": 1, "maxLength": 128}
INSTANT: Schema = {"type": "string", "format": "date-time", "examples": ["2026-11-24T12:00:00.000Z"]}


def _ref(kind: str, name: str) -> Schema:
    return {"$ref": f"#/components/{kind}/{name}"}


def _text(longest: int, shortest: int = 0, *, optional: bool = False, **more: Any) -> Schema:
    type_ = ["string", "null"] if optional else "string"
    return {"type": type_, "minLength": shortest, "maxLength": longest, "pattern": PLAIN_TEXT, **more}


def _object(properties: Mapping[str, Schema], *, optional: tuple[str, ...] = (), closed: bool = True) -> Schema:
    required = [name for name in properties if name not in optional]
    schema: Schema = {"type": "object", "properties": dict(properties), "required": required}
    return schema | {"additionalProperties": False} if closed else schema


def _optional(schema: Schema) -> Schema:
    return schema | {"type": ["string", "null"]}


STREAM: dict[str, Schema] = {
    "id": IDENTIFIER | {"description": "The slot's identity; the last segment of the stream's URL."},
    "userId": IDENTIFIER,
    "streamId": _text(256, 1, description="What is being watched.", examples=["456"]),
    "deviceId": _optional(IDENTIFIER),
    "deviceName": _text(128, optional=True, examples=["Living room TV"]),
    "deviceType": _text(64, optional=True, examples=["tv"]),
    "title": _text(256, optional=True),
    "startedAt": INSTANT,
    "expiresAt": INSTANT,
    "leaseSeconds": {"type": "number", "minimum": 0, "description": "What is left of the lease."},
    "heartbeatSeconds": {"type": "number", "description": "When to send the next heartbeat."},
    "epoch": {"type": "integer", "description": "Grows each time the slot changes hands."},
}
DEVICE_NAME, DEVICE_TYPE, TITLE = (
    _text(longest, 1, optional=True, description=what)
    for longest, what in (
        (128, "As the viewer knows it."),
        (64, "tv, phone, web, …"),
        (256, "Of what is being watched."),
    )
)
START: dict[str, Schema] = {
    "streamId": STREAM["streamId"],
    "deviceId": _optional(IDENTIFIER) | {"description": "The same device starting again keeps its slot."},
    "deviceName": DEVICE_NAME,
    "deviceType": DEVICE_TYPE,
    "title": TITLE,
    "replace": {
        "type": "array",
        "items": IDENTIFIER,
        "maxItems": settings.HIGHEST_LIMIT,
        "description": "Ids of streams to end for this one, in the same write.",
    },
}
TOKEN: Schema = _text(2048, 1, description="The token of the last start or heartbeat.")
LIMIT: Schema = {"type": "integer", "minimum": 0, "maximum": settings.HIGHEST_LIMIT}
WHEN_FULL: Schema = {"type": "string", "enum": [choice.value for choice in WhenFull]}
MORE_MEMBERS: dict[str, dict[str, Schema]] = {
    "invalid-request": {"errors": {"type": "object", "description": "What is wrong, by field.", "minProperties": 1}},
    "stream-limit-reached": {"limit": LIMIT, "streams": {"type": "array", "items": _ref("schemas", "Stream")}},
    "stream-ended": {
        "reason": {"type": "string", "enum": [reason.value for reason in Reason]},
        "endedAt": INSTANT,
        "endedBy": _optional(IDENTIFIER),
    },
}
"""What a problem has beside `type`, `title`, `status` and `detail`."""


def _problems() -> tuple[dict[str, Schema], dict[str, Schema]]:
    """A schema and a response for each problem, from the one table."""
    schemas, responses = {}, {}
    for problem in PROBLEMS.values():
        schemas[problem.type] = _object(
            {
                "type": {"const": problem.type},
                "title": {"type": "string"},
                "status": {"const": problem.status},
                "detail": {"type": "string"},
                **MORE_MEMBERS.get(problem.type, {}),
            },
            optional=("detail",),
        )
        responses[problem.type] = _answer(problem.title, schemas_name=problem.type, media_type=MEDIA_TYPE)
    retry = {"Retry-After": {"schema": {"type": "integer", "minimum": 1}, "description": "Seconds."}}
    for type_ in ("stream-limit-reached", "throttled", "store-unavailable", "store-contended"):
        responses[type_]["headers"] = retry
    responses["unauthenticated"]["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return schemas, responses


def _answer(what: str, *, schemas_name: str | None = None, media_type: str = "application/json") -> Schema:
    answer: Schema = {"description": what}
    if schemas_name:
        answer["content"] = {media_type: {"schema": _ref("schemas", schemas_name)}}
    return answer


def _operation(
    id: str, summary: str, answers: dict[str, Schema], *refusals: str, body: str | None = None, **more: Any
) -> Schema:
    """One operation: its answers, and the problems it may refuse with. A status with several problems lists them
    all."""
    by_status: dict[str, list[str]] = {}
    statuses = {problem.type: str(problem.status) for problem in PROBLEMS.values()}
    everywhere = ("invalid-request", "unauthenticated", "forbidden", "not-acceptable", "throttled", "store-unavailable")
    with_body = ("payload-too-large", "unsupported-media-type") if body else ()
    for type_ in dict.fromkeys((*everywhere, *with_body, *refusals)):
        by_status.setdefault(statuses[type_], []).append(type_)
    responses = dict(answers)
    for status, types in by_status.items():
        if len(types) == 1:
            responses[status] = _ref("responses", types[0])
        else:
            schema = {"oneOf": [_ref("schemas", type_) for type_ in types]}
            responses[status] = {"description": " or ".join(types), "content": {MEDIA_TYPE: {"schema": schema}}}
    operation: Schema = {"operationId": id, "summary": summary, "responses": responses, **more}
    if body:
        is_required = id != "stopStream"
        content = {"application/json": {"schema": _ref("schemas", body)}}
        operation["requestBody"] = {"required": is_required, "content": content}
    return operation


def _started(status: str) -> Schema:
    answer = _answer(
        "Admitted." if status == "201" else "Admitted: the id held a slot already.", schemas_name="PlayerStream"
    )
    text = {"schema": {"type": "string"}}
    return answer | {"headers": {"Location": text, "Expires": text, "Date": text}}


def document() -> Schema:
    """The whole document."""
    problem_schemas, problem_responses = _problems()
    started = {status: _started(status) for status in ("200", "201")}
    user, stream = _ref("parameters", "userId"), _ref("parameters", "id")
    contended = "store-contended"
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Concurrent-stream limits",
            "version": "1.0.0",
            "description": "May this user watch one more stream now? Nobody ever holds more than their limit.",
        },
        "security": [{"bearer": []}, {"apiKey": []}],
        "paths": {
            "/users/{userId}/streams": {
                "parameters": [user],
                "get": _operation(
                    "listStreams",
                    "The user's live streams, and how many more may start",
                    {"200": _answer("The streams, oldest first.", schemas_name="StreamList")},
                ),
                "post": _operation(
                    "startStream",
                    "Start a stream",
                    started,
                    "stream-limit-reached",
                    contended,
                    body="Start",
                    parameters=[_ref("parameters", "idempotencyKey")],
                ),
            },
            "/users/{userId}/streams/{id}": {
                "parameters": [user, stream],
                "get": _operation(
                    "readStream",
                    "One stream",
                    {"200": _answer("The stream.", schemas_name="Stream")},
                    "stream-not-found",
                    "stream-ended",
                ),
                "put": _operation(
                    "startStreamAs",
                    "Start a stream under an id of the caller's choice",
                    started,
                    "stream-limit-reached",
                    contended,
                    body="Start",
                ),
                "delete": _operation(
                    "stopStream",
                    "Stop a stream; with a token, that playback only",
                    {"204": _answer("It is over.")},
                    "stream-not-found",
                    "stream-ended",
                    contended,
                    body="Stop",
                ),
            },
            "/users/{userId}/streams/{id}/heartbeat": {
                "parameters": [user, stream],
                "post": _operation(
                    "renewStream",
                    "Keep a stream alive",
                    {"200": _answer("Renewed, with a new token.", schemas_name="PlayerStream")},
                    "stream-not-found",
                    "stream-ended",
                    contended,
                    body="Heartbeat",
                ),
            },
            "/users/{userId}/limit": {
                "parameters": [user],
                "get": _operation(
                    "readLimit",
                    "The limit that holds for the user",
                    {"200": _answer("The limit.", schemas_name="UserLimit")},
                ),
                "put": _operation(
                    "setLimit",
                    "Override the default; live streams stay when it is lowered",
                    {"200": _answer("The limit.", schemas_name="UserLimit")},
                    body="Limit",
                ),
                "delete": _operation("clearLimit", "Back to the default", {"204": _answer("The default holds.")}),
            },
            "/healthz": {"get": _health("healthz", "Whether the process serves")},
            "/readyz": {"get": _health("readyz", "Whether DynamoDB answers for the table", "store-unavailable")},
        },
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
            "parameters": {
                "userId": {"name": "userId", "in": "path", "required": True, "schema": IDENTIFIER},
                "id": {"name": "id", "in": "path", "required": True, "schema": IDENTIFIER},
                "idempotencyKey": {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "schema": {"type": "string", "pattern": f'^({ID.pattern}|"{ID.pattern}")$'},
                    "description": "Makes a repeated start without a deviceId keep its one slot.",
                },
            },
            "schemas": {
                "Stream": _object(STREAM),
                "PlayerStream": _object(STREAM | {"token": TOKEN}),
                "StreamList": _object(
                    {
                        "userId": IDENTIFIER,
                        "limit": LIMIT,
                        "active": {"type": "integer", "minimum": 0},
                        "available": {"type": "integer", "minimum": 0},
                        "streams": {"type": "array", "items": _ref("schemas", "Stream")},
                    }
                ),
                "Start": _object(START, optional=tuple(name for name in START if name != "streamId")),
                "Heartbeat": _object({"token": TOKEN}),
                "Stop": _object({"token": TOKEN}, optional=("token",)),
                "Limit": _object({"limit": LIMIT, "whenFull": WHEN_FULL}, optional=("whenFull",)),
                "UserLimit": _object(
                    {"userId": IDENTIFIER, "limit": LIMIT, "whenFull": WHEN_FULL, "isDefault": {"type": "boolean"}}
                ),
                "Health": _object({"status": {"const": "ok"}}),
                **problem_schemas,
            },
            "responses": problem_responses,
        },
    }


def _health(id: str, summary: str, *refusals: str) -> Schema:
    operation = {
        "operationId": id,
        "summary": summary,
        "security": [],
        "responses": {"200": _answer("Yes.", schemas_name="Health")},
    }
    statuses = {problem.type: str(problem.status) for problem in PROBLEMS.values()}
    for type_ in ("invalid-request", "not-acceptable", *refusals):
        operation["responses"][statuses[type_]] = _ref("responses", type_)  # type: ignore[index]
    return operation
