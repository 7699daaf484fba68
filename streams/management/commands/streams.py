"""`manage.py streams list|clear|forget|show-item USER` and `streams end USER ID`."""

import argparse
import json
from typing import Any, override

from django.core.management.base import CommandParser
from django.template.defaultfilters import pluralize

from streams import service
from streams.management.operator_command import Answer, OperatorCommand, table
from streams.rules import Lease
from streams.serializers import Shown, StreamListSerializer
from streams.service import Context

HEADINGS = ("ID", "TITLE", "DEVICE", "CONTENT", "STARTED", "LEASE EXPIRES")


class Command(OperatorCommand):
    """List or end the streams of a user."""

    help = "Lists the live streams of a user, or ends them."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(metavar="ACTION", required=True)
        self.add_action(
            actions, "list", self.list, "List the live streams, oldest first."
        )
        end = self.add_action(
            actions,
            "end",
            self.end,
            "End a stream. A repeat changes nothing.",
            question="End the stream {id} of {user_id}?",
        )
        end.add_argument(
            "id", metavar="ID", help="id of the stream, see `streams list`"
        )
        clear = self.add_action(
            actions,
            "clear",
            self.clear,
            "End all streams.",
            question="End the streams of {user_id}?",
        )
        clear.add_argument(
            "--except",
            metavar="ID",
            dest="id",
            default=argparse.SUPPRESS,
            help="stream that continues",
        )
        forget = self.add_action(
            actions,
            "forget",
            self.forget,
            "Erase everything stored about the user, including the limit.",
            question="End all streams of {user_id} and erase everything stored?",
        )
        forget.add_argument(
            "--force",
            action="store_true",
            help="also if the stored item cannot be read",
        )
        self.add_action(
            actions,
            "show-item",
            self.show_item,
            "Show the stored item in DynamoDB's JSON, readable or not.",
        )

    def list(self, context: Context, **options: Any) -> Answer:
        """Return the live streams, as `GET /users/{userId}/streams` does."""
        listing = service.listing(context)
        shown = Shown(listing, context.user_id, context.now)
        body = StreamListSerializer(shown).data

        slots = f"{body['limit']} slot{pluralize(body['limit'])}"
        text = f"{context.user_id} uses {body['active']} of {slots}."
        rows = [_row(lease, now=context.now) for lease in listing.streams]
        if rows:
            text += f"\n\n{table(HEADINGS, rows)}"
        return Answer(text, body)

    def end(self, context: Context, *, id: str, **options: Any) -> Answer:
        """End a stream, as `DELETE /users/{userId}/streams/{id}` does."""
        service.end(context, id)
        return Answer(f"The stream {id} of {context.user_id} has ended.")

    def clear(
        self, context: Context, *, id: str | None = None, **options: Any
    ) -> Answer:
        """End all streams except one, as `DELETE /users/{userId}/streams` does."""
        ended = service.end_all(context, keep=id)
        text = f"Ended streams of {context.user_id}: {', '.join(ended) or 'none'}."
        return Answer(text, {"ended": ended})

    def forget(
        self, context: Context, *, force: bool = False, **options: Any
    ) -> Answer:
        """Erase the user, as `DELETE /users/{userId}` does."""
        service.forget(context, even_if_unreadable=force)
        return Answer(f"All data of {context.user_id} was erased.")

    def show_item(self, context: Context, **options: Any) -> Answer:
        """Return the stored item as it is."""
        item = service.read_item(context)
        if item is None:
            return Answer(f"{context.user_id} has no stored item.", item)
        return Answer(json.dumps(item, indent=2, sort_keys=True), item)


def in_words(seconds: float) -> str:
    """Return a duration in the largest unit of which it has at least two."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def _row(lease: Lease, *, now: int) -> tuple[str, ...]:
    started = in_words((now - lease.started_at) / 1000)
    expires = in_words((lease.expires_at - now) / 1000)
    return (
        lease.id,
        lease.title or "-",
        lease.device_name or lease.device_type or lease.device_id or "-",
        lease.stream_id,
        f"{started} ago",
        f"in {expires}{', paused' if lease.paused_at else ''}",
    )
