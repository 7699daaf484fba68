"""The base of the commands that work on a stage."""

from argparse import ArgumentTypeError

import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from click import ClickException
from django.core.management.base import CommandError

from stages import comma_separated
from stages.commands import minutes, readable_errors, whole_number

REFUSED = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetItem")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        pytest.param(LookupError("no stage 'a'"), "no stage 'a'", id="no stage"),
        pytest.param(ValueError("not a number"), "not a number", id="a value"),
        pytest.param(ClickException("no package"), "no package", id="a deployment"),
        pytest.param(REFUSED, "AWS refused", id="a refusal of AWS"),
        pytest.param(NoCredentialsError(), "Check AWS_PROFILE", id="no credentials"),
    ],
)
def test_an_expected_error_becomes_a_sentence_without_a_traceback(
    error: Exception, message: str
) -> None:
    with pytest.raises(CommandError, match=message), readable_errors():
        raise error


def test_an_unexpected_error_keeps_its_traceback() -> None:
    with pytest.raises(TypeError), readable_errors():
        raise TypeError


@pytest.mark.parametrize("text", ["-1", "1.5", "", "many"])
def test_an_invalid_whole_number_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="not a whole number from 0"):
        whole_number(text)


@pytest.mark.parametrize("text", ["0", "-1", "1441", "nan", "", "long"])
def test_an_invalid_number_of_minutes_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="at most 1440"):
        minutes(text)


def test_valid_values_of_options_are_numbers() -> None:
    assert whole_number("3") == 3
    assert minutes("0.5") == 0.5


def test_a_comma_separated_value_has_no_spaces_and_no_empty_parts() -> None:
    assert comma_separated(" a, b ,,c") == ["a", "b", "c"]
    assert comma_separated("") == comma_separated(None) == []
