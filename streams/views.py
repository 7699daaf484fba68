"""The HTTP API: parse, call, respond."""

import secrets
import time
from functools import cache
from typing import Any, override
from urllib.parse import quote

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import get_script_prefix
from django.utils.http import http_date
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSetMixin

from streams import service
from streams.authentication import Caller
from streams.errors import InvalidRequest
from streams.permissions import IsAdministrator, MaySetLimits
from streams.problems import plain_response
from streams.rules import NOTHING_GRANTED, Lease, StartRequest
from streams.serializers import (
    ID,
    ID_IS,
    MAX_KEY_BYTES,
    USER_ID,
    USER_ID_IS,
    HeartbeatSerializer,
    LimitSerializer,
    PlayerSerializer,
    StartSerializer,
    TokenSerializer,
    dry_run_body,
    is_key,
    limit_body,
    listing_body,
    plan_body,
    player_body,
    stream_body,
)
from streams.service import Context


class UserView(APIView):
    """Everything under `/users/{userId}` and `/me`, the user of the bearer token. Ids in the path are checked;
    `self.now` (ms) is the one clock of the call."""

    now: int

    @override
    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.now = time.time_ns() // 1_000_000
        super().initial(request, *args, **kwargs)
        errors = {}
        user_id, id = kwargs.get("user_id"), kwargs.get("id")
        if user_id is not None and not USER_ID.fullmatch(user_id):
            errors["userId"] = USER_ID_IS
        if id is not None and not ID.fullmatch(id):
            errors["id"] = ID_IS
        if (
            request.method == "DELETE"
            and hasattr(self, "delete")
            and _announces_a_body(request)
        ):
            errors["body"] = (
                "DELETE takes no body. A player stops its own stream with POST …/stop and its token."
            )
        if errors:
            raise InvalidRequest(**errors)

    @override
    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Cache-Control"] = (
            "no-store"  # who holds a slot changes from one moment to the next
        )
        response["Date"] = _http_date(self.now)
        return response

    @property
    def user_id(self) -> str | None:
        """The user in the path, or of the bearer token; None where that is no viewer's."""
        caller = self.request.user
        own: str | None = caller.user_id if isinstance(caller, Caller) else None
        user_id: str | None = self.kwargs.get("user_id", own)
        return user_id

    @property
    def context(self) -> Context:
        """What the service has to know of this call."""
        user_id, caller = self.user_id, self.request.user
        if user_id is None:
            raise NotAuthenticated(
                "/me is the user of a viewer's bearer token: send one, or call /users/{userId}."
            )
        if not is_key(user_id):
            raise InvalidRequest(
                userId=f"The token's sub must be text of 1 to {MAX_KEY_BYTES} bytes of UTF-8."
            )
        entitlement = (
            caller.entitlement
            if isinstance(caller, Caller) and caller.user_id == user_id
            else NOTHING_GRANTED
        )
        operator = caller.operator if isinstance(caller, Caller) else None
        network = self.request.META.get("streams.edge_network")
        return Context(
            user_id=user_id,
            now=self.now,
            entitlement=entitlement,
            operator=operator,
            network=network,
        )

    def parse(self, shape: type[PlayerSerializer]) -> dict[str, Any]:
        """The body, checked. Its serializer is made once for each shape, since making one copies every field, a tenth
        of a request; a run of its validation keeps nothing of a request."""
        return dict(serializer_of(shape).run_validation(self.request.data))

    def place(self, id: str) -> str:
        """The path of a stream of this user, under whatever path the service is mounted at."""
        user_id = self.kwargs.get("user_id")
        user = "me" if user_id is None else f"users/{quote(user_id, safe='')}"
        return f"{get_script_prefix()}{user}/streams/{quote(id, safe='')}"


