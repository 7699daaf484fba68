"""The wire to DynamoDB, when the other end misbehaves, over either transport."""

import json
import os
import re
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import ClientError, NoCredentialsError

from streams.dynamodb import calls, deadline
from streams.dynamodb.transport import (
    CredentialsChain,
    CurlConnection,
    NotAnAnswer,
    NotReached,
)
from streams.errors import StoreDown, StoreThrottled, StoreUnavailable
from streams.models import UserStreams
from streams.rules import Hold
from streams.storage.store import StreamStore
from tests.builders import plans_of
from tests.conftest import NOW, curl
from tests.servers import PROJECT
from tests.wire import NOTHING, Reply, Wire, dripping, hanging, listening, refused

type Model = type[UserStreams]

GET = {"TableName": "T", "Key": {"user_id": {"S": "ana"}}}
UPDATE = GET | {"ConditionExpression": "version = :seen"}


@pytest.fixture
def connection(wire: Wire) -> CurlConnection:
    """PynamoDB's connection to the server."""
    return CurlConnection(
        region="eu-west-1", host=wire.url, aws_access_key_id="local", aws_secret_access_key="local",
        connect_timeout_seconds=1, read_timeout_seconds=2,
    )  # fmt: skip


# --- requests --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [None, "FwoGZXIvYXdzE+/=="])
@pytest.mark.parametrize(
    "secret", ["wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "a:b@c d%2F"]
)
def test_a_request_is_signed_as_botocore_signs_it(
    wire: Wire, token: str | None, secret: str
) -> None:
    client = curl(
        wire.url, credentials=lambda: ReadOnlyCredentials("AKIDEXAMPLE", secret, token)
    )
    client._make_api_call("UpdateItem", UPDATE | {"Note": "naïve ☃"})
    (asked,) = wire.asked
    signed = (
        asked.headers["Authorization"]
        .partition("SignedHeaders=")[2]
        .partition(",")[0]
        .split(";")
    )
    assert {"host", "x-amz-date", "x-amz-target", "content-type"} <= set(signed)
    assert ("x-amz-security-token" in signed) == (token is not None)
    assert asked.headers.get("X-Amz-Security-Token") == token
    request = AWSRequest(
        "POST",
        wire.url + "/",
        {name: asked.headers[name] for name in signed},
        asked.body,
    )
    request.context["timestamp"] = asked.headers["X-Amz-Date"]
    auth = SigV4Auth(Credentials("AKIDEXAMPLE", secret, token), "dynamodb", "eu-west-1")
    signature = auth.signature(
        auth.string_to_sign(request, auth.canonical_request(request)), request
    )
    assert asked.headers["Authorization"].endswith(f"Signature={signature}")


def test_a_request_is_one_post_that_waits_for_nothing(
    wire: Wire, connection: CurlConnection
) -> None:
    large = "x" * 380_000
    connection.dispatch("PutItem", {"TableName": "T", "Item": {"a": {"S": large}}})
    (asked,) = wire.asked
    assert json.loads(asked.body)["Item"]["a"]["S"] == large
    assert asked.headers["X-Amz-Target"] == "DynamoDB_20120810.PutItem"
    assert asked.headers["Host"] == wire.address
    assert asked.headers["Expect"] is None


def test_a_failed_condition_hands_back_the_item_through_pynamodbs_connection(
    wire: Wire, connection: CurlConnection
) -> None:
    item = {"user_id": {"S": "ana"}}
    wire.answers = [refused("ConditionalCheckFailedException", Item=item)]
    with pytest.raises(ClientError) as failure:
        connection.dispatch("UpdateItem", UPDATE)
    assert failure.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
    said = calls.error_response(failure.value)
    assert said
    assert said["Item"] == item


def test_an_answer_may_come_in_chunks(wire: Wire, connection: CurlConnection) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    wire.answers = [
        head + b'5;a=b\r\n{"Ite\r\nA\r\nm":{"a":1}\r\n1\r\n}\r\n0\r\nX: y\r\n\r\n'
    ]
    assert connection.dispatch("GetItem", {}) == {"Item": {"a": 1}}


# --- connections -----------------------------------------------------------------------------------------------------


def together(count: int, call: Any) -> list[Any]:
    """What so many threads get at once."""
    got: list[Any] = [None] * count

    def run(number: int) -> None:
        try:
            got[number] = call(number)
        except Exception as exc:
            got[number] = exc

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got


def test_a_connection_is_kept_open(wire: Wire, model: Model) -> None:
    for _ in range(3):
        assert model.call("GetItem", GET)["ConsumedCapacity"]
    assert len(wire.open) == 1


def test_connections_that_went_stale_while_idle_cost_no_failure(
    wire: Wire, model: Model
) -> None:
    wire.gate = threading.Barrier(8)
    together(8, lambda number: model.call("GetItem", GET))
    wire.gate = None
    wire.hang_up()
    assert [
        type(answer)
        for answer in together(8, lambda number: model.call("GetItem", GET))
    ] == [dict] * 8


def test_a_connection_that_breaks_under_a_request_is_replaced_by_libcurl_itself(
    wire: Wire, connection: CurlConnection
) -> None:
    connection.dispatch("GetItem", {})
    wire.answers = [b""]  # it was read, and perhaps carried out
    connection.dispatch("UpdateItem", UPDATE)
    assert [asked.connection for asked in wire.asked] == [1, 1, 2]


def test_a_new_connection_that_breaks_is_not(
    wire: Wire, connection: CurlConnection
) -> None:
    wire.answers = [b""]
    with pytest.raises(NotReached, match=r"UpdateItem failed at .*Empty reply"):
        connection.dispatch("UpdateItem", UPDATE)
    assert len(wire.asked) == 1


def test_a_connection_that_the_other_end_closes_is_not_used_again(
    wire: Wire, connection: CurlConnection
) -> None:
    good = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nConnection: close\r\n\r\n{}"
    wire.answers = [good, good]
    assert [connection.dispatch("GetItem", {}), connection.dispatch("GetItem", {})] == [
        {},
        {},
    ]
    assert [asked.connection for asked in wire.asked] == [1, 2]


def test_threads_that_share_a_client_each_get_their_own_answer(wire: Wire) -> None:
    client = curl(wire.url)

    def echoing(handler: Any) -> None:
        handler.say(200, wire_body(handler))

    def wire_body(handler: Any) -> bytes:
        return next(
            asked.body
            for asked in reversed(wire.asked)
            if asked.connection == handler.number
        )

    wire.always = echoing

    def call(number: int) -> int:
        return sum(
            client._make_api_call("GetItem", {"id": [number, turn]})["id"]
            == [number, turn]
            for turn in range(20)
        )

    assert together(16, call) == [20] * 16
    assert len(wire.open) <= 16


@contextmanager
def forked() -> Iterator[bool]:
    """In the child (true) and in the parent, which then waits for it. What fails in the child fails in the parent."""
    child = os.fork()
    if child == 0:
        status = 1
        with suppress(BaseException):
            yield True
            status = 0
        os._exit(status)
    try:
        yield False
    finally:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
@pytest.mark.parametrize("is_certified", [False, True], ids=["plain", "TLS"])
def test_a_forked_process_never_uses_its_parents_connections_and_the_parents_goes_on(
    wire: Wire,
    model: Model,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    settings: Any,
    is_certified: bool,
) -> None:
    settings.DYNAMODB_CALL_SECONDS = 10  # one call waits for the child
    if is_certified:
        settings.AWS_CA_BUNDLE = str(wire.certify(tmp_path))
        monkeypatch.setenv("AWS_CA_BUNDLE", settings.AWS_CA_BUNDLE)
        monkeypatch.setattr(model.Meta, "host", wire.url)
    monkeypatch.setattr(model.Meta, "read_timeout_seconds", 10)
    model.disconnect()
    model.call("GetItem", GET)
    is_over, is_under_way = threading.Event(), threading.Event()

    def holding(handler: Any) -> None:
        is_under_way.set()
        is_over.wait(10)
        handler.say(200, NOTHING)

    wire.answers = [holding]
    thread = threading.Thread(target=model.call, args=("UpdateItem", UPDATE))
    thread.start()
    is_under_way.wait(10)
    before = len(wire.open)
    with forked() as is_child:
        if is_child:
            model.call("GetItem", GET)
    is_over.set()
    thread.join()
    model.call("GetItem", GET)
    assert [asked.connection for asked in wire.asked[2:]] == [before + 1, before + 2]
    assert len(wire.asked) == 4, (
        "the call that was under way was answered at its first try"
    )


# --- failures --------------------------------------------------------------------------------------------------------

FAILURES: dict[str, tuple[Reply, str]] = {
    "it hangs": (hanging, "timed out|no answer within|Read timeout"),
    "it drips": (dripping, "timed out|no answer within"),
    "it hangs up": (b"", "Empty reply|Connection was closed"),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-Le", "UpdateItem"),
    "cut short": (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}", "bytes missing|Connection was closed"),
    "not HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "UpdateItem"),
    "more than there can be": (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{}", "UpdateItem"),
    "HTML": ((200, b"<html>Please log in</html>"), "UpdateItem"),
    "an error in HTML": ((502, b"<html>Bad gateway</html>"), "502"),
    "null": ((200, b"null"), "not DynamoDB's"),
    "a list": ((200, b"[]"), "not DynamoDB's"),
    "text": ((200, b'"x"'), "not DynamoDB's"),
    "nothing": ((200, b""), "UpdateItem"),
    "an empty object": ((200, b"{}"), "data is missing"),
    "no item": ((200, NOTHING), "data is missing"),
    "an item that is none": ((200, b'{"Attributes": []}'), "UpdateItem"),
    "not text": ((200, b"\xff\xfe\x00"), "not DynamoDB's"),
    "deeply nested": ((200, b"[" * 100_000), "not DynamoDB's"),
    "an error that is null": ((400, b"null"), "not DynamoDB's"),
    "an error that is a list": ((500, b"[]"), "not DynamoDB's"),
    "an error without a type": ((400, b"{}"), "400"),
    "an error of a strange type": ((400, b'{"__type": 3}'), "UpdateItem"),
    "internal": ((500, {"__type": "x#InternalServerError", "message": "said why"}), "InternalServerError.*said why"),
    "not valid": (refused("ValidationException"), "ValidationException.*said why"),
    "not allowed": (refused("AccessDeniedException"), "AccessDeniedException.*said why"),
}  # fmt: skip


def failure_of(model: Model) -> StoreUnavailable:
    """What a start that gets no answer raises."""
    store = StreamStore(plans=plans_of(limit=3, lease_ms=60_000), call=model.call)
    with pytest.raises(StoreUnavailable) as failure:
        store.renew("ana", "a", hold=Hold(epoch=1), now=NOW)
    message = str(failure.value)
    assert "UpdateItem" in message
    assert "Traceback" not in message
    assert failure.value.__cause__ is not None or "data is missing" in message
    return failure.value


@pytest.mark.parametrize("kind", FAILURES)
def test_every_failure_is_one_error_that_says_what_failed(
    wire: Wire, model: Model, kind: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.always, said = FAILURES[kind]
    if wire.always in (hanging, dripping):
        settings.DYNAMODB_CALL_SECONDS = 0.2
        monkeypatch.setattr(model.Meta, "read_timeout_seconds", 0.2)
        model.disconnect()
    failure = failure_of(model)
    assert type(failure) in (StoreDown, StoreUnavailable)
    assert re.search(said, str(failure))


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("http://127.0.0.1:1", "connect to (server|127.0.0.1|the endpoint)"),
        (
            "http://no-such-host.invalid",
            "resolve|connect to the endpoint URL: .*no-such-host",
        ),
    ],
    ids=["nobody listens", "no such host"],
)
def test_an_endpoint_that_is_not_there_is_an_error_that_names_it(
    model: Model, monkeypatch: pytest.MonkeyPatch, endpoint: str, said: str
) -> None:
    monkeypatch.setattr(model.Meta, "host", endpoint)
    model.disconnect()
    failure = str(failure_of(model))
    assert endpoint in failure
    assert re.search(said, failure)


def test_a_throttled_call_is_an_error_of_its_own(wire: Wire, model: Model) -> None:
    wire.always = refused("ThrottlingException")
    assert isinstance(failure_of(model), StoreThrottled)


def test_over_tls_only_a_certificate_that_is_trusted_will_do(
    wire: Wire,
    model: Model,
    tmp_path: Path,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trusted = str(wire.certify(tmp_path))
    monkeypatch.setattr(model.Meta, "host", wire.url)
    model.disconnect()
    assert "certificate" in str(failure_of(model)).lower()
    assert wire.asked == []
    settings.AWS_CA_BUNDLE = trusted
    monkeypatch.setenv("AWS_CA_BUNDLE", trusted)
    model.disconnect()
    for _ in range(2):
        assert model.call("GetItem", GET)["ConsumedCapacity"]
    assert len({asked.connection for asked in wire.asked}) == 1


def test_an_answer_of_more_than_dynamodb_ever_says_is_not_kept(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.dynamodb.transport.MAX_ANSWER_BYTES", 1000)
    chunk = b"400\r\n" + b" " * 1024 + b"\r\n"
    wire.answers = [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + chunk * 9
        + b"0\r\n\r\n"
    ]
    with pytest.raises(NotReached, match="maximum allowed file size"):
        curl(wire.url)._make_api_call("GetItem", {})


def test_what_is_not_dynamodbs_json_is_shown_in_part(wire: Wire) -> None:
    wire.answers = [(200, b"<html>" + b"x" * 5000)]
    with pytest.raises(NotAnAnswer, match="<html>") as failure:
        curl(wire.url)._make_api_call("GetItem", {})
    assert len(str(failure.value)) < 400


# --- a proxy ---------------------------------------------------------------------------------------------------------


@contextmanager
def proxy() -> Iterator[tuple[str, list[str]]]:
    """An HTTP proxy that tunnels (CONNECT); its URL, and where it was asked to connect to."""
    asked: list[str] = []

    def serve(link: socket.socket) -> None:
        with link:
            asked.append(link.recv(65_536).split()[1].decode())
            host, _, port = asked[-1].rpartition(":")
            with socket.create_connection((host, int(port))) as further:
                link.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                ends = {link: further, further: link}
                while True:
                    for end in select.select(list(ends), [], [])[0]:
                        if not (data := end.recv(65_536)):
                            return
                        ends[end].sendall(data)

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(
                    target=serve, args=(listener.accept()[0],), daemon=True
                ).start()

    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        thread = threading.Thread(target=accept, args=(listener,))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("is_exempt", [False, True])
def test_calls_go_through_the_proxy_of_the_environment(
    wire: Wire,
    model: Model,
    tmp_path: Path,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    is_exempt: bool,
) -> None:
    settings.AWS_CA_BUNDLE = str(wire.certify(tmp_path))
    monkeypatch.setenv("AWS_CA_BUNDLE", settings.AWS_CA_BUNDLE)
    monkeypatch.setattr(model.Meta, "host", wire.url)
    with proxy() as (url, asked):
        monkeypatch.setenv("HTTPS_PROXY", url)
        monkeypatch.setenv(
            "NO_PROXY", "127.0.0.1" if is_exempt else "elsewhere.example"
        )
        model.disconnect()
        assert model.call("GetItem", GET)["ConsumedCapacity"]
        model.disconnect()
    assert asked == ([] if is_exempt else [wire.address])


# --- credentials -----------------------------------------------------------------------------------------------------


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No credentials are to be found, anywhere. The shared files' folder."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path


def test_credentials_come_from_a_profile(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (nowhere / "credentials").write_text(
        "[ops]\naws_access_key_id = AKIDOPS\naws_secret_access_key = secret\n"
    )
    monkeypatch.setenv("AWS_PROFILE", "ops")
    assert CredentialsChain("eu-west-1")()[:3] == ("AKIDOPS", "secret", None)


@pytest.mark.usefixtures("nowhere")
def test_without_credentials_the_error_says_so() -> None:
    with pytest.raises(NoCredentialsError, match="Unable to locate credentials"):
        CredentialsChain("eu-west-1")()


def temporary(key: str, *, seconds: int) -> Reply:
    """A container's credentials, as ECS, EKS and SnapStart functions have them."""
    expiration = (datetime.now(UTC) + timedelta(seconds=seconds)).strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )
    return 200, {
        "AccessKeyId": key,
        "SecretAccessKey": "s",
        "Token": f"token of {key}",
        "Expiration": expiration,
    }


def test_temporary_credentials_are_renewed_before_they_end(
    wire: Wire, nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening() as container:
        container.answers = [
            temporary("ONE", seconds=3600),
            temporary("TWO", seconds=3600),
        ]
        monkeypatch.setenv(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{container.url}/credentials"
        )
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic abc")
        chain = CredentialsChain("eu-west-1")
        client = curl(wire.url, credentials=chain)
        for _ in range(2):
            client._make_api_call("GetItem", {})
        chain._credentials._expiry_time = datetime.now(UTC) + timedelta(
            minutes=5
        )  # most of the hour has gone by
        client._make_api_call("GetItem", {})
        assert [asked.headers["Authorization"] for asked in container.asked] == [
            "Basic abc"
        ] * 2
    tokens = [asked.headers["X-Amz-Security-Token"] for asked in wire.asked]
    assert tokens == ["token of ONE", "token of ONE", "token of TWO"]


def test_credentials_come_from_a_web_identity(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (nowhere / "token").write_text("a JWT")
    with listening() as sts:
        sts.answers = [
            (200, f"""<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
                <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>WEB</AccessKeyId>
                <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>
                <Expiration>{(datetime.now(UTC) + timedelta(hours=1)).isoformat()}</Expiration></Credentials>
                </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>""".encode())
        ]  # fmt: skip
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/streams")
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(nowhere / "token"))
        chain = CredentialsChain("eu-west-1")
        assert [chain()[:3] for _ in range(2)] == [("WEB", "s", "t")] * 2
        assert len(sts.asked) == 1


def test_credentials_that_do_not_come_are_not_waited_for(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening() as container:
        monkeypatch.setenv(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{container.url}/credentials"
        )
        container.answers = [hanging]
        with (
            deadline.of_request(seconds=0.1),
            pytest.raises(TimeoutError, match="no answer within"),
        ):
            CredentialsChain("eu-west-1")()


# --- start-up --------------------------------------------------------------------------------------------------------


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A process of its own that has loaded nothing yet."""
    command = [sys.executable, "-c", f"import sys\n{code}"]
    surroundings = (
        os.environ
        | {"DJANGO_SETTINGS_MODULE": "streams_project.settings", "DEBUG": "1"}
        | environment
    )
    return subprocess.run(
        command,
        cwd=PROJECT,
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=60,
    )


WITHOUT_PYCURL = "sys.modules['pycurl'] = None\nimport django\ndjango.setup()\nimport streams.service"


def test_without_pycurl_the_error_at_start_names_it_and_the_other_transport() -> None:
    done = python(WITHOUT_PYCURL, DYNAMODB_TRANSPORT="curl")
    assert done.returncode != 0
    assert (
        "Install pycurl, or set DYNAMODB_TRANSPORT=botocore"
        in done.stderr.splitlines()[-1]
    )


def test_without_pycurl_the_service_starts_over_the_other_transport() -> None:
    done = python(WITHOUT_PYCURL, DYNAMODB_TRANSPORT="botocore")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("transport", ["curl", "botocore"])
def test_no_connection_and_no_credentials_outlive_a_snapshot(
    wire: Wire, tmp_path: Path, transport: str
) -> None:
    profile = tmp_path / "credentials"
    done = python(
        f"""
from pathlib import Path
from types import ModuleType
runtime = sys.modules["snapshot_restore_py"] = ModuleType("snapshot_restore_py")  # as Lambda has it
hooks = []
runtime.register_before_snapshot = hooks.append
import django
django.setup()
from streams.models import UserStreams

def call(key):
    lines = ["[default]", "aws_access_key_id = " + key, "aws_secret_access_key = secret"]
    Path({str(profile)!r}).write_text(chr(10).join(lines))
    UserStreams.call("GetItem", {GET})

call("before")
call("changed")
for hook in hooks:
    hook()
call("after")
""",
        DYNAMODB_TRANSPORT=transport,
        DYNAMODB_ENDPOINT=wire.url,
        AWS_PROFILE="default",
        AWS_SHARED_CREDENTIALS_FILE=str(profile),
    )
    assert done.returncode == 0, done.stderr
    first, second, third = wire.asked
    assert (first.connection, second.connection) == (1, 1)
    assert third.connection == 2
    keys = [
        re.search(r"Credential=(\w+)/", asked.headers["Authorization"])
        for asked in wire.asked
    ]
    assert [key and key[1] for key in keys] == ["before", "before", "after"]
