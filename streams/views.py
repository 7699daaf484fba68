"""The HTTP API: parse, call, respond."""

import secrets
import time
from functools import lru_cache
from typing import Any, override
from urllib.parse import quote

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import get_script_prefix
from django.utils.http import http_date
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSetMixin

from streams import metrics, rules, tokens
from streams.authentication import Caller
from streams.permissions import MaySetLimits
from streams.problems import InvalidRequest, plain_response
from streams.rules import Policy, StartRequest, WhenFull
from streams.serializers import (
    ID,
    ID_IS,
    HeartbeatSerializer,
    LimitSerializer,
    StartSerializer,
    StopSerializer,
    StrictSerializer,
    account_body,
    limit_body,
    player_body,
    stream_body,
)
from streams.store import StreamStore

store = StreamStore(
    policy=Policy(
        limit=settings.STREAM_LIMIT,
        lease_ms=settings.LEASE_SECONDS * 1000,
        when_full=WhenFull(settings.WHEN_FULL),
    )
)


# Made once: a serializer copies its fields each time it is made, and these keep nothing of a request.
START, HEARTBEAT, STOP, LIMIT = StartSerializer(), HeartbeatSerializer(), StopSerializer(), LimitSerializer()


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
    def handle_exception(self, exc: Exception) -> Response:
        refusal = metrics.REFUSALS.get(type(exc))
        if refusal:
            metrics.record(refusal, now=self.now)
        return super().handle_exception(exc)

    @override
    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Cache-Control"] = "no-store"  # who holds a slot changes from one moment to the next
        response["Date"] = _http_date(self.now)
        return response

    @property
    def entitlement(self) -> int | None:
        """The limit that the caller's token grants the user, which goes before every other."""
        caller = self.request.user
        return caller.stream_limit if isinstance(caller, Caller) and caller.user_id == self.kwargs["user_id"] else None

    def parse(self, shape: StrictSerializer) -> dict[str, Any]:
        """The body, checked."""
        return dict(shape.run_validation(self.request.data))


class StreamViewSet(ViewSetMixin, UserView):
    """The streams of a user."""

    def list(self, request: Request, user_id: str) -> Response:
        """The user's live streams, and how many more may start.

        Who holds a slot, and until when. A stream whose lease has ended is not among them: its slot is free.
        """
        account = store.read(user_id, now=self.now)
        first_expiry = min((lease.expires_at for lease in account.live(self.now)), default=None)
        headers = {} if first_expiry is None else {"Expires": _http_date(first_expiry)}
        body = account_body(user_id, account, store.policy, entitlement=self.entitlement, now=self.now)
        return Response(body, headers=headers)

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
        body = self.parse(START)
        return self._start(user_id, body.get("deviceId") or key or secrets.token_urlsafe(12), body)

    def update(self, request: Request, user_id: str, id: str) -> Response:
        """Start a stream under an id of the caller's choice.

        As `POST` to the user's streams, in the slot of this id: when it holds one already, this start takes it over and
        the token of the playback before is void.
        """
        return self._start(user_id, id, self.parse(START))

    def _start(self, user_id: str, id: str, body: dict[str, Any]) -> Response:
        asked = StartRequest(
            id=id,
            stream_id=body["streamId"],
            device_id=body.get("deviceId"),
            device_name=body.get("deviceName"),
            device_type=body.get("deviceType"),
            title=body.get("title"),
            replace=frozenset(body.get("replace", ())),
            entitlement=self.entitlement,
        )
        admission = store.start(user_id, asked, now=self.now)
        metrics.record("admitted", *admission.ended, now=self.now)
        headers = {
            "Location": f"{get_script_prefix()}users/{quote(user_id)}/streams/{quote(id)}",
            "Expires": _http_date(admission.lease.expires_at),
        }
        status = 200 if admission.took_over else 201
        return Response(player_body(user_id, admission.lease, now=self.now), status=status, headers=headers)

    def retrieve(self, request: Request, user_id: str, id: str) -> Response:
        """One stream.

        Without its token, which only its own player is given.
        """
        lease = rules.read(store.read(user_id, now=self.now), id, now=self.now)
        return Response(stream_body(user_id, lease, now=self.now), headers={"Expires": _http_date(lease.expires_at)})

    def heartbeat(self, request: Request, user_id: str, id: str) -> Response:
        """Keep a stream alive.

        Send it every `heartbeatSeconds` with the token of the last start or heartbeat. It renews the lease and answers
        with a new token, to be used from now on.
        """
        epoch = self._epoch(self.parse(HEARTBEAT)["token"], user_id, id)
        lease = store.renew(user_id, id, epoch=epoch, now=self.now)
        metrics.record("renewed", now=self.now)
        return Response(player_body(user_id, lease, now=self.now), headers={"Expires": _http_date(lease.expires_at)})

    def destroy(self, request: Request, user_id: str, id: str) -> Response:
        """Stop a stream.

        Its slot is free at once. Without a body it ends whoever holds the slot; a body with the `token` stops that
        playback only, and not a later one in its slot. Stopping again changes nothing.
        """
        token = self.parse(STOP).get("token")
        epoch = None if token is None else self._epoch(token, user_id, id)
        ending = store.stop(user_id, id, epoch=epoch, now=self.now)
        if ending:
            metrics.record(ending, now=self.now)
        return Response(status=204)

    def stop(self, request: Request, user_id: str, id: str) -> Response:
        """Stop this playback, by its token."""
        epoch = self._epoch(self.parse(HEARTBEAT)["token"], user_id, id)
        ending = store.stop(user_id, id, epoch=epoch, now=self.now)
        if ending:
            metrics.record(ending, now=self.now)
        return Response(status=204)

    def _epoch(self, token: str, user_id: str, id: str) -> int:
        try:
            return tokens.verify(token, user_id=user_id, id=id)
        except tokens.InvalidToken as exc:
            raise InvalidRequest(token="Not a token of this stream. Send the last one it was given.") from exc


class LimitView(UserView):
    """The limit of a user: for operators."""

    permission_classes = (MaySetLimits,)

    def get(self, request: Request, user_id: str) -> Response:
        """The limit that holds for the user.

        Their own when an operator set one, else the default.
        """
        return Response(limit_body(user_id, store.read(user_id, now=self.now), store.policy))

    def put(self, request: Request, user_id: str) -> Response:
        """Set a limit of the user's own.

        It goes before the default, and `whenFull` says what a start over it meets: `deny` refuses it, `evict-oldest`
        ends the oldest stream. Live streams stay when it is lowered.
        """
        body = self.parse(LIMIT)
        store.set_limit(user_id, limit=body["limit"], when_full=WhenFull(body["whenFull"]), now=self.now)
        return Response({"userId": user_id, **body, "isDefault": False})

    def delete(self, request: Request, user_id: str) -> Response:
        """Back to the default.

        Clears the user's own limit, if there is one.
        """
        store.clear_limit(user_id, now=self.now)
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
        store.ping(now=time.time_ns() // 1_000_000)
        return Response({"status": "ok"})


def unknown_url(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """A problem for every URL that is not the API's; Django gives the exception where it is no path (`*`)."""
    return plain_response(Http404())


def _http_date(instant: int) -> str:
    return _second_date(instant // 1000)


_second_date = lru_cache(maxsize=256)(http_date)
