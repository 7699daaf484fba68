"""The views of the HTTP API. They parse a request, call a use case and respond.

The docstrings of their methods are the summaries and descriptions of the OpenAPI
document.
"""

import re
import secrets
import time
from typing import Any, override
from urllib.parse import quote

from django.core.signing import BadSignature
from django.http import Http404
from django.urls import get_script_prefix
from django.utils.http import http_date
from rest_framework.decorators import action
from rest_framework.exceptions import (
    NotAuthenticated,
    PermissionDenied,
    ValidationError,
)
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSetMixin

from streams import cmcd, languages, service
from streams.api_view import StreamsAPIView
from streams.authentication import OPERATE, Caller
from streams.conf import settings
from streams.errors import InvalidRequest, LengthRequired, StreamNotFound
from streams.fields import (
    ID,
    ID_ERROR,
    MAX_EPOCH,
    MAX_KEY_BYTES,
    NO_ID,
    NO_ID_ERROR,
    USER_ID,
    USER_ID_ERROR,
    is_key,
    start_fields,
)
from streams.parsers import (
    CmcdParser,
    PlainTextCmcdParser,
    PlainTextJSONParser,
    StrictJSONParser,
    TextCmcdParser,
)
from streams.permissions import IsAdministrator, MaySetLimits
from streams.rules import NOTHING_GRANTED, Entitlement, Lease, StartRequest
from streams.serializers import (
    AnswerSerializer,
    DryRunSerializer,
    EdgeKeysSerializer,
    EndedSerializer,
    HealthSerializer,
    HeartbeatSerializer,
    LimitSerializer,
    PlanListSerializer,
    PlayerSerializer,
    PlayerStreamSerializer,
    ReadinessSerializer,
    Shown,
    StartSerializer,
    StreamListSerializer,
    StreamSerializer,
    TicketRequestSerializer,
    TicketSerializer,
    TokenSerializer,
    UserLimitSerializer,
    UserLimitSetSerializer,
    ViewerTicketRequestSerializer,
    serializer_of,
)
from streams.service import Context, IssuedLease
from streams.tickets import Ticket


