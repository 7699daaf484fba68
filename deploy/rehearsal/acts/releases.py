"""Acts about releases: a bad update, the way back, and two releases at once."""

import json
import secrets
from typing import Any
from unittest.mock import patch

from deploy.rehearsal.stage import STAGE, Rehearsal, expect
from deploy.rehearsal.viewers import assert_all_succeeded, assert_lease, viewers
from deploy.releases import Live, Versions, hooks

NO_UPLOAD = ("--no-upload", "yes")


def the_way_back(rehearsal: Rehearsal) -> None:
    """The version before gets the traffic back, with its code and its environment.

    Trap: `zappa rollback` restores code, and leaves a bad environment.
    """
    rehearsal.set_variables(LEASE_SECONDS="30")
    rehearsal.zappa("update", STAGE)
    assert_lease(rehearsal, 30)
    before = live(rehearsal)

    with viewers(rehearsal.api) as answers:
        rehearsal.manage("promote", STAGE)
    assert_all_succeeded(answers)
    expect(live(rehearsal).version, before.earlier[0])
    assert_lease(rehearsal, 60)


def code_that_was_taken_back(rehearsal: Rehearsal) -> None:
    """`--no-upload` after a roll-back does not publish the bad code again.

    Trap: a rotation of keys after a roll-back served the bad release again, labelled
    with the commit of the checkout.
    """
    before = live(rehearsal)
    output = rehearsal.refused("update", STAGE, *NO_UPLOAD)
    assert "--no-upload would publish code that is not live" in output, output
    expect(live(rehearsal), before)

    rehearsal.manage("promote", STAGE, before.earlier[0])
    assert_lease(rehearsal, 30)


def two_releases(rehearsal: Rehearsal) -> None:
    """Of two releases at once one gets the traffic, and the other names it.

    Traps: the second moved the alias from under the first. Two operators got the same
    version number, and one of them lost its environment.
    """
    before = live(rehearsal)
    rival = before.earlier[0]

    def promote_the_rival(*arguments: Any) -> None:
        move_alias(rehearsal, rival)

    with patch.object(hooks, "try_version", promote_the_rival):
        output = rehearsal.refused("update", STAGE, *NO_UPLOAD)
    assert f"moved the traffic meanwhile, to version {rival}" in output, output
    expect(live(rehearsal).version, rival)
    move_alias(rehearsal, before.version)

    def configure_as_a_rival(cli: Any) -> None:
        set_on_function(rehearsal, LEASE_TOKEN_KEYS=secrets.token_urlsafe(48))
        publish(cli)

    publish = hooks.post
    with patch.object(hooks, "post", configure_as_a_rival):
        output = rehearsal.refused("update", STAGE, *NO_UPLOAD)
    assert "has another environment than this release gave it" in output, output
    expect(live(rehearsal).version, before.version)


def a_bad_update(rehearsal: Rehearsal) -> None:
    """An invalid value, and keys that can be guessed, change nothing.

    Traps: the update failed after the code was live. A variable that was set by hand on
    the function went live with the next update.
    """
    before = live(rehearsal)
    rehearsal.set_variables(LEASE_SECONDS="2")
    set_on_function(rehearsal, DEBUG="1")
    output = rehearsal.refused("update", STAGE, KEEP="3", UNSET="DEBUGS")
    for problem in ("LEASE_SECONDS is '2'", "DEBUGS is to be unset"):
        assert problem in output, output

    rehearsal.set_variables(LEASE_SECONDS="30")
    output = rehearsal.refused("update", STAGE, AWS_DEFAULT_REGION="us-east-1")
    assert "Zappa would go to us-east-1" in output, output
    expect(live(rehearsal), before)

    output = rehearsal.zappa("update", STAGE, *NO_UPLOAD)
    assert ": set on the function, and not in the live" in output, output
    assert "DEBUG" not in set_on_function(rehearsal)
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
    old, new = (store_secret(rehearsal, name, keys) for name in ("old", "new"))
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
    variables = set_on_function(rehearsal)
    expect(variables["DYNAMODB_ENDPOINT"], rehearsal.aws)
    expect(variables["LEASE_TOKEN_KEYS"], f"ssm:{old}")

    policies = json.dumps(rehearsal.policies())
    for secret in (old, new):
        assert f"parameter{secret}" in policies, policies


def store_secret(rehearsal: Rehearsal, name: str, value: str) -> str:
    """Store a secret in the Parameter Store, and return its full name."""
    full_name = f"/{rehearsal.stage.function}/{name}"
    rehearsal.client("ssm").put_parameter(
        Name=full_name, Value=value, Type="SecureString"
    )
    return full_name


# --- the state of the function --------------------------------------------------------


def live(rehearsal: Rehearsal) -> Live:
    """Return the version that has the traffic."""
    version = Versions(rehearsal.stage, rehearsal.client("lambda")).live()
    assert version is not None
    return version


def environment_of_live(rehearsal: Rehearsal) -> dict[str, str]:
    """Return the variables of the version that has the traffic."""
    function = rehearsal.client("lambda").get_function_configuration(
        FunctionName=rehearsal.stage.function, Qualifier=live(rehearsal).version
    )
    return dict(function["Environment"]["Variables"])


def set_on_function(rehearsal: Rehearsal, **variables: str) -> dict[str, str]:
    """Set variables that the next update begins with, and return all of them."""
    versions = Versions(rehearsal.stage, rehearsal.client("lambda"))
    environment = versions.environment()
    assert environment is not None
    versions.set_environment(environment | variables)
    return environment | variables


def move_alias(rehearsal: Rehearsal, version: str) -> None:
    """Give the traffic to a version as another release does."""
    versions = Versions(rehearsal.stage, rehearsal.client("lambda"))
    versions.promote(version, versions.live())
