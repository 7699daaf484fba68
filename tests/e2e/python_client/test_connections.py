"""The Python client behind the environment's proxies."""

import logging

import httpx
import pytest

from clients.python.streams_client import AsyncStreamClient, StreamClient
from clients.python.streams_client.connections import connection_options, proxy_for

HTTP_PROXY = "http://proxy.example.com:3128"
SOCKS_PROXY = "socks5://proxy.example.com:1080"
SERVICE = "https://streams.example.com"
IPV6_SERVICE = "http://[::1]:8000"


@pytest.mark.parametrize(
    "environment",
    [
        {"ALL_PROXY": SOCKS_PROXY},
        {"HTTPS_PROXY": HTTP_PROXY, "NO_PROXY": "::1"},
        {"HTTPS_PROXY": HTTP_PROXY, "NO_PROXY": "[::1],fe80::/10,localhost"},
        {"HTTPS_PROXY": HTTP_PROXY, "NO_PROXY": "2001:db8::1"},
        {"HTTPS_PROXY": "proxy.example.com:3128"},
    ],
    ids=["SOCKS", "IPv6", "bracketed IPv6 and a network", "long IPv6", "no scheme"],
)
def test_a_client_can_be_made_in_any_environment(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert StreamClient(SERVICE).stream is None
    assert AsyncStreamClient(SERVICE).stream is None


@pytest.mark.parametrize(
    ("url", "environment", "proxy"),
    [
        (SERVICE, {}, None),
        (SERVICE, {"HTTPS_PROXY": HTTP_PROXY}, HTTP_PROXY),
        (SERVICE, {"https_proxy": HTTP_PROXY}, HTTP_PROXY),
        (SERVICE, {"HTTP_PROXY": HTTP_PROXY}, None),
        (SERVICE, {"ALL_PROXY": HTTP_PROXY}, HTTP_PROXY),
        (SERVICE, {"ALL_PROXY": SOCKS_PROXY, "HTTPS_PROXY": HTTP_PROXY}, HTTP_PROXY),
        (SERVICE, {"HTTPS_PROXY": HTTP_PROXY, "NO_PROXY": "example.com"}, None),
        (SERVICE, {"HTTPS_PROXY": HTTP_PROXY, "NO_PROXY": ".example.com"}, None),
        (SERVICE, {"HTTPS_PROXY": HTTP_PROXY, "NO_PROXY": "*"}, None),
        (SERVICE, {"HTTPS_PROXY": HTTP_PROXY, "NO_PROXY": "ample.com"}, HTTP_PROXY),
        (SERVICE, {"HTTPS_PROXY": HTTP_PROXY, "NO_PROXY": "::1"}, HTTP_PROXY),
        (IPV6_SERVICE, {"HTTP_PROXY": HTTP_PROXY, "NO_PROXY": "::1"}, None),
        (IPV6_SERVICE, {"HTTP_PROXY": HTTP_PROXY, "NO_PROXY": "[::1]"}, None),
        (IPV6_SERVICE, {"HTTP_PROXY": HTTP_PROXY, "NO_PROXY": "::/64"}, None),
        (IPV6_SERVICE, {"HTTP_PROXY": HTTP_PROXY, "NO_PROXY": "::2"}, HTTP_PROXY),
    ],
)
def test_the_proxy_is_that_of_the_environment(
    url: str, environment: dict[str, str], proxy: str | None
) -> None:
    assert proxy_for(url, environment) == proxy


def test_an_http_proxy_is_used() -> None:
    options = connection_options(SERVICE, {"HTTPS_PROXY": HTTP_PROXY})
    assert options["proxy"] == HTTP_PROXY
    with httpx.Client(**options):
        pass


def test_a_socks_proxy_without_its_package_is_reported(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    module = "clients.python.streams_client.connections.find_spec"
    monkeypatch.setattr(module, lambda name: None)
    with caplog.at_level(logging.WARNING):
        options = connection_options(SERVICE, {"ALL_PROXY": SOCKS_PROXY})
    assert "proxy" not in options
    assert "stream-limits-client[socks]" in caplog.text
