"""`manage.py streams list USER` and `streams end USER ID`."""

from typing import Any

from django.core.management.base import CommandParser

from streams.durations import in_words
from streams.management.operator_command import Answer, OperatorCommand, table
from streams.rules import Lease
from streams.serializers import account_body
from streams.views import store


class Command(OperatorCommand):
    """See and end the streams of a user."""

    help = "Lists the live streams of a user, or ends one."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(metavar="ACTION", required=True)
        self.add_action(actions, "list", self.list, "The user's live streams, oldest first.")
        end = self.add_action(actions, "end", self.end, "End a stream; harmless when it is over already.")
        end.add_argument("id", metavar="ID", help="as `streams list` shows it")

    def list(self, *, user_id: str, now: int, **options: Any) -> Answer:
        """The live streams, as `GET /users/{userId}/streams` has them."""
        account = store.read(user_id, now=now)
        body = account_body(user_id, account, store.policy, entitlement=None, now=now)
        rows = [_row(lease, now=now) for lease in account.live(now)]
        summary = f"{user_id} has {body['active']} of {body['limit']} streams."
        headings = ("ID", "TITLE", "DEVICE", "WATCHES", "STARTED", "LEASE ENDS")
        return Answer(f"{summary}\n\n{table(headings, rows)}" if rows else summary, body)

    def end(self, *, user_id: str, id: str, now: int, **options: Any) -> Answer:
        """End it, whoever holds it, as `DELETE /users/{userId}/streams/{id}` does."""
        store.stop(user_id, id, epoch=None, now=now)
        return Answer(f"The stream {id} of {user_id} is over.")


def _row(lease: Lease, *, now: int) -> tuple[str, ...]:
    return (
        lease.id,
        lease.title or "-",
        lease.device_name or lease.device_type or lease.device_id or "-",
        lease.stream_id,
        f"{in_words((now - lease.started_at) / 1000)} ago",
        f"in {in_words((lease.expires_at - now) / 1000)}",
    )