class StreamViewSet(ViewSetMixin, UserView):
    """The streams of a user."""

    def list(self, request: Request, user_id: str | None = None) -> Response:
        """The user's live streams, and how many more may start.

        Who holds a slot, and until when. A stream whose lease has ended is not among them: its slot is free. `ended`
        has the last of those that are over, and why.
        """
        context = self.context
        listing = service.listing(context)
        first_expiry = min(
            (lease.expires_at for lease in listing.streams), default=None
        )
        headers = {} if first_expiry is None else {"Expires": _http_date(first_expiry)}
        return Response(
            listing_body(context.user_id, listing, now=self.now), headers=headers
        )

    def create(self, request: Request, user_id: str | None = None) -> Response:
        """Start a stream.

        Takes a slot of the user's, and answers with the stream, its `id` and the `token` for its first heartbeat. The
        same `deviceId` starting again keeps its slot; without one, the same `Idempotency-Key` does; without either,
        each start takes a slot of its own. `replace` ends the streams it names in the same write, for a viewer who
        chose them. With `?dryRun=true` it takes nothing, and says whether it would.
        """
        sent = request.META.get("HTTP_IDEMPOTENCY_KEY")
        is_quoted = sent is not None and len(sent) > 1 and sent[0] == sent[-1] == '"'
        key = sent[1:-1] if sent and is_quoted else sent
        if key is not None and not ID.fullmatch(key):
            raise InvalidRequest(**{"Idempotency-Key": ID_IS})
        body = self.parse(StartSerializer)
        return self._start(
            body.get("device_id") or key or secrets.token_urlsafe(12), body
        )

    def update(self, request: Request, id: str, user_id: str | None = None) -> Response:
        """Start a stream under an id of the caller's choice.

        As `POST` to the user's streams, in the slot of this id: when it holds one already, this start takes it over and
        the token of the playback before is void.
        """
        return self._start(id, self.parse(StartSerializer))

    def _start(self, id: str, body: dict[str, Any]) -> Response:
        start = StartRequest(
            id=id, network=self.request.META.get("streams.network"), **body
        )
        if (
            "dryRun" in self.request.META["QUERY_STRING"]
        ):  # a long one is not taken apart without need
            is_dry = self.request.query_params.get("dryRun")
            if is_dry not in ("true", "false"):
                raise InvalidRequest(dryRun="Must be true or false.")
            if is_dry == "true":
                return Response(dry_run_body(*service.dry_run(self.context, start)))
        playing = service.start(self.context, start)
        return Response(
            player_body(playing, now=self.now),
            status=200 if playing.lease.took_over else 201,
            headers={"Location": self.place(id), **_expires(playing.lease)},
        )

    def retrieve(
        self, request: Request, id: str, user_id: str | None = None
    ) -> Response:
        """One stream.

        Without its token, which only its own player is given.
        """
        context = self.context
        lease = service.read(context, id)
        return Response(
            stream_body(context.user_id, lease, now=self.now), headers=_expires(lease)
        )

    def heartbeat(
        self, request: Request, id: str, user_id: str | None = None
    ) -> Response:
        """Keep a stream alive.

        Send it every `heartbeatSeconds` with the token of the last start or heartbeat, which is all the credential it
        needs. It renews the lease and answers with a new token, to be used from now on. With `state` `paused` the
        stream keeps its slot for as long as the plan lets it be paused; `playing`, or none, goes on.
        """
        body = self.parse(HeartbeatSerializer)
        is_paused, network = (
            body.get("state") == "paused",
            self.request.META.get("streams.edge_network"),
        )
        playing = service.renew(
            body["token"],
            user_id=user_id,
            id=id,
            now=self.now,
            is_paused=is_paused,
            network=network,
        )
        return Response(
            player_body(playing, now=self.now), headers=_expires(playing.lease)
        )

    def stop(self, request: Request, id: str, user_id: str | None = None) -> Response:
        """Stop a stream, as its player does.

        With the token of the last start or heartbeat, which is all the credential it needs. The slot is free at once.
        It stops that playback only, and not a later one in its slot; stopping again changes nothing. The body may also
        be sent as `text/plain`, as `navigator.sendBeacon` does.
        """
        service.stop(
            self.parse(TokenSerializer)["token"], user_id=user_id, id=id, now=self.now
        )
        return Response(status=204)

    def destroy(
        self, request: Request, id: str, user_id: str | None = None
    ) -> Response:
        """End a stream.

        Its slot is free at once, whoever holds it. With `epoch`, only the playback that has it ends, and not a later
        one in its slot. Ending it again changes nothing. It takes no body: a player that stops its own stream sends
        `POST …/stop`.
        """
        epoch = request.query_params.get("epoch")
        if epoch is not None and not (
            epoch.isascii() and epoch.isdigit() and len(epoch) <= 16
        ):
            raise InvalidRequest(epoch="Must be the epoch of a stream, a whole number.")
        service.end(self.context, id, epoch=None if epoch is None else int(epoch))
        return Response(status=204)

    def clear(self, request: Request, user_id: str | None = None) -> Response:
        """End every stream of the user.

        All slots are free at once; with `except`, all but that of the stream it names.
        """
        keep = request.query_params.get("except")
        if keep is not None and not ID.fullmatch(keep):
            raise InvalidRequest(**{"except": ID_IS})
        return Response({"ended": service.end_all(self.context, keep=keep)})


