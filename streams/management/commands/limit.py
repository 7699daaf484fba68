"""`manage.py limit show USER`, `limit set USER 5 [--plan family]` and `limit clear USER`."""

from typing import Any

from django.core.management.base import CommandParser

from streams import service
from streams.management.operator_command import Answer, OperatorCommand, table
from streams.rules import WhenFull
from streams.serializers import LimitSerializer, Shown, UserLimitSetSerializer
from streams.service import Context, Listing


class Command(OperatorCommand):
    """See and set how many streams a user may hold."""

    help = "Shows, sets or clears the limit of a user."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(metavar="ACTION", required=True)
        self.add_action(
            actions, "show", self.show, "The limit that holds for the user."
        )
        set_ = self.add_action(
            actions,
            "set",
            self.set,
            "Override the default. Live streams stay when it is lowered.",
        )
        set_.add_argument(
            "limit",
            metavar="LIMIT",
            type=int,
            nargs="?",
            help="streams at once, 0 to 100",
        )
        set_.add_argument("--plan", help="its rules, and its limit unless one is given")
        set_.add_argument(
            "--when-full",
            choices=list(WhenFull),
            help="default: the plan's, or else deny",
        )
        set_.add_argument(
            "--end-surplus",
            action="store_true",
            help="end the streams above it at once; 0 suspends",
        )
        self.add_action(actions, "clear", self.clear, "Back to the default.")

    def show(self, context: Context, **options: Any) -> Answer:
        """As `GET /users/{userId}/limit`."""
        return _answer(context, service.listing(context))

    def set(self, context: Context, **options: Any) -> Answer:
        """As `PUT /users/{userId}/limit`, and held to the same bounds."""
        names = {
            "limit": "limit",
            "plan": "plan",
            "whenFull": "when_full",
            "endSurplus": "end_surplus",
        }
        asked = LimitSerializer(
            data={field: options[name] for field, name in names.items()}
        )
        asked.is_valid(raise_exception=True)
        return _answer(context, service.set_limit(context, **asked.validated_data))

    def clear(self, context: Context, **options: Any) -> Answer:
        """As `DELETE /users/{userId}/limit`."""
        service.clear_limit(context)
        return Answer(f"The default limit holds for {context.user_id}.")


def _answer(context: Context, listing: Listing) -> Answer:
    shown = Shown(listing, context.user_id, context.now)
    body = UserLimitSetSerializer(shown).data
    by = "the default" if body["isDefault"] else "an operator"
    row = (body["userId"], body["plan"], str(body["limit"]), body["whenFull"], by)
    ended = f"\nEnded: {', '.join(body['ended']) or 'none'}." if "ended" in body else ""
    return Answer(
        table(("USER", "PLAN", "LIMIT", "WHEN FULL", "SET BY"), [row]) + ended, body
    )
