"""The declarations of the environment variables, and how values are read."""

import pytest

from streams_project.environment import VARIABLES
from tests.start_up import (
    BEARER,
    EDGE,
    OTHER_SECRET,
    PRODUCTION,
    assert_refused,
    sha256,
    started,
)

LOCAL_TOKEN_KEY = "local-development-only-local-development-only"
PLACEHOLDER = "<"
"""An example that begins with this describes a value."""


@pytest.mark.parametrize("name", VARIABLES)
def test_a_declaration_documents_the_variable(name: str) -> None:
    variable = VARIABLES[name]
    assert variable.name == name
    assert variable.section
    assert variable.kind
    assert variable.help.endswith(".")


@pytest.mark.parametrize("name", VARIABLES)
def test_an_example_is_a_valid_value(name: str) -> None:
    variable = VARIABLES[name]
    is_description = PLACEHOLDER in variable.example
    names_a_file = variable.example.startswith(("file:", "/etc/"))
    if not is_description and not names_a_file:
        variable.reader.parse(variable.example)


def test_the_old_name_of_a_variable_is_accepted() -> None:
    settings = started(PRODUCTION | {"GRACE_STREAMS_AT_MOST": "2"})
    assert settings.MAX_GRACE_STREAMS == 2


def test_the_new_name_takes_precedence_over_the_old_one() -> None:
    names = {"GRACE_STREAMS_AT_MOST": "2", "MAX_GRACE_STREAMS": "1"}
    assert started(PRODUCTION | names).MAX_GRACE_STREAMS == 1


def test_an_error_names_the_variable_as_it_is_set() -> None:
    environment = PRODUCTION | {"GRACE_STREAMS_AT_MOST": "many"}
    assert_refused(environment, "GRACE_STREAMS_AT_MOST is 'many'", hidden=[])


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("LOG_LEVEL", "info", "INFO"),
        ("WHEN_FULL", "DENY", "deny"),
        ("AWS_REGION", " eu-west-1 ", "eu-west-1"),
        ("DYNAMODB_TABLE", "arn:aws:dynamodb:eu-west-1:123:table/Streams", None),
        ("ALLOWED_HOSTS", "Streams.Example.com, .example.org", None),
        ("ALLOWED_HOSTS", "127.0.0.1,[::1]", None),
        (
            "DYNAMODB_ENDPOINT",
            "https://vpce-1.dynamodb.eu-west-1.vpce.amazonaws.com",
            None,
        ),
    ],
)
def test_a_value_that_can_be_right_is_accepted(
    name: str, text: str, value: str | None
) -> None:
    parsed = VARIABLES[name].read({name: text})
    assert parsed == (parsed if value is None else value)


@pytest.mark.parametrize(
    "hosts",
    [
        "https://streams.example.com",
        "streams.example.com:443",
        "streams.example.com/api",
        "*.example.com",
        '"streams.example.com"',
        "streams.example.com www.example.com",
        "http://",
    ],
)
def test_a_host_with_a_scheme_port_path_or_wildcard_stops_the_start(hosts: str) -> None:
    environment = PRODUCTION | {"ALLOWED_HOSTS": hosts}
    assert_refused(environment, "ALLOWED_HOSTS", "streams.example.com", hidden=[])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("DYNAMODB_ENDPOINT", '"http://127.0.0.1:8001"'),
        ("DYNAMODB_ENDPOINT", "127.0.0.1:8001"),
        ("DYNAMODB_TABLE", "'UserStreams'"),
        ("DYNAMODB_TABLE", "User Streams"),
        ("AWS_REGION", '"eu-west-1"'),
        ("AWS_REGION", "Ireland"),
        ("AUTH_AUDIENCE", '"streams"'),
        ("AUTH_ISSUER", "'https://id.example.com'"),
        ("MINT_INTERVAL_SECONDS", "1e-9"),
        ("MINT_INTERVAL_SECONDS", "nan"),
    ],
)
def test_a_value_that_cannot_be_right_stops_the_start(name: str, text: str) -> None:
    assert_refused(PRODUCTION | {name: text}, name, hidden=[])


@pytest.mark.parametrize(
    "secret",
    [
        "your-256-bit-secret-your-256-bit-secret",
        "a-string-secret-at-least-256-bits-long",
        "Change-Me-Before-Production-1234567890",
        "my-secret-key-of-production-9f8e7d6c5b",
        LOCAL_TOKEN_KEY,
    ],
)
@pytest.mark.parametrize(
    "name", ["LEASE_TOKEN_KEYS", "AUTH_JWT_SECRETS", "EDGE_TOKEN_KEYS"]
)
def test_a_well_known_secret_stops_the_start(name: str, secret: str) -> None:
    environment = PRODUCTION | BEARER | EDGE | {name: f"{OTHER_SECRET},{secret}"}
    assert_refused(environment, name, "well known", hidden=[secret])


def test_an_api_key_that_is_the_key_of_local_development_stops_the_start() -> None:
    key = f"billing:{sha256(LOCAL_TOKEN_KEY)}:streams:operate"
    environment = PRODUCTION | {"API_KEYS": key}
    assert_refused(environment, "public key of local development", hidden=[key])