class UserView(StreamsAPIView):
    """Base of the views under `/users/{userId}` and `/me`.

    `/me` addresses the user of the bearer token. `now` (ms) is the clock of the call.
    `serializer_class` validates the body.
    """

    now: int
    serializer_class: type[PlayerSerializer]
    reports_cmcd: bool | None = False
    """Whether the start asks for an address for CMCD."""

    @override
    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.now = time.time_ns() // 1_000_000
        super().initial(request, *args, **kwargs)
        if "HTTP_TRANSFER_ENCODING" in request.META:
            raise LengthRequired

        errors = self._path_errors()
        if self._is_delete_with_body():
            errors["body"] = (
                "DELETE accepts no body. To stop its own stream, a player sends "
                "POST …/stop with its token."
            )
        if errors:
            raise InvalidRequest(**errors)

    def _path_errors(self) -> dict[str, str]:
        errors = {}
        user_id = self.kwargs.get("user_id")
        if user_id is not None and not USER_ID.fullmatch(user_id):
            errors["userId"] = USER_ID_ERROR

        id = self.kwargs.get("id")
        if id is not None and not ID.fullmatch(id):
            errors["id"] = ID_ERROR

        return errors

    def _is_delete_with_body(self) -> bool:
        if self.request.method != "DELETE" or not hasattr(self, "delete"):
            return False

        return self.request.META.get("CONTENT_LENGTH") not in (None, "", "0")

    @override
    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        # The holders of slots change at any moment.
        response["Cache-Control"] = "no-store"
        response["Date"] = _http_date(self.now)
        return response

    @property
    def caller(self) -> Caller | None:
        """The authenticated caller, or None with open access."""
        caller = self.request.user
        return caller if isinstance(caller, Caller) else None

    @property
    def ticket(self) -> Ticket | None:
        """The ticket that authenticated the caller, or None."""
        return self.caller.ticket if self.caller else None

    @property
    def user_id(self) -> str | None:
        """The user in the path or of the bearer token, or None if neither exists."""
        own = self.caller.user_id if self.caller else None
        user_id: str | None = self.kwargs.get("user_id", own)
        return user_id

    @property
    def context(self) -> Context:
        """The circumstances of the call for the service."""
        user_id = self.user_id
        if user_id is None:
            raise NotAuthenticated(
                "/me requires a viewer's bearer token. "
                "Other callers use /users/{userId}."
            )
        if not is_key(user_id):
            error = f"The token's sub must have 1 to {MAX_KEY_BYTES} bytes of UTF-8."
            raise InvalidRequest(userId=error)

        return Context(
            user_id=user_id,
            now=self.now,
            entitlement=self._entitlement(user_id),
            operator=self.caller.operator if self.caller else None,
            network=self.request.META.get("streams.edge_network"),
            ticket=self.ticket,
        )

    def _entitlement(self, user_id: str) -> Entitlement:
        """Return the caller's entitlement if the caller is the user."""
        if self.caller and self.caller.user_id == user_id:
            return self.caller.entitlement
        return NOTHING_GRANTED

    def parse(self) -> dict[str, Any]:
        """Return the validated body."""
        serializer = serializer_of(self.serializer_class)
        try:
            return dict(serializer.run_validation(self.request.data))
        except ValidationError:
            language = languages.preferred(self.request.META)
            if language == languages.ENGLISH:
                raise
            # A message of a field is translated where it is made.
            with languages.speaking(language):
                return dict(serializer.run_validation(self.request.data))

    def parse_start(self, id: str | None = None) -> StartRequest:
        """Return the start of the body.

        Its id is the given one, else the `deviceId`, else the `Idempotency-Key`, else
        that of the ticket, else a random one.
        """
        key = _idempotency_key(self.request) if id is None else None
        ticket = self.ticket
        body = self.parse() if ticket is None else self._parse_by(ticket)
        id = id or body.get("device_id") or key
        if id is None:
            id = ticket.id if ticket else secrets.token_urlsafe(12)
        self.reports_cmcd = body.pop("cmcd", None)
        network = self.request.META.get("streams.network")
        aliases = self.request.META.get("streams.network_aliases", ())
        return StartRequest(id=id, network=network, network_aliases=aliases, **body)

    def _parse_by(self, ticket: Ticket) -> dict[str, Any]:
        """Return the validated body, with the attributes of the caller's ticket."""
        body = self.parse()
        if ticket.stream_id not in (None, body["stream_id"]):
            raise PermissionDenied("The ticket is for another streamId.")
        return body | start_fields(ticket.attributes, body.get("metadata"))

    def check_start(self, start: StartRequest) -> Response:
        """Answer whether the start would be admitted."""
        plan_and_ended = service.dry_run(self.context, start)
        return Response(DryRunSerializer(plan_and_ended).data)

    def represent(self, shape: type[AnswerSerializer], content: Any) -> Any:
        """Return the body of an answer about the user of this call."""
        shown = Shown(content, self.user_id or "", self.now)
        return serializer_of(shape).to_representation(shown)

    def stream_path(self, id: str) -> str:
        """Return the path of a stream of this user, under the service's own prefix."""
        user_id = self.kwargs.get("user_id")
        user = "me" if user_id is None else f"users/{quote(user_id, safe='')}"
        return f"{get_script_prefix()}{user}/streams/{quote(id, safe='')}"


