"""Acts about releases: what an update under traffic, a bad one and a rotation do."""

import json
import secrets
import sys

from deploy.rehearsal.acts.infrastructure import keys_of
from deploy.rehearsal.stage import STAGE, Rehearsal, expect
from deploy.rehearsal.viewers import assert_all_succeeded, smoke_test, viewers
from deploy.releases import Live, Versions

NO_UPLOAD = ("--no-upload", "yes")


def a_look_from_outside(rehearsal: Rehearsal) -> None:
    """The promises to callers hold through API Gateway, and the check leaves no data.

    Trap: a promise held locally, and API Gateway changed a header.
    """
    with rehearsal.api() as api:
        url = str(api.base_url)
    # The emulator starts one instance after the other, on the cores of this machine.
    gently = ("--at-once", "4", "--slow-ms", "15000")
    verify = (sys.executable, "manage.py", "verify", url, *gently)
    output = rehearsal.run(*verify, VERIFY_API_KEY=rehearsal.api_key)
    assert "hold; " in output, output


def an_update_under_traffic(rehearsal: Rehearsal) -> None:
    """During a release no request fails, and code and environment change together.

    Trap: the code was live before its environment.
    """
    expect(lease_seconds(rehearsal), 60)
    with viewers(rehearsal.api) as answers:
        rehearsal.set_variables(LEASE_SECONDS="30")
        output = rehearsal.manage("release", STAGE, "--yes")
    assert "is live." in output, output
    assert_all_succeeded(answers)
    expect(lease_seconds(rehearsal), 30)

    ((_, key),) = keys_of(rehearsal)
    with rehearsal.api() as api:
        statuses = [
            api.get("/back-end/users/ana/streams", headers={"X-API-Key": sent})
            for sent in (key, "another")
        ]
    expect([answer.status_code for answer in statuses], [200, 403])


def the_way_back(rehearsal: Rehearsal) -> None:
    """The version before gets the traffic back, with its code and its environment.

    Trap: `zappa rollback` restores code, and leaves a bad environment.
    """
    before = live(rehearsal)
    with viewers(rehearsal.api) as answers:
        rehearsal.manage("promote", STAGE)
    assert_all_succeeded(answers)
    expect(live(rehearsal).version, before.earlier[0])
    expect(lease_seconds(rehearsal), 60)

    rehearsal.manage("promote", STAGE, before.version)
    expect(lease_seconds(rehearsal), 30)


def a_bad_update(rehearsal: Rehearsal) -> None:
    """An invalid value, and keys that can be guessed, change nothing.

    Trap: the update failed after the code was live.
    """
    before = live(rehearsal)
    rehearsal.set_variables(LEASE_SECONDS="2")
    _set_on_function(rehearsal, DEBUG="1")
    output = rehearsal.refused("update", STAGE, KEEP="3", UNSET="DEBUGS")
    for problem in ("LEASE_SECONDS is '2'", "UNSET=DEBUG", "DEBUGS is to be unset"):
        assert problem in output, output

    rehearsal.set_variables(LEASE_SECONDS=None)
    output = rehearsal.refused("update", STAGE, AWS_DEFAULT_REGION="us-east-1")
    assert "Zappa would go to us-east-1" in output, output
    expect(live(rehearsal), before)

    rehearsal.zappa("update", STAGE, *NO_UPLOAD, UNSET="DEBUG")
    assert "DEBUG" not in _set_on_function(rehearsal)
    _refuse_bad_keys(rehearsal)


def _refuse_bad_keys(rehearsal: Rehearsal) -> None:
    before = live(rehearsal)
    output = rehearsal.refused("update", STAGE, LEASE_TOKEN_KEYS="k" * 40)
    assert "can be guessed" in output, output

    new = secrets.token_urlsafe(48)
    output = rehearsal.refused("update", STAGE, LEASE_TOKEN_KEYS=new)
    assert "every player's token" in output.replace("\n", " "), output
    expect(live(rehearsal), before)


