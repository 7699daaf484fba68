"""The HTTP API: parse, call, respond."""

import secrets
import time
from typing import Any, override
from urllib.parse import quote

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import get_script_prefix
from django.utils.http import http_date
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSetMixin

from streams import service
from streams.authentication import Caller
from streams.errors import InvalidRequest
from streams.permissions import MaySetLimits
from streams.problems import plain_response
from streams.rules import Lease, StartRequest, WhenFull
from streams.serializers import (
    ID,
    ID_IS,
    HeartbeatSerializer,
    LimitSerializer,
    StartSerializer,
    StopSerializer,
    StrictSerializer,
    limit_body,
    listing_body,
    player_body,
    stream_body,
)
from streams.service import Context


class UserView(APIView):
    """Everything under `/users/{userId}`: ids in the path are checked, `self.now` (ms) is the one clock of the call."""

    now: int

    @override
    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.now = time.time_ns() // 1_000_000
        super().initial(request, *args, **kwargs)
        bad = {name: ID_IS for name, value in kwargs.items() if not ID.fullmatch(value)}
        if bad:
            raise InvalidRequest(**{"userId" if name == "user_id" else name: why for name, why in bad.items()})

    @override
    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Cache-Control"] = "no-store"  # who holds a slot changes from one moment to the next
        response["Date"] = _http_date(self.now)
        return response

    @property
    def context(self) -> Context:
        """What the service has to know of this call."""
        user_id, caller = self.kwargs["user_id"], self.request.user
        entitlement = caller.stream_limit if isinstance(caller, Caller) and caller.user_id == user_id else None
        operator = caller.operator if isinstance(caller, Caller) else None
        return Context(user_id=user_id, now=self.now, entitlement=entitlement, operator=operator)

    def parse(self, shape: type[StrictSerializer]) -> dict[str, Any]:
        """The body, checked."""
        serializer = shape(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)


class StreamViewSet(ViewSetMixin, UserView):
    """The streams of a user."""

    def list(self, request: Request, user_id: str) -> Response:
        """The user's live streams, and how many more may start.

        Who holds a slot, and until when. A stream whose lease has ended is not among them: its slot is free.
        """
        listing = service.listing(self.context)
        first_expiry = min((lease.expires_at for lease in listing.streams), default=None)
        headers = {} if first_expiry is None else {"Expires": _http_date(first_expiry)}
        return Response(listing_body(user_id, listing, now=self.now), headers=headers)

    def create(self, request: Request, user_id: str) -> Response:
        """Start a stream.

        Takes a slot of the user's, and answers with the stream, its `id` and the `token` for its first heartbeat. The
        same `deviceId` starting again keeps its slot; without one, the same `Idempotency-Key` does; without either,
        each start takes a slot of its own. `replace` ends the streams it names in the same write, for a viewer who
        chose them.
        """
        sent = request.META.get("HTTP_IDEMPOTENCY_KEY")
        is_quoted = sent is not None and len(sent) > 1 and sent[0] == sent[-1] == '"'
        key = sent[1:-1] if sent and is_quoted else sent
        if key is not None and not ID.fullmatch(key):
            raise InvalidRequest(**{"Idempotency-Key": ID_IS})
        body = self.parse(StartSerializer)
        return self._start(user_id, body.get("deviceId") or key or secrets.token_urlsafe(12), body)

    def update(self, request: Request, user_id: str, id: str) -> Response:
        """Start a stream under an id of the caller's choice.

        As `POST` to the user's streams, in the slot of this id: when it holds one already, this start takes it over and
        the token of the playback before is void.
        """
        return self._start(user_id, id, self.parse(StartSerializer))

    def _start(self, user_id: str, id: str, body: dict[str, Any]) -> Response:
        asked = StartRequest(
            id=id,
            stream_id=body["streamId"],
            device_id=body.get("deviceId"),
            device_name=body.get("deviceName"),
            device_type=body.get("deviceType"),
            title=body.get("title"),
            replace=frozenset(body.get("replace", ())),
        )
        playing = service.start(self.context, asked)
        location = f"{get_script_prefix()}users/{quote(user_id)}/streams/{quote(id)}"
        body = player_body(user_id, playing, now=self.now)
        return Response(
            body,
            status=200 if playing.took_over else 201,
            headers={"Location": location, **_expires(playing.lease)},
        )

    def retrieve(self, request: Request, user_id: str, id: str) -> Response:
        """One stream.

        Without its token, which only its own player is given.
        """
        lease = service.read(self.context, id)
        return Response(stream_body(user_id, lease, now=self.now), headers=_expires(lease))

    def heartbeat(self, request: Request, user_id: str, id: str) -> Response:
        """Keep a stream alive.

        Send it every `heartbeatSeconds` with the token of the last start or heartbeat. It renews the lease and answers
        with a new token, to be used from now on.
        """
        playing = service.renew(self.context, id, self.parse(HeartbeatSerializer)["token"])
        return Response(player_body(user_id, playing, now=self.now), headers=_expires(playing.lease))

    def destroy(self, request: Request, user_id: str, id: str) -> Response:
        """Stop a stream.

        Its slot is free at once. Without a body it ends whoever holds the slot; a body with the `token` stops that
        playback only, and not a later one in its slot. Stopping again changes nothing.
        """
        service.stop(self.context, id, self.parse(StopSerializer).get("token"))
        return Response(status=204)


class LimitView(UserView):
    """The limit of a user: for operators."""

    permission_classes = (MaySetLimits,)

    def get(self, request: Request, user_id: str) -> Response:
        """The limit that holds for the user.

        Their own when an operator set one, else the default.
        """
        return Response(limit_body(user_id, service.listing(self.context)))

    def put(self, request: Request, user_id: str) -> Response:
        """Set a limit of the user's own.

        It goes before the default, and `whenFull` says what a start over it meets: `deny` refuses it, `evict-oldest`
        ends the oldest stream. Live streams stay when it is lowered.
        """
        body = self.parse(LimitSerializer)
        listing = service.set_limit(self.context, limit=body["limit"], when_full=WhenFull(body["whenFull"]))
        return Response(limit_body(user_id, listing))

    def delete(self, request: Request, user_id: str) -> Response:
        """Back to the default.

        Clears the user's own limit, if there is one.
        """
        service.clear_limit(self.context)
        return Response(status=204)


class HealthView(APIView):
    """Whether the process serves."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def get(self, request: Request) -> Response:
        """Whether the process serves.

        Asks nothing of DynamoDB, so that a store that is down restarts no process.
        """
        return Response({"status": "ok"})


class ReadyView(APIView):
    """Whether the process can do its work."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def get(self, request: Request) -> Response:
        """Whether DynamoDB answers for the table."""
        service.ping(now=time.time_ns() // 1_000_000)
        return Response({"status": "ok"})


def unknown_url(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """A problem for every URL that is not the API's; Django gives the exception where it is no path (`*`)."""
    return plain_response(Http404())


def _expires(lease: Lease) -> dict[str, str]:
    return {"Expires": _http_date(lease.expires_at)}


def _http_date(instant: int) -> str:
    return http_date(instant // 1000)
