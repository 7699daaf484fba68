"""Limits that an operator sets."""

from tests.http.viewers import limit_url
from tests.viewer import Viewer


def test_an_operator_sets_reads_and_clears_a_limit(viewer: Viewer) -> None:
    url = limit_url(viewer)
    user = {"userId": viewer.user_id, "plan": "default"}
    default = {**user, "limit": 3, "whenFull": "deny", "isDefault": True}
    own = {**user, "limit": 5, "whenFull": "evict-oldest", "isDefault": False}

    assert viewer.api.get(url).json() == default
    assert (
        viewer.api.put(url, json={"limit": 5, "whenFull": "evict-oldest"}).json() == own
    )
    assert viewer.api.get(url).json() == own
    assert [viewer.api.delete(url).status_code for _ in range(2)] == [204, 204]
    assert viewer.api.get(url).json() == default


def test_a_limit_without_when_full_denies_starts_above_it(viewer: Viewer) -> None:
    assert (
        viewer.api.put(limit_url(viewer), json={"limit": 1}).json()["whenFull"]
        == "deny"
    )


def test_a_limit_may_be_written_with_a_fraction_of_zero(viewer: Viewer) -> None:
    assert viewer.api.put(limit_url(viewer), json={"limit": 4.0}).json()["limit"] == 4


def test_a_denial_by_a_limit_of_zero_has_no_retry_after(viewer: Viewer) -> None:
    viewer.limit(0)
    response = viewer.start("456")
    assert response.status_code == 409
    assert response.json()["streams"] == []
    assert "Retry-After" not in response.headers
