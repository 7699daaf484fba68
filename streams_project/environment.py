"""The environment variables: their declarations, and how their values are read.

`VARIABLES` is the only list. The settings are parsed from it, and docs/settings.md
is generated from it. Other modules do not read these variables.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from streams import conf
from streams.credentials import ApiKeys
from streams.setting_kinds import Choice, Flag, Kind, Names, Text
from streams_project.hosts import HeaderNames, HostNames, Origins

LIMITS = "Limits and plans"
AUTHENTICATION = "Authentication"
TOKENS = "Players' tokens"
EDGE_TOKENS = "Edge tokens"
DYNAMODB = "DynamoDB"
HTTP = "HTTP"
EVENTS = "Events and metrics"
LOGS = "Logs"
DEVELOPMENT = "Local development"


@dataclass(frozen=True, kw_only=True)
class Variable:
    """An environment variable.

    `default` is text for the documentation. `aliases` are further names; the first
    name that is set is used.
    """

    name: str
    section: str
    reader: Kind[Any]
    default: str
    help: str
    example: str
    aliases: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The values that the variable may have, as text."""
        return self.reader.description

    def read(self, environ: Mapping[str, str]) -> Any:
        """Return the value, or None if the variable is not set or is empty.

        Raises:
            ImproperlyConfigured: the value is not valid.
        """
        for name in (self.name, *self.aliases):
            text = environ.get(name, "").strip()
            if text:
                return self._parse(name, text)
        return None

    def _parse(self, name: str, text: str) -> Any:
        try:
            return self.reader.parse(text)
        except (TypeError, ValueError) as exc:
            message = self._message(name, text, exc)
            raise ImproperlyConfigured(message) from exc

    def _message(self, name: str, text: str, error: Exception) -> str:
        message = conf.invalid(name, text, self.reader, error)
        if self.default:
            message += f", or unset it for the default {self.default}"
        return f"{message}. Example: {name}={self.example}"