class StreamViewSet(ViewSetMixin, UserView):
    """The streams of a user."""

    lookup_field = "id"
    serializer_class = StartSerializer

    def list(self, request: Request, user_id: str | None = None) -> Response:
        """List the user's live streams.

        The answer contains the holder and the expiry of each slot, and the number of
        free slots. Ghosts are not listed, because their slots are free. `ended`
        contains the latest endings with their reasons.
        """
        listing = service.listing(self.context)
        body = self.represent(StreamListSerializer, listing)
        if not listing.streams:
            return Response(body)

        first = min(listing.streams, key=lambda lease: lease.expires_at)
        return Response(body, headers=_expires(first))

    def create(self, request: Request, user_id: str | None = None) -> Response:
        """Start a stream.

        The answer contains the stream, its `id`, and the `token` for its first
        heartbeat. A start with the same `deviceId` takes over its own slot; without a
        `deviceId`, the `Idempotency-Key` identifies the stream; without both, each
        start takes a new slot. `replace` ends the streams that the viewer selected, in
        the same write. A ticket starts each id once: a repeat is answered with the
        same stream, or with its end. With `?dryRun=true` the call is `POST …/dry-run`:
        the answer says whether the start would be admitted, and no state changes.
        """
        return self._start(self.parse_start())

    def update(self, request: Request, id: str, user_id: str | None = None) -> Response:
        """Start a stream with a given id.

        Like `POST`, with the id in the URL. If the id holds a slot, this start takes it
        over, and the token of the earlier playback becomes invalid.
        """
        if NO_ID.fullmatch(id):
            raise InvalidRequest(id=NO_ID_ERROR)
        return self._start(self.parse_start(id))

    def _start(self, start: StartRequest) -> Response:
        if _is_dry_run(self.request):
            return self.check_start(start)

        issued = service.start(self.context, start)
        body = self.represent(PlayerStreamSerializer, issued)
        if self.reports_cmcd:
            body |= self._cmcd_address(issued)
        return Response(
            body,
            status=200 if issued.lease.took_over else 201,
            headers={"Location": self.stream_path(start.id), **_expires(issued.lease)},
        )

    def _cmcd_address(self, issued: IssuedLease) -> dict[str, str]:
        """Return `cmcdUrl`, unless the stream has none or its path is too long."""
        handle = service.cmcd_handle(issued)
        path = f"{get_script_prefix()}cmcd/{handle}"
        if handle is None or len(path) > settings.MAX_PATH_CHARACTERS:
            return {}
        return {"cmcdUrl": self.request.build_absolute_uri(path)}

    def retrieve(
        self, request: Request, id: str, user_id: str | None = None
    ) -> Response:
        """Read a stream.

        The answer contains no token: only the stream's own player gets it.
        """
        lease = service.read(self.context, id)
        body = self.represent(StreamSerializer, lease)
        return Response(body, headers=_expires(lease))

    @action(
        detail=True,
        methods=["post"],
        serializer_class=HeartbeatSerializer,
        authentication_classes=(),
        permission_classes=(AllowAny,),
    )
    def heartbeat(
        self, request: Request, id: str, user_id: str | None = None
    ) -> Response:
        """Renew a stream.

        Send a heartbeat every `heartbeatSeconds` with the token from the latest answer.
        The token is the only credential. The answer contains the next token. With
        `state` `paused` the stream keeps its slot for as long as the plan allows a
        pause; `playing`, or no state, resumes it.
        """
        body = self.parse()
        issued = service.renew(
            body["token"],
            user_id=user_id,
            id=id,
            now=self.now,
            is_paused=body.get("state") == "paused",
            network=request.META.get("streams.edge_network"),
        )
        answer = self.represent(PlayerStreamSerializer, issued)
        return Response(answer, headers=_expires(issued.lease))

    @action(
        detail=True,
        methods=["post"],
        serializer_class=TokenSerializer,
        parser_classes=(StrictJSONParser, PlainTextJSONParser),
        authentication_classes=(),
        permission_classes=(AllowAny,),
    )
    def stop(self, request: Request, id: str, user_id: str | None = None) -> Response:
        """Stop a stream.

        Send the token from the latest answer; it is the only credential. The slot
        becomes available immediately. The call ends this playback and no later one. A
        repeat changes nothing. The body can be `text/plain`, for
        `navigator.sendBeacon`.
        """
        token = self.parse()["token"]
        service.stop(token, user_id=user_id, id=id, now=self.now)
        return Response(status=204)

    def destroy(
        self, request: Request, id: str, user_id: str | None = None
    ) -> Response:
        """End a stream.

        The slot becomes available immediately, regardless of the holder. With `epoch`,
        only the playback with this epoch ends. A repeat changes nothing. The call
        accepts no body: to stop its own stream, a player sends `POST …/stop`.
        """
        service.end(self.context, id, epoch=_epoch(request))
        return Response(status=204)

    def clear(self, request: Request, user_id: str | None = None) -> Response:
        """End all streams of a user.

        All slots become available immediately, except the slot of the stream in
        `except`.
        """
        keep = request.query_params.get("except")
        if keep is not None and not ID.fullmatch(keep):
            raise InvalidRequest(**{"except": ID_ERROR})

        ended = service.end_all(self.context, keep=keep)
        return Response(EndedSerializer(ended).data)


