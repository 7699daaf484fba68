"""DynamoDB never interprets an id as a part of an expression."""

import pytest

from tests.http.viewers import ids_of
from tests.viewer import Viewer

pytestmark = pytest.mark.usefixtures("service_unharmed")

# Keywords, placeholders and paths of DynamoDB's expressions, and names of attributes.
# Each contains only characters that an id may contain.
EXPRESSIONS = [
    "leases",
    "leases.tv",
    "ended",
    "epochs",
    "version",
    "limit",
    "ttl",
    "user_id",
    "leases.tv.expires_at",
    ":lease",
    ":limit",
    ":now",
    ":0",
    ":epoch",
    "size",
    "SET",
    "REMOVE",
    "OR",
    "attribute_exists",
    "a.b.c",
    "...",
    "-",
    "|",
    "||",
    "a|b",
    "~",
    "@",
    "--",
    "__proto__",
    "constructor",
    "true",
    "0",
    "-1",
]


@pytest.mark.parametrize("id", EXPRESSIONS)
def test_an_id_is_not_interpreted_as_an_expression(viewer: Viewer, id: str) -> None:
    viewer.started(deviceId="other")
    token = viewer.started(deviceId=id, replace=["x"])["token"]

    assert set(ids_of(viewer.list())) == {"other", id}
    assert viewer.heartbeat(id, token).status_code == 200
    assert viewer.started(deviceId=f"{id}x", replace=[id])["id"] == f"{id}x"
    assert viewer.end(f"{id}x").status_code == 204
    assert ids_of(viewer.list()) == ["other"]


@pytest.mark.engine
@pytest.mark.parametrize(
    "id", ["S", "N", "B", "SS", "NS", "BS", "M", "L", "NULL", "BOOL"]
)
def test_a_stream_id_may_equal_a_type_of_dynamodb(viewer: Viewer, id: str) -> None:
    token = viewer.started(deviceId=id)["token"]

    assert viewer.heartbeat(id, token).status_code == 200

    viewer.started(deviceId="tv", replace=[id])
    ended = viewer.heartbeat(id, token)

    assert ended.status_code == 410
    assert ended.json()["reason"] == "replaced"
    assert ended.json()["endedBy"] == "tv"

    viewer.started(deviceId=id, replace=["tv"])

    assert ids_of(viewer.list()) == [id]
    assert viewer.end(id).status_code == 204
    assert viewer.list()["active"] == 0


def test_a_user_id_may_resemble_an_expression(viewer: Viewer) -> None:
    for name in EXPRESSIONS[:13]:
        user = Viewer(viewer.api, f"{name}:{viewer.user_id}")
        user.started(deviceId="tv")
        assert ids_of(user.list()) == ["tv"]
    assert viewer.list()["active"] == 0
