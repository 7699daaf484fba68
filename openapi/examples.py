"""An example of each request and each answer."""

from typing import Any

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

TOKEN = "WyJ1c2VyMiIsInR2IiwxXQ:c2lnbmF0dXJl"  # noqa: S105
START = {
    "streamId": "456",
    "deviceId": "tv",
    "deviceName": "Living room TV",
    "deviceType": "tv",
    "title": "The Great Escape",
    "metadata": {"match": 17},
}
STREAM = {
    "id": "tv",
    "userId": "user2",
    **START,
    "startedAt": "2026-11-24T12:00:00.000Z",
    "expiresAt": "2026-11-24T12:01:00.000Z",
    "leaseSeconds": 60.0,
    "heartbeatSeconds": 19.2,
    "state": "playing",
    "pausedAt": None,
    "epoch": 1,
}
ENDED_STREAM = {
    "id": "phone",
    "reason": "expired",
    "endedAt": "2026-11-24T11:58:00.000Z",
    "endedBy": None,
}
LIMIT = {"limit": 5, "whenFull": "deny"}
USER_LIMIT = {"userId": "user2", "plan": "default", **LIMIT, "isDefault": False}
RULE = {
    "name": "two-big-screens",
    "limit": 2,
    "where": {"deviceType": ["tv", "console"]},
    "per": None,
    "distinct": None,
    "message": None,
}
PLAN = {
    "name": "family",
    "limit": 4,
    "whenFull": "deny",
    "leaseSeconds": 60,
    "relaxedLeaseSeconds": 300,
    "pausedSeconds": 600,
    "rules": [RULE],
}
PUBLIC_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    "kid": "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s",
    "alg": "ES256",
    "use": "sig",
}

CMCD = 'cid="film-42",e=ps,sta=p,ts=1764000000000,v=2'

REQUESTS: dict[type, tuple[str, Any]] = {
    StartSerializer: ("A start", START),
    TokenSerializer: ("The latest token", {"token": TOKEN}),
    HeartbeatSerializer: (
        "The latest token",
        {"token": TOKEN, "state": "playing"},
    ),
    LimitSerializer: ("A limit", LIMIT),
    TicketRequestSerializer: ("A ticket", {"seconds": 60, "streamId": "456"}),
    str: ("A player that plays", CMCD),
}
"""The name and the value of an example, by the serializer of the request."""

ANSWERS: dict[type, dict[str, Any]] = {
    StreamSerializer: STREAM,
    PlayerStreamSerializer: {**STREAM, "token": TOKEN, "isGrace": False},
    StreamListSerializer: {
        "userId": "user2",
        "plan": "default",
        "limit": 3,
        "active": 1,
        "available": 2,
        "streams": [STREAM],
        "ended": [ENDED_STREAM],
    },
    DryRunSerializer: {
        "isAdmitted": True,
        "plan": "family",
        "limit": 4,
        "ended": [],
    },
    PlanListSerializer: {"plans": [PLAN]},
    UserLimitSerializer: USER_LIMIT,
    UserLimitSetSerializer: {**USER_LIMIT, "ended": []},
    EndedSerializer: {"ended": ["tv"]},
    TicketSerializer: {
        "ticket": "tk_WyJ1c2VyMiIsMTc2NDAwMDAwMDAwMDAwMCw2MF0.c2lnbmF0dXJl",
        "expiresAt": "2026-11-24T12:01:00.000Z",
    },
    EdgeKeysSerializer: {"keys": [PUBLIC_KEY]},
    HealthSerializer: {"status": "ok", "version": "2.0.0+4f1c2a9b7d3e"},
    ReadinessSerializer: {"status": "ok"},
}
"""The value of an example, by the serializer of the answer."""

PROBLEM_MEMBERS: dict[str, dict[str, Any]] = {
    "invalid-request": {"errors": {"streamId": ["This field is required."]}},
    "unauthenticated": {
        "detail": "The bearer token expired or is not valid for this service."
    },
    "stream-limit-reached": {"limit": 1, "plan": "default", "streams": [STREAM]},
    "stream-ended": {
        "reason": "taken-over",
        "endedAt": "2026-11-24T12:00:30.000Z",
        "endedBy": "tv",
        "endedByName": "Living room TV",
        "endedByTitle": "The Great Escape",
    },
}
"""Members of an example in addition to `type`, `title` and `status`, by type."""
