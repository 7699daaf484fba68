"""The commands that show and erase an item that cannot be read."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from streams.models import UserStreams
from tests.viewer import Viewer


def output_of(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


@pytest.fixture
def unreadable(viewer: Viewer) -> Viewer:
    """A user whose stored limit is negative."""
    viewer.started()
    UserStreams.call(
        "UpdateItem",
        {
            "TableName": UserStreams.Meta.table_name,
            "Key": {"user_id": {"S": viewer.user_id}},
            "UpdateExpression": "SET #limit = :limit",
            "ExpressionAttributeNames": {"#limit": "limit"},
            "ExpressionAttributeValues": {":limit": {"N": "-1"}},
        },
    )
    return viewer


def test_a_command_on_an_unreadable_item_names_the_commands_that_help(
    unreadable: Viewer,
) -> None:
    with pytest.raises(CommandError, match="show-item") as refused:
        output_of("streams", "list", unreadable.user_id)
    assert f"forget {unreadable.user_id} --force" in str(refused.value)


def test_an_unreadable_item_is_shown_as_it_is_stored(unreadable: Viewer) -> None:
    item = json.loads(output_of("streams", "show-item", unreadable.user_id))
    assert item["limit"] == {"N": "-1"}


def test_a_user_without_an_item_has_none_to_show(user_id: str) -> None:
    assert "no stored item" in output_of("streams", "show-item", user_id)


def test_forget_erases_an_unreadable_item_only_with_force(unreadable: Viewer) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        output_of("streams", "forget", unreadable.user_id, "--yes")

    output_of("streams", "forget", unreadable.user_id, "--yes", "--force")
    assert unreadable.start().status_code == 201


def test_forget_with_force_leaves_a_user_without_an_item_alone(user_id: str) -> None:
    assert "erased" in output_of("streams", "forget", user_id, "--yes", "--force")
