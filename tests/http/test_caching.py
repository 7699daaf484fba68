"""Which answers a cache can keep."""

import httpx
import pytest


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/users/u/streams"),
        ("PATCH", "/users/u/streams"),
        ("GET", "/users/u/streams/none"),
        ("POST", "/users/u/streams"),
        ("GET", "/users/u/limit"),
        ("GET", "/users/a%20b/streams"),
        ("GET", "/nothing"),
        ("GET", "/" + "x" * 2000),
        ("GET", "/"),
    ],
)
def test_an_answer_that_depends_on_the_caller_or_the_time_is_not_cached(
    api: httpx.Client, method: str, path: str
) -> None:
    assert api.request(method, path).headers["Cache-Control"] == "no-store"


def test_a_static_file_has_a_maximum_age(api: httpx.Client) -> None:
    assert "max-age" in api.get("/static/streams/style.css").headers["Cache-Control"]