class DryRunView(UserView):
    """Whether a start would be admitted."""

    name = "Dry run"
    serializer_class = StartSerializer

    def post(self, request: Request, user_id: str | None = None) -> Response:
        """Check whether a start would be admitted.

        Takes the body of a start. The answer lists the streams that the start would
        end. No state changes. `POST …/streams?dryRun=true` is the same call.
        """
        return self.check_start(self.parse_start())


class AccountView(UserView):
    """Everything that is stored about a user."""

    name = "User"
    permission_classes = (MaySetLimits,)

    def delete(self, request: Request, user_id: str | None = None) -> Response:
        """Erase a user.

        Erases the streams, endings and limit of the user, also if they cannot be read.
        Players get 404 at their next heartbeat.
        """
        service.forget(self.context, even_if_unreadable=True)
        return Response(status=204)


class LimitView(UserView):
    """The limit of a user."""

    permission_classes = (MaySetLimits,)
    serializer_class = LimitSerializer

    def get(self, request: Request, user_id: str | None = None) -> Response:
        """Read the limit of a user.

        The limit in the viewer's bearer token takes precedence over the stored one, and
        that over the default.
        """
        listing = service.listing(self.context)
        return Response(self.represent(UserLimitSerializer, listing))

    def put(self, request: Request, user_id: str | None = None) -> Response:
        """Set the limit or the plan of a user.

        They replace the default. A limit replaces the plan's number. `whenFull` says
        how a start above the limit is handled: `deny` denies it, `evict-oldest` ends
        the oldest stream. Omitted values come from the plan. Live streams continue;
        with `endSurplus` those above the limit end immediately, and a limit of 0
        suspends the user.
        """
        context = self.context
        listing = service.set_limit(context, **self.parse())
        return Response(self.represent(UserLimitSetSerializer, listing))

    def delete(self, request: Request, user_id: str | None = None) -> Response:
        """Clear the limit of a user.

        The default applies again.
        """
        service.clear_limit(self.context)
        return Response(status=204)


class TicketsView(UserView):
    """The tickets of a user."""

    serializer_class = TicketRequestSerializer

    def post(self, request: Request, user_id: str | None = None) -> Response:
        """Create a ticket.

        A ticket is a credential of the user for URLs that cannot carry a bearer token.
        It is accepted as a bearer token of the user until it expires, and starts each
        id once: a repeat is answered with the same stream, or with its end. The
        service does not store it. Only operators may give it a plan or attributes. A
        ticket cannot create another one.
        """
        if self.ticket is not None:
            raise PermissionDenied("A ticket cannot create another ticket.")

        is_viewer = self.caller is not None and OPERATE not in self.caller.scopes
        if is_viewer:
            self.serializer_class = ViewerTicketRequestSerializer

        body = self.parse()
        if is_viewer and not body.keys().isdisjoint(("plan", "attributes")):
            raise PermissionDenied("Only operators may set plan and attributes.")

        ticket_and_expiry = service.issue_ticket(self.context, **body)
        return Response(TicketSerializer(ticket_and_expiry).data, status=201)


class CmcdView(UserView):
    """The reports of a player."""

    name = "CMCD"
    authentication_classes = ()
    permission_classes = (AllowAny,)
    parser_classes = (CmcdParser, TextCmcdParser, PlainTextCmcdParser)

    def post(self, request: Request, handle: str) -> Response:
        """Report the state of a player by CMCD.

        hls.js, dash.js and Shaka post to the `cmcdUrl` of a start (CTA-5004-A and -B).
        The address is the only credential, valid for this playback and a day. A
        report that the player plays renews the stream, `sta=a` pauses it, and
        `sta=e`, `f` or `q` stops it. Repeats within a third of a lease and other
        events change nothing. Players stop posting after 410, and repeat after 503.
        """
        try:
            verified = cmcd.verify(handle)
        except BadSignature as exc:
            raise StreamNotFound from exc

        body: Any = request.data
        service.report(
            verified,
            cmcd.latest(body) if isinstance(body, str) else None,
            now=self.now,
            network=request.META.get("streams.edge_network"),
        )
        return Response(status=204)