def a_version_that_fails_its_check(rehearsal: Rehearsal) -> None:
    """A version that is not ready gets no traffic, and takes no right from live.

    Traps: the next update began with the environment that had failed. Zappa rewrote the
    role for the new secret at the beginning of an update, and each cold start of the
    live version failed, also after the update was refused.
    """
    keys = rehearsal.environment["LEASE_TOKEN_KEYS"]
    old, new = (_store_secret(rehearsal, name, keys) for name in ("old", "new"))
    update = ("update", STAGE, *NO_UPLOAD)
    rehearsal.zappa(*update, LEASE_TOKEN_KEYS=f"ssm:{old}")

    before = live(rehearsal)
    rehearsal.set_lambda_variables(DYNAMODB_ENDPOINT="http://127.0.0.1:9")
    with viewers(rehearsal.api) as answers:
        output = rehearsal.refused(*update, LEASE_TOKEN_KEYS=f"ssm:{new}")
    rehearsal.set_lambda_variables(DYNAMODB_ENDPOINT=rehearsal.aws)

    assert f"Version {before.version} keeps the traffic" in output, output
    assert_all_succeeded(answers)
    expect(live(rehearsal), before)
    variables = _set_on_function(rehearsal)
    expect(variables["DYNAMODB_ENDPOINT"], rehearsal.aws)
    expect(variables["LEASE_TOKEN_KEYS"], f"ssm:{old}")

    policies = json.dumps(rehearsal.policies())
    for secret in (old, new):
        assert f"parameter{secret}" in policies, policies


def _store_secret(rehearsal: Rehearsal, name: str, value: str) -> str:
    """Store a secret in the Parameter Store, and return its full name."""
    full_name = f"/{rehearsal.stage.function}/{name}"
    rehearsal.client("ssm").put_parameter(
        Name=full_name, Value=value, Type="SecureString"
    )
    return full_name


def a_rotation_of_keys(rehearsal: Rehearsal) -> None:
    """The keys of lease tokens rotate in three updates, and each player stays.

    Trap: an update in one step ended the stream of each player.
    """
    old = rehearsal.environment["LEASE_TOKEN_KEYS"]
    new = secrets.token_urlsafe(48)
    with viewers(rehearsal.api) as answers:
        for keys in (f"{old},{new}", f"{new},{old}", new):
            update = ("update", STAGE, *NO_UPLOAD)
            output = rehearsal.zappa(*update, LEASE_TOKEN_KEYS=keys)
            assert "LEASE_TOKEN_KEYS: sha256" in output, output
            assert new not in output, output
    rehearsal.environment["LEASE_TOKEN_KEYS"] = new
    assert_all_succeeded(answers)


def an_unset(rehearsal: Rehearsal) -> None:
    """A shared secret gives way to published keys: refused together, done by an unset.

    Trap: Zappa keeps each variable that an update does not name.
    """
    name = _store_secret(rehearsal, "jwt", secrets.token_urlsafe(48))
    rehearsal.zappa(
        "update",
        STAGE,
        *NO_UPLOAD,
        AUTH_JWT_SECRETS=f"ssm:{name}",
        AUTH_ISSUER="https://id.example/",
        AUTH_AUDIENCE="x",
    )
    jwks = {"AUTH_JWKS": "https://id.example/jwks.json"}
    output = rehearsal.refused("update", STAGE, **jwks)
    assert "both set" in output, output

    rehearsal.zappa("update", STAGE, UNSET="AUTH_JWT_SECRETS", **jwks)
    variables = _environment_of_live(rehearsal)
    expect(
        {variable for variable in variables if variable.startswith("AUTH_")},
        {"AUTH_JWKS", "AUTH_ISSUER", "AUTH_AUDIENCE"},
    )
    with rehearsal.api() as api:
        smoke_test(api)


# --- the state of the function --------------------------------------------------------


def live(rehearsal: Rehearsal) -> Live:
    """Return the version that has the traffic."""
    version = Versions(rehearsal.stage, rehearsal.client("lambda")).live()
    assert version is not None
    return version


def lease_seconds(rehearsal: Rehearsal) -> int:
    """Return the length of a lease of the version that has the traffic."""
    user = f"/users/lease-{secrets.token_hex(4)}/streams"
    with rehearsal.api() as api:
        stream = api.post(user, json={"streamId": "film"}).json()
    return int(stream["leaseSeconds"])


def _environment_of_live(rehearsal: Rehearsal) -> dict[str, str]:
    function = rehearsal.client("lambda").get_function_configuration(
        FunctionName=rehearsal.stage.function, Qualifier=live(rehearsal).version
    )
    return dict(function["Environment"]["Variables"])


def _set_on_function(rehearsal: Rehearsal, **variables: str) -> dict[str, str]:
    """Set variables that the next update begins with, and return all of them."""
    versions = Versions(rehearsal.stage, rehearsal.client("lambda"))
    environment = versions.environment()
    assert environment is not None
    versions.set_environment(environment | variables)
    return environment | variables
