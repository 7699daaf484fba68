"""`manage.py limit show USER`, `set USER 5 [--plan family]` and `clear USER`."""

from collections.abc import Mapping
from typing import Any, override

from django.core.management.base import CommandParser

from streams import service
from streams.management.operator_command import Answer, OperatorCommand, table
from streams.rules import WhenFull
from streams.serializers import LimitSerializer, Shown, UserLimitSetSerializer
from streams.service import Context, Listing

FIELDS = {
    "limit": "limit",
    "plan": "plan",
    "whenFull": "when_full",
    "endSurplus": "end_surplus",
}
"""The fields of the API, with the options that set them."""
HEADINGS = ("USER", "PLAN", "LIMIT", "WHEN FULL", "SET BY")


class Command(OperatorCommand):
    """Show, set or clear the limit of a user."""

    help = "Shows, sets or clears the limit of a user."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(metavar="ACTION", required=True)
        self.add_action(actions, "show", self.show, "Show the limit of the user.")
        self.add_action(
            actions, "clear", self.clear, "Clear the limit. The default applies again."
        )
        setter = self.add_action(
            actions, "set", self.set, "Set a limit or a plan. Live streams continue."
        )
        setter.add_argument(
            "limit",
            metavar="LIMIT",
            type=int,
            nargs="?",
            help="concurrent streams, 0 to 100",
        )
        setter.add_argument("--plan", help="plan, with its limit unless LIMIT is given")
        setter.add_argument(
            "--when-full",
            choices=[choice.value for choice in WhenFull],
            help="default: the plan's value, or deny",
        )
        setter.add_argument(
            "--end-surplus",
            action="store_true",
            help="end the streams above the limit now; with 0, suspend the user",
        )
        self.add_question(setter, "End the streams of {user_id} above the limit?")

    @override
    def question(self, options: Mapping[str, Any]) -> str | None:
        """Return the question of an action that ends streams."""
        return super().question(options) if options.get("end_surplus") else None

    def show(self, context: Context, **options: Any) -> Answer:
        """Do as `GET /users/{userId}/limit`."""
        return _answer(context, service.listing(context))

    def set(self, context: Context, **options: Any) -> Answer:
        """Do as `PUT /users/{userId}/limit`, with the same bounds."""
        body = {field: options[option] for field, option in FIELDS.items()}
        serializer = LimitSerializer(data=body)
        serializer.is_valid(raise_exception=True)
        return _answer(context, service.set_limit(context, **serializer.validated_data))

    def clear(self, context: Context, **options: Any) -> Answer:
        """Do as `DELETE /users/{userId}/limit`."""
        service.clear_limit(context)
        return Answer(f"The default limit applies to {context.user_id}.")


def _answer(context: Context, listing: Listing) -> Answer:
    shown = Shown(listing, context.user_id, context.now)
    body = UserLimitSetSerializer(shown).data
    set_by = "the default" if body["isDefault"] else "an operator"
    row = (body["userId"], body["plan"], str(body["limit"]), body["whenFull"], set_by)

    text = table(HEADINGS, [row])
    if "ended" in body:
        text += f"\nEnded: {', '.join(body['ended']) or 'none'}."
    return Answer(text, body)