class PlansView(StreamsAPIView):
    """The plans."""

    permission_classes = (IsAdministrator,)

    def get(self, request: Request) -> Response:
        """List the plans.

        The default plan is the first. `shadowPlans` lists the plans that decide
        nothing.
        """
        catalogues = (settings.PLANS, settings.SHADOW_PLANS)
        return Response(PlanListSerializer(catalogues).data)


class PublicView(StreamsAPIView):
    """Base of the views that require no credentials and ignore those that are sent."""

    authentication_classes = ()
    permission_classes = (AllowAny,)


class HealthView(PublicView):
    """Whether the process answers."""

    def get(self, request: Request) -> Response:
        """Check that the process answers.

        Sends no request to DynamoDB, so that an outage of the database does not restart
        processes. `version` is the version that the process runs.
        """
        return Response(HealthSerializer(settings.RELEASE_VERSION).data)


class ReadyView(PublicView):
    """Whether the process can decide."""

    def get(self, request: Request) -> Response:
        """Check that DynamoDB answers.

        While it does not answer, the status is 503.
        """
        service.ping()
        return Response(ReadinessSerializer("ok").data)


class EdgeKeysView(PublicView):
    """The public keys of edge tokens."""

    def get(self, request: Request) -> Response:
        """List the public keys of edge tokens.

        A JWK Set (RFC 7517). A verifier uses the key whose `kid` the token names.
        Secrets are not included.
        """
        return Response(
            EdgeKeysSerializer(service.edge_keys()).data,
            headers={"Cache-Control": "public, max-age=300"},
        )


class UnknownURLView(PublicView):
    """Answers each URL without a route with a problem, or with a page for a browser."""

    name = "Unknown URL"

    @override
    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.format_kwarg = self.get_format_suffix(**kwargs)
        negotiated = self.perform_content_negotiation(request, force=True)
        request.accepted_renderer, request.accepted_media_type = negotiated
        raise Http404


unknown_url = UnknownURLView.as_view()


def _idempotency_key(request: Request) -> str | None:
    """Return the `Idempotency-Key`, without quotes if it has them.

    A text that stands for no id is "not given".
    """
    key: str | None = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        return None

    is_quoted = len(key) > 1 and key[0] == key[-1] == '"'
    if is_quoted:
        key = key[1:-1]

    if key.strip() and NO_ID.fullmatch(key):
        return None
    if not ID.fullmatch(key):
        raise InvalidRequest(**{"Idempotency-Key": ID_ERROR})
    return key


DRY_RUN_NAME = re.compile(
    "".join(f"(?:{letter}|%{ord(letter):02x})" for letter in "dryRun"),
    re.IGNORECASE,
)
"""The name of the parameter, with any of its letters percent-encoded."""


def _is_dry_run(request: Request) -> bool:
    """Return whether the start is only a question.

    A query is parsed only if it can contain the parameter, because parsing a long
    one costs more than a start.
    """
    if not DRY_RUN_NAME.search(request.META["QUERY_STRING"]):
        return False

    dry_run = request.query_params.get("dryRun")
    if dry_run is None:
        return False
    if dry_run not in ("true", "false"):
        raise InvalidRequest(dryRun="Must be true or false.")
    return dry_run == "true"


def _epoch(request: Request) -> int | None:
    epoch = request.query_params.get("epoch")
    if epoch is None:
        return None

    is_integer = epoch.isascii() and epoch.isdigit()
    is_short = len(epoch) <= len(str(MAX_EPOCH))
    if not (is_integer and is_short and int(epoch) <= MAX_EPOCH):
        raise InvalidRequest(epoch="Must be the epoch of a stream, an integer.")
    return int(epoch)


def _expires(lease: Lease) -> dict[str, str]:
    return {"Expires": _http_date(lease.expires_at)}


def _http_date(instant: int) -> str:
    return http_date(instant // 1000)
