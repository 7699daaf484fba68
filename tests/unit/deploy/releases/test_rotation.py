"""Keys that a release would take away."""

import pytest

from deploy.releases.rotation import lost_keys

OLD, NEW, OTHER = "old-key", "new-key", "other-key"
BILLING = "billing:" + "a" * 64


def confirmations(
    live: str, new: str, *earlier: str, name: str = "LEASE_TOKEN_KEYS"
) -> list[str]:
    """Return the confirmations that a change of a variable needs."""
    losses = lost_keys({name: live}, {name: new}, [{name: keys} for keys in earlier])
    return [loss.confirmation for loss in losses]


@pytest.mark.parametrize(
    ("live", "new", "earlier"),
    [
        pytest.param(OLD, f"{OLD},{NEW}", [OLD], id="the first step"),
        pytest.param(f"{OLD},{NEW}", f"{NEW},{OLD}", [OLD], id="the second step"),
        pytest.param(f"{NEW},{OLD}", NEW, [f"{OLD},{NEW}"], id="the third step"),
        pytest.param(f"{NEW},{OLD}", NEW, [], id="no version of before is kept"),
        pytest.param(OLD, OLD, [OLD], id="no change"),
    ],
)
def test_a_step_of_a_rotation_needs_no_confirmation(
    live: str, new: str, earlier: list[str]
) -> None:
    assert confirmations(live, new, *earlier) == []


@pytest.mark.parametrize(
    ("live", "new", "earlier"),
    [
        pytest.param(OLD, NEW, [], id="in one step"),
        pytest.param(OLD, f"{NEW},{OLD}", [], id="without the first step"),
        pytest.param(f"{OLD},{NEW}", OLD, [OLD], id="the first step undone"),
        pytest.param(
            f"{NEW},{OLD}",
            f"{OLD},{NEW}",
            [f"{OLD},{NEW}"],
            id="the second step undone",
        ),
        pytest.param(f"{NEW},{OLD}", OLD, [f"{OLD},{NEW}"], id="before the rotation"),
        pytest.param(NEW, f"{OLD},{NEW}", [f"{NEW},{OLD}"], id="the third step undone"),
        pytest.param(f"{OLD},{OTHER}", f"{OTHER}", [OLD], id="the signer left out"),
    ],
)
def test_a_release_that_would_invalidate_tokens_or_undo_a_rotation_is_confirmed(
    live: str, new: str, earlier: list[str]
) -> None:
    assert confirmations(live, new, *earlier) == ["lease-token-keys"]


def test_the_steps_of_a_rotation_and_no_key_are_in_the_message() -> None:
    live, new = {"LEASE_TOKEN_KEYS": OLD}, {"LEASE_TOKEN_KEYS": NEW}

    (loss,) = lost_keys(live, new)

    assert "LEASE_TOKEN_KEYS=OLD,NEW, then NEW,OLD, then NEW" in loss.sentence
    assert OLD not in loss.sentence
    assert NEW not in loss.sentence


@pytest.mark.parametrize(
    ("name", "live", "new", "expected"),
    [
        pytest.param("AUTH_JWT_SECRETS", f"{NEW},{OLD}", OLD, ["auth-jwt-secrets"]),
        pytest.param("EDGE_TOKEN_KEYS", f"{NEW},{OLD}", OLD, ["edge-token-keys"]),
        pytest.param("API_KEYS", f"{BILLING}:streams:operate", "", ["api-keys"]),
        pytest.param(
            "API_KEYS", f"{BILLING}:streams:operate", f"{BILLING}:streams:admin", []
        ),
        pytest.param("EDGE_TOKEN_KEYS", OLD, f"{OLD},{NEW}", []),
    ],
)
def test_a_credential_that_the_live_version_accepts_is_not_lost_unnoticed(
    name: str, live: str, new: str, expected: list[str]
) -> None:
    assert confirmations(live, new, name=name) == expected


def test_an_unset_variable_needs_no_other_confirmation() -> None:
    assert list(lost_keys({"AUTH_JWT_SECRETS": OLD}, {})) == []