def read(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the value of each variable that is set.

    Raises:
        ImproperlyConfigured: a value is not valid.
    """
    values = {name: variable.read(environ) for name, variable in VARIABLES.items()}
    return {name: value for name, value in values.items() if value is not None}


def _of_app(
    name: str,
    *,
    section: str,
    help: str,
    example: str,
    default: str | None = None,
    aliases: tuple[str, ...] = (),
) -> Variable:
    """Declare the variable of a setting of the app, whose kind and default it has."""
    setting: conf.Setting[Any] = vars(conf.Settings)[name]
    return Variable(
        name=name,
        section=section,
        reader=setting.kind,
        default=_as_text(setting.default) if default is None else default,
        help=help,
        example=example,
        aliases=aliases,
    )


def _as_text(default: Any) -> str:
    """Return a default as one would write it in the environment."""
    if isinstance(default, bool):
        return str(int(default))
    return "" if default is None or callable(default) else str(default)


def _by_name(variables: Iterable[Variable]) -> dict[str, Variable]:
    return {variable.name: variable for variable in variables}


VARIABLES: Mapping[str, Variable] = _by_name(
    [
        _of_app(
            "STREAM_LIMIT",
            section=LIMITS,
            help="Concurrent streams per user, unless an operator set another limit.",
            example="5",
        ),
        _of_app(
            "WHEN_FULL",
            section=LIMITS,
            help=(
                "A start at the limit is denied, or ends the user's oldest stream "
                "(`evict-oldest`)."
            ),
            example="evict-oldest",
        ),
        _of_app(
            "LEASE_SECONDS",
            section=LIMITS,
            help="Time that a stream keeps its slot without a heartbeat.",
            example="30",
        ),
        Variable(
            name="PLANS",
            section=LIMITS,
            reader=Text("the path of a plans file"),
            default="",
            help=(
                "Path of the plans file, relative to `manage.py`. Without it, the "
                "plan `default` has the three settings above."
            ),
            example="docs/plans/family.toml",
        ),
        Variable(
            name="SHADOW_PLANS",
            section=LIMITS,
            reader=Text("the path of a plans file"),
            default="",
            help=(
                "Path of a plans file that decides nothing. Events record where it "
                "would have decided differently."
            ),
            example="docs/plans/family.toml",
        ),
        _of_app(
            "TRUSTED_PROXIES",
            section=LIMITS,
            help=(
                "Number of proxies that append to `X-Forwarded-For`, including API "
                "Gateway. The caller's address is at this position from the right, "
                "and with 0 it is the connecting address."
            ),
            example="1",
        ),
        _of_app(
            "MINT_BURST",
            section=LIMITS,
            help=(
                "Burst of starts that a user may make back to back. Takeovers and "
                "starts with `replace` count; heartbeats and denials do not."
            ),
            example="10",
        ),
        _of_app(
            "MINT_INTERVAL_SECONDS",
            section=LIMITS,
            default="an eleventh of the life of an edge token, at most 5",
            help=(
                "Seconds between further starts of a user. With 0 there is no start "
                "rate."
            ),
            example="2.5",
        ),
        _of_app(
            "HEARTBEAT_BURST",
            section=LIMITS,
            help=(
                "Heartbeats that a player may send back to back. Further ones get "
                "429, without a call to DynamoDB, unless they change the state."
            ),
            example="10",
        ),
        _of_app(
            "WHEN_STORE_IS_DOWN",
            section=LIMITS,
            help=(
                "While DynamoDB does not answer, starts fail (`closed`) or get grace "
                "leases (`open`)."
            ),
            example="open",
        ),
        _of_app(
            "MAX_GRACE_STREAMS",
            section=LIMITS,
            default="STREAM_LIMIT",
            help=(
                "Grace leases per user and process. The old name "
                "`GRACE_STREAMS_AT_MOST` is accepted."
            ),
            example="2",
            aliases=("GRACE_STREAMS_AT_MOST",),
        ),
        _of_app(
            "AUTH_JWKS",
            section=AUTHENTICATION,
            help=(
                "URL or file of the identity provider's public keys (RS256, ES256). "
                "It requires `requirements-jwks.txt`."
            ),
            example="https://id.example.com/.well-known/jwks.json",
        ),
        _of_app(
            "AUTH_JWT_SECRETS",
            section=AUTHENTICATION,
            default="",
            help=(
                "Secrets shared with the identity provider (HS256). List several "
                "during a rotation."
            ),
            example="<random text of 32 characters or more>",
        ),
        _of_app(
            "AUTH_ISSUER",
            section=AUTHENTICATION,
            default="",
            help=(
                "The `iss` of the bearer tokens to accept, compared exactly. List "
                "several while one issuer replaces another. It is required with "
                "AUTH_JWKS or AUTH_JWT_SECRETS."
            ),
            example="https://id.example.com/",
        ),
        _of_app(
            "AUTH_AUDIENCE",
            section=AUTHENTICATION,
            default="",
            help=(
                "The `aud` of the bearer tokens to accept, such as one per platform. "
                "A token of Amazon Cognito without `aud` is accepted by its "
                "`client_id`. It is required with AUTH_JWKS or AUTH_JWT_SECRETS."
            ),
            example="streams,streams-tv",
        ),
        Variable(
            name="AUTH_PERMISSIONS_CLAIM",
            section=AUTHENTICATION,
            reader=Names("names of claims, separated by commas"),
            default="",
            help="A claim that contains scopes, in addition to `scope` and `scp`.",
            example="permissions",
        ),
        _of_app(
            "AUTH_TRUST_STREAM_LIMIT",
            section=AUTHENTICATION,
            help=(
                "Whether the claim `stream_limit` takes precedence over all other "
                "limits."
            ),
            example="1",
        ),
        _of_app(
            "AUTH_TRUST_STREAM_PLAN",
            section=AUTHENTICATION,
            help="Whether the claim `stream_plan` takes precedence over a stored plan.",
            example="1",
        ),
        _of_app(
            "API_KEYS",
            section=AUTHENTICATION,
            default="",
            help=(
                "API keys of back ends, as name, SHA-256 and scopes. Only hashes are "
                "configured."
            ),
            example="billing:<64 hex digits>:streams:operate",
        ),
        Variable(
            name="RELEASE_KEY",
            section=AUTHENTICATION,
            reader=ApiKeys("RELEASE_KEY"),
            default="",
            help=(
                "One more API key, with which a release checks its version. "
                "`manage.py release` sets it, and keeps no copy of the key."
            ),
            example="release:<64 hex digits>:streams:operate",
        ),
        _of_app(
            "LEASE_TOKEN_KEYS",
            section=TOKENS,
            default="",
            help=(
                "Keys of players' tokens, required unless DEBUG=1. The first signs, "
                "all verify: add a new key first, and remove the old one a lease later."
            ),
            example="<random text of 32 characters or more>",
        ),
        _of_app(
            "HASH_KEY",
            section=TOKENS,
            default="the first of LEASE_TOKEN_KEYS",
            help=(
                "Key of the hashes of networks and of edge tokens' subjects. Set it to "
                "the first of `LEASE_TOKEN_KEYS` before you change that key, and keep "
                "it: otherwise a household counts as two networks for a while."
            ),
            example="<random text of 32 characters or more>",
        ),
        _of_app(
            "EDGE_TOKEN_KEYS",
            section=EDGE_TOKENS,
            default="",
            help=(
                "Keys of edge tokens, inline or as `file:PATH`: secrets (HS256) or PEM "
                "keys of P-256 (ES256) or Ed25519 (EdDSA). The first signs."
            ),
            example="file:/run/secrets/edge.pem",
        ),
        _of_app(
            "EDGE_TOKEN_ISSUER",
            section=EDGE_TOKENS,
            help="Issuer of edge tokens. It is required with EDGE_TOKEN_KEYS.",
            example="https://streams.example.com",
        ),
        _of_app(
            "EDGE_TOKEN_AUDIENCE",
            section=EDGE_TOKENS,
            help="Audience of edge tokens. It is required with EDGE_TOKEN_KEYS.",
            example="cdn.example.com",
        ),
        _of_app(
            "EDGE_TOKEN_SUBJECT",
            section=EDGE_TOKENS,
            help=(
                "Whether edge tokens contain user ids as keyed hashes (`hash`) or "
                "unchanged (`plain`)."
            ),
            example="plain",
        ),
        _of_app(
            "EDGE_TOKEN_GRACE_SECONDS",
            section=EDGE_TOKENS,
            help=(
                "Time that an edge token remains valid after the next heartbeat is due."
            ),
            example="10",
        ),
        _of_app(
            "DYNAMODB_TABLE",
            section=DYNAMODB,
            help="Name of the table.",
            example="UserStreams",
        ),
        _of_app(
            "DYNAMODB_ENDPOINT",
            section=DYNAMODB,
            help=(
                "URL of a local engine, instead of Amazon's DynamoDB. The names "
                "`AWS_ENDPOINT_URL_DYNAMODB` and `AWS_ENDPOINT_URL` are accepted."
            ),
            example="http://127.0.0.1:8001",
            aliases=("AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"),
        ),
        _of_app(
            "DYNAMODB_TRANSPORT",
            section=DYNAMODB,
            help=(
                "Client for DynamoDB: libcurl (`curl`) or PynamoDB's default "
                "(`botocore`)."
            ),
            example="botocore",
        ),
        _of_app(
            "AWS_REGION",
            section=DYNAMODB,
            help="Region of the table. The name `AWS_DEFAULT_REGION` is accepted.",
            example="eu-west-1",
            aliases=("AWS_DEFAULT_REGION",),
        ),
        _of_app(
            "AWS_CA_BUNDLE",
            section=DYNAMODB,
            help=(
                "File of the certificates that the connection to DynamoDB trusts. By "
                "default it trusts Amazon's authorities for `*.amazonaws.com`, and "
                "those that botocore ships for other endpoints."
            ),
            example="/etc/ssl/certs/ca-certificates.crt",
        ),
        Variable(
            name="AWS_ACCESS_KEY_ID",
            section=DYNAMODB,
            reader=Text("the id of an AWS access key"),
            default="",
            help=(
                "Credentials of AWS, with the two variables below. A profile "
                "(`AWS_PROFILE`) and a role work too."
            ),
            example="AKIAIOSFODNN7EXAMPLE",
        ),
        Variable(
            name="AWS_SECRET_ACCESS_KEY",
            section=DYNAMODB,
            reader=Text("the secret of an AWS access key", is_secret=True),
            default="",
            help="The secret of AWS_ACCESS_KEY_ID.",
            example="<secret>",
        ),
        Variable(
            name="AWS_SESSION_TOKEN",
            section=DYNAMODB,
            reader=Text("a session token of AWS", is_secret=True),
            default="",
            help="The session token of temporary credentials.",
            example="<token>",
        ),
        Variable(
            name="ALLOWED_HOSTS",
            section=HTTP,
            reader=HostNames(),
            default="",
            help=(
                "Host names that clients use, required unless DEBUG=1. A name that "
                "begins with a dot includes its subdomains."
            ),
            example="streams.example.com,.execute-api.eu-west-1.amazonaws.com",
        ),
        Variable(
            name="BROWSABLE_API",
            section=HTTP,
            reader=Flag(),
            default="DEBUG",
            help="HTML pages in addition to JSON.",
            example="1",
        ),
        _of_app(
            "PROBLEM_DOCUMENTATION",
            section=HTTP,
            help=(
                "Page to which the `Link` of a problem leads, with the type as its "
                "fragment. With `BROWSABLE_API`, the service's own page is used."
            ),
            example="https://docs.example.com/errors.html",
        ),
        Variable(
            name="CORS_ALLOWED_ORIGINS",
            section=HTTP,
            reader=Origins(),
            default="",
            help="Origins of web players, as browsers send them.",
            example="https://tv.example.com",
        ),
        Variable(
            name="CORS_ALLOW_HEADERS",
            section=HTTP,
            reader=HeaderNames(),
            default="",
            help=(
                "Headers that web players may send, in addition to the service's own "
                "and those of tracing."
            ),
            example="x-player-version",
        ),
        Variable(
            name="PRIVATE_NETWORK",
            section=HTTP,
            reader=Flag(),
            default="0",
            help=(
                "Whether open access answers callers on other machines. Set it only "
                "in a network in which you trust every machine."
            ),
            example="1",
        ),
        Variable(
            name="EVENTS",
            section=EVENTS,
            reader=Choice("off", "log", "sqlite"),
            default="off; sqlite in local development",
            help=(
                "Destination of events: `log` writes JSON lines on standard output, "
                "and `sqlite` (local development) serves `manage.py why` and `report`."
            ),
            example="log",
        ),
        _of_app(
            "EVENTS_DEVICE_NAMES",
            section=EVENTS,
            help=(
                "Whether events contain the names of devices, which can be personal "
                "data (`Ana's phone`). `manage.py why` then shows them."
            ),
            example="1",
        ),
        _of_app(
            "EVENTS_SAMPLE_RENEWALS",
            section=EVENTS,
            help="One heartbeat in this number is recorded and counts for all of them.",
            example="10",
        ),
        _of_app(
            "METRICS",
            section=EVENTS,
            help=(
                "Destination of metrics: `emf` (CloudWatch embedded metric format) or "
                "`prometheus` (`GET /metrics`, outside Lambda)."
            ),
            example="emf",
        ),
        _of_app(
            "PROMETHEUS_MULTIPROC_DIR",
            section=EVENTS,
            help="Folder in which several processes of a server combine their metrics.",
            example="/run/prometheus",
        ),
        Variable(
            name="LOG_FORMAT",
            section=LOGS,
            reader=Choice("text", "json"),
            default="text",
            help="Format of log lines.",
            example="json",
        ),
        Variable(
            name="LOG_LEVEL",
            section=LOGS,
            reader=Choice(
                "INFO", "DEBUG", "WARNING", "ERROR", aliases={"warn": "WARNING"}
            ),
            default="INFO",
            help="Level from which records are logged. The audit is always logged.",
            example="WARNING",
        ),
        Variable(
            name="LOG_REQUESTS",
            section=LOGS,
            reader=Flag(),
            default="0",
            help=(
                "Whether each answer writes a log line with method, route, status and "
                "time."
            ),
            example="1",
        ),
        _of_app(
            "LOG_USER_IDS",
            section=LOGS,
            help="Whether log lines contain user ids instead of keyed hashes.",
            example="1",
        ),
        Variable(
            name="DEBUG",
            section=DEVELOPMENT,
            reader=Flag(),
            default="0; 1 for manage.py",
            help="Local development: generated keys and open access.",
            example="1",
        ),
        Variable(
            name="LOCAL_STATE_DIR",
            section=DEVELOPMENT,
            reader=Text("the path of a folder"),
            default=".local",
            help="Folder in which the embedded DynamoDB keeps its state.",
            example="/tmp/streams",  # noqa: S108
        ),
    ]
)
"""Every variable, in the order of the documentation."""
