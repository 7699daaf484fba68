"""`manage.py streams list USER`, `streams end USER ID`, `streams clear USER [--except ID]`, `streams forget USER`."""

import argparse
from typing import Any

from django.core.management.base import CommandParser

from streams import service
from streams.management.operator_command import Answer, OperatorCommand, table
from streams.rules import Lease
from streams.serializers import Shown, StreamListSerializer
from streams.service import Context


class Command(OperatorCommand):
    """See and end the streams of a user."""

    help = "Lists the live streams of a user, or ends them."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(metavar="ACTION", required=True)
        self.add_action(
            actions, "list", self.list, "The user's live streams, oldest first."
        )
        end = self.add_action(
            actions, "end", self.end, "End a stream; harmless when it is over already."
        )
        end.add_argument("id", metavar="ID", help="as `streams list` shows it")
        clear = self.add_action(
            actions, "clear", self.clear, "End every stream of the user."
        )
        clear.add_argument(
            "--except",
            metavar="ID",
            dest="id",
            default=argparse.SUPPRESS,
            help="the one that goes on",
        )
        self.add_action(
            actions,
            "forget",
            self.forget,
            "Drop everything kept of the user, the limit too.",
        )

    def list(self, context: Context, **options: Any) -> Answer:
        """The live streams, as `GET /users/{userId}/streams` has them."""
        listing = service.listing(context)
        shown = Shown(listing, context.user_id, context.now)
        body = StreamListSerializer(shown).data
        rows = [_row(lease, now=context.now) for lease in listing.streams]
        summary = f"{context.user_id} has {body['active']} of {body['limit']} streams."
        headings = ("ID", "TITLE", "DEVICE", "WATCHES", "STARTED", "LEASE ENDS")
        return Answer(
            f"{summary}\n\n{table(headings, rows)}" if rows else summary, body
        )

    def end(self, context: Context, *, id: str, **options: Any) -> Answer:
        """End it, whoever holds it, as `DELETE /users/{userId}/streams/{id}` does."""
        service.end(context, id)
        return Answer(f"The stream {id} of {context.user_id} is over.")

    def clear(
        self, context: Context, *, id: str | None = None, **options: Any
    ) -> Answer:
        """End all but one, as `DELETE /users/{userId}/streams` does."""
        ended = service.end_all(context, keep=id)
        return Answer(
            f"Ended of {context.user_id}: {', '.join(ended) or 'none'}.",
            {"ended": ended},
        )

    def forget(self, context: Context, **options: Any) -> Answer:
        """As `DELETE /users/{userId}`."""
        service.forget(context)
        return Answer(f"Nothing is kept of {context.user_id} any more.")


def in_words(seconds: float) -> str:
    """`42 s`, `3 min`, `5 h`: the largest unit of which there are two."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def _row(lease: Lease, *, now: int) -> tuple[str, ...]:
    return (
        lease.id,
        lease.title or "-",
        lease.device_name or lease.device_type or lease.device_id or "-",
        lease.stream_id,
        f"{in_words((now - lease.started_at) / 1000)} ago",
        f"in {in_words((lease.expires_at - now) / 1000)}"
        + (", paused" if lease.paused_at else ""),
    )
