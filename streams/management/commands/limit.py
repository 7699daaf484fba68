"""`manage.py limit show USER`, `limit set USER 5 [--when-full evict-oldest]` and `limit clear USER`."""

from typing import Any

from django.core.management.base import CommandParser

from streams.management.operator_command import Answer, OperatorCommand, table
from streams.rules import WhenFull
from streams.serializers import limit_body
from streams.views import LIMIT, store


class Command(OperatorCommand):
    """See and set how many streams a user may hold."""

    help = "Shows, sets or clears the limit of a user."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(metavar="ACTION", required=True)
        self.add_action(actions, "show", self.show, "The limit that holds for the user.")
        set_ = self.add_action(actions, "set", self.set, "Override the default. Live streams stay when it is lowered.")
        set_.add_argument("limit", metavar="LIMIT", type=int, help="streams at once, 0 to 100")
        set_.add_argument("--when-full", choices=list(WhenFull), default=WhenFull.DENY, help="default: %(default)s")
        self.add_action(actions, "clear", self.clear, "Back to the default.")

    def show(self, *, user_id: str, now: int, **options: Any) -> Answer:
        """As `GET /users/{userId}/limit`."""
        return _answer(limit_body(user_id, store.read(user_id, now=now), store.policy))

    def set(self, *, user_id: str, limit: int, when_full: str, now: int, **options: Any) -> Answer:
        """As `PUT /users/{userId}/limit`, and held to the same bounds."""
        body = LIMIT.run_validation({"limit": limit, "whenFull": str(when_full)})
        store.set_limit(user_id, limit=body["limit"], when_full=WhenFull(body["whenFull"]), now=now)
        return _answer({"userId": user_id, **body, "isDefault": False})

    def clear(self, *, user_id: str, now: int, **options: Any) -> Answer:
        """As `DELETE /users/{userId}/limit`."""
        store.clear_limit(user_id, now=now)
        return Answer(f"The default limit holds for {user_id}.")


def _answer(body: Any) -> Answer:
    row = (body["userId"], str(body["limit"]), body["whenFull"], "the default" if body["isDefault"] else "an operator")
    return Answer(table(("USER", "LIMIT", "WHEN FULL", "SET BY"), [row]), body)
