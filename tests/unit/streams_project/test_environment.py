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
        ("AWS_CA_BUNDLE", "/etc"),
        ("CORS_ALLOWED_ORIGINS", "https://tv.example.com:99999"),
        ("LOG_LEVEL", "verbose"),
        ("MINT_INTERVAL_SECONDS", "1e-9"),
        ("MINT_INTERVAL_SECONDS", "nan"),
        ("LEASE_SECONDS", "1_000"),
        ("LEASE_SECONDS", "\uff11\uff12"),
        ("HEARTBEAT_BURST", "0"),
    ],
)
def test_a_value_that_cannot_be_right_stops_the_start(name: str, text: str) -> None:
    assert_refused(PRODUCTION | {name: text}, name, hidden=[])


NAMES = {
    "AUTH_AUDIENCE": "streams",
    "AUTH_ISSUER": "https://id.example.com/",
    "AUTH_PERMISSIONS_CLAIM": "permissions",
    "EDGE_TOKEN_AUDIENCE": "cdn.example.com",
    "EDGE_TOKEN_ISSUER": "https://streams.example.com",
    "ALLOWED_HOSTS": "streams.example.com",
    "AWS_REGION": "eu-west-1",
    "CORS_ALLOWED_ORIGINS": "https://tv.example.com",
    "DYNAMODB_ENDPOINT": "http://127.0.0.1:8001",
    "DYNAMODB_TABLE": "UserStreams",
}
"""Settings that name something, with a right value."""


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "form",
    [
        '"{}"',
        "\u201c{}\u201d",
        "\u00ab{}\u00bb",
        "[{}]",
        "({})",
        "<{}>",
        "${{{}}}",
        "{};",
        "{}\\",
        "\u200b{}",
        "a {}",
    ],
)
def test_a_name_in_another_notation_stops_the_start(name: str, form: str) -> None:
    assert_refused(PRODUCTION | {name: form.format(NAMES[name])}, name, hidden=[])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", ["{}", "  {} ", "{}\u00a0", "\t{}\n"])
def test_blanks_around_a_name_are_removed(name: str, form: str) -> None:
    parsed = VARIABLES[name].read({name: form.format(NAMES[name])})
    assert parsed in (NAMES[name], [NAMES[name]])


@pytest.mark.parametrize(
    "url",
    [
        "http://:8001",
        "http://127.0.0.1:0",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:http",
        "http://user:password@127.0.0.1",
        "http://127.0.0.1/path",
        "http://127.0.0.1?query",
        "http://-",
        "http://a..b",
        "http://[::1",
        "http://a,http://b",
        "HTTP://127.0.0.1:8001",
        "ftp://127.0.0.1",
        "//127.0.0.1",
    ],
)
def test_an_endpoint_that_is_no_url_of_a_server_stops_the_start(url: str) -> None:
    environment = PRODUCTION | {"DYNAMODB_ENDPOINT": url}
    assert_refused(environment, "DYNAMODB_ENDPOINT", "http://127.0.0.1:8001", hidden=[])


def test_a_secret_in_quotes_stops_the_start() -> None:
    environment = PRODUCTION | BEARER | {"AUTH_JWT_SECRETS": f'"{OTHER_SECRET}"'}
    assert_refused(environment, "AUTH_JWT_SECRETS", "quote", hidden=[OTHER_SECRET])


@pytest.mark.parametrize("level", ["warn", "Warn", "WARNING", " warning "])
def test_a_level_has_the_names_that_other_tools_use(level: str) -> None:
    assert VARIABLES["LOG_LEVEL"].read({"LOG_LEVEL": level}) == "WARNING"


@pytest.mark.parametrize(
    "secret",
    [
        "your-256-bit-secret-your-256-bit-secret",
        "a-string-secret-at-least-256-bits-long",
        "Change-Me-Before-Production-1234567890",
        "django-insecure-8#k2v!x9q@w7z$m4n%b6c^l1j&h3g*f5d",
        "please-change-this-secret-in-production",
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75",
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
