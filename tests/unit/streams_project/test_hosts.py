"""Origins, as browsers send them."""

import pytest

from tests.start_up import PRODUCTION, assert_refused, started


@pytest.mark.parametrize(
    "origin",
    [
        "https://watch.example.com",
        "https://watch.example.com:8443",
        "http://localhost:3000",
        "http://[::1]:3000",
        "capacitor://localhost",
    ],
)
def test_an_origin_as_a_browser_sends_it_is_accepted(origin: str) -> None:
    settings = started(PRODUCTION | {"CORS_ALLOWED_ORIGINS": origin})
    assert list(settings.CORS_ALLOWED_ORIGINS) == [origin]


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "watch.example.com",
        "https://*.example.com",
        "https://watch.example.com/",
        "https://watch.example.com/app",
        "https://watch.example.com?x",
        "https://ana:hunter2@watch.example.com",
        "https://Watch.example.com",
        "https://watch.example.com:443",
        "http://watch.example.com:80",
        "https://watch.example.com:https",
        "https://",
        "//watch.example.com",
        "https://wätch.example.com",
        "https://watch.example.com https://www.example.com",
    ],
)
def test_an_origin_that_browsers_never_send_stops_the_start(origin: str) -> None:
    environment = PRODUCTION | {
        "CORS_ALLOWED_ORIGINS": f"https://www.example.com,{origin}"
    }
    assert_refused(
        environment,
        "CORS_ALLOWED_ORIGINS",
        " 2 ",
        hidden=["hunter2", "watch", "wätch"],
    )