class AccountView(UserView):
    """Everything kept of a user: for operators."""

    permission_classes = (MaySetLimits,)

    def delete(self, request: Request, user_id: str | None = None) -> Response:
        """Forget a user.

        Drops everything that is kept of the user: streams, endings, the limit. Players that play are told 404 at their
        next heartbeat.
        """
        service.forget(self.context)
        return Response(status=204)


class LimitView(UserView):
    """The limit of a user: for operators."""

    permission_classes = (MaySetLimits,)

    def get(self, request: Request, user_id: str | None = None) -> Response:
        """The limit that holds for the user.

        That of the viewer's own bearer token when it grants one, else their own when an operator set one, else the
        default.
        """
        context = self.context
        return Response(limit_body(context.user_id, service.listing(context)))

    def put(self, request: Request, user_id: str | None = None) -> Response:
        """Set a plan or a limit of the user's own.

        They go before the default, a limit before the plan's number, and `whenFull` says what a start over it meets:
        `deny` refuses it, `evict-oldest` ends the oldest stream. What is not given is the plan's. Live streams stay
        when it is lowered; with `endSurplus` those end that would not be playing had it held from the start, and a
        limit of 0 suspends the user at once.
        """
        context = self.context
        return Response(
            limit_body(
                context.user_id,
                service.set_limit(context, **self.parse(LimitSerializer)),
            )
        )

    def delete(self, request: Request, user_id: str | None = None) -> Response:
        """Back to the default.

        Clears the user's own limit, if there is one.
        """
        service.clear_limit(self.context)
        return Response(status=204)


class PlansView(APIView):
    """The plans: for administrators."""

    permission_classes = (IsAdministrator,)

    def get(self, request: Request) -> Response:
        """The plans in force.

        The default one first; and as `shadowPlans` those that decide nothing.
        """
        catalogues = {"plans": settings.PLANS, "shadowPlans": settings.SHADOW_PLANS}
        return Response(
            {
                name: [plan_body(plan) for plan in plans.all]
                for name, plans in catalogues.items()
                if plans
            }
        )


class HealthView(APIView):
    """Whether the process serves."""

    def get(self, request: Request) -> Response:
        """Whether the process serves.

        Asks nothing of DynamoDB, so that a store that is down restarts no process.
        """
        return Response({"status": "ok"})


class EdgeKeysView(APIView):
    """The public keys of edge tokens."""

    def get(self, request: Request) -> Response:
        """The keys that edge tokens verify with.

        A JWK Set (RFC 7517): who checks a token takes the key whose `kid` it names. Secrets are not among them.
        """
        return Response(
            {"keys": service.edge_keys()},
            headers={"Cache-Control": "public, max-age=300"},
        )


class ReadyView(APIView):
    """Whether the process can do its work."""

    def get(self, request: Request) -> Response:
        """Whether DynamoDB answers for the table."""
        service.ping(now=time.time_ns() // 1_000_000)
        return Response({"status": "ok"})


def unknown_url(
    request: HttpRequest, exception: Exception | None = None
) -> HttpResponse:
    """A problem for every URL that is not the API's; Django gives the exception where it is no path (`*`)."""
    return plain_response(Http404())


@cache
def serializer_of(shape: type[PlayerSerializer]) -> PlayerSerializer:
    """The one serializer of its shape that this process has."""
    return shape()


def _announces_a_body(request: Request) -> bool:
    return (
        request.META.get("CONTENT_LENGTH") not in (None, "", "0")
        or "HTTP_TRANSFER_ENCODING" in request.META
    )


def _expires(lease: Lease) -> dict[str, str]:
    return {"Expires": _http_date(lease.expires_at)}


def _http_date(instant: int) -> str:
    return http_date(instant // 1000)
