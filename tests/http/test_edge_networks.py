"""Rules about networks, and edge tokens that are bound to one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx
import jwt
import pytest
from django.core.wsgi import get_wsgi_application

from streams import service
from streams.edge_keys import edge_keys, new_key
from streams.rules import Rule
from streams.wsgi import placed
from tests.builders import plans_of
from tests.dynamodb_clients import Calls
from tests.viewer import Viewer
from tests.wsgi_servers import serving

HOME = "198.51.100.1"
HOME_NETWORK = "198.51.100.0/24"
HOTEL = "203.0.113.77"
HOTEL_NETWORK = "203.0.113.0/24"


@contextmanager
def limited_to(networks: int, settings: Any) -> Iterator[httpx.Client]:
    """Give a service that allows this number of networks, called from home.

    A call has its address in the header `From`.
    """
    rule = Rule(name="networks", limit=networks, distinct="network")
    plans = plans_of(limit=5, lease_ms=60_000, rules=(rule,))
    settings.EDGE_TOKEN_ISSUER = "https://streams.example.com"
    settings.EDGE_TOKEN_AUDIENCE = "cdn.example.com"
    settings.EDGE_TOKEN_KEYS = edge_keys([new_key("hs256")])
    settings.PLANS = plans
    settings.PLANS_LOOK_AT_NETWORKS = True
    service_of_django = get_wsgi_application()

    def called_from(environ: dict[str, Any], start_response: Any) -> Any:
        environ["REMOTE_ADDR"] = environ.pop("HTTP_FROM", HOME)
        environ["streams.network"] = "x"
        environ["streams.edge_network"] = "injected"
        return placed(service_of_django)(environ, start_response)

    with serving(called_from) as url, httpx.Client(base_url=url) as api:
        yield api


@pytest.fixture
def one_network(settings: Any) -> Iterator[httpx.Client]:
    with limited_to(1, settings) as api:
        yield api


@pytest.fixture
def two_networks(settings: Any) -> Iterator[httpx.Client]:
    with limited_to(2, settings) as api:
        yield api


def start(viewer: Viewer, id: str, *, address: str = HOME) -> httpx.Response:
    body = {"streamId": "film", "deviceId": id}
    return viewer.api.post(viewer.url, json=body, headers={"From": address})


def beat(viewer: Viewer, stream: Any, *, address: str) -> dict[str, Any]:
    """Send a heartbeat from an address and return its answer."""
    answer = viewer.api.post(
        f"{viewer.url}/{stream['id']}/heartbeat",
        json={"token": stream["token"]},
        headers={"From": address},
    )
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    return body


def network_of(answer: dict[str, Any]) -> str | None:
    """Return the network that an edge token is bound to, or None without a token."""
    if "edgeToken" not in answer:
        return None
    options: Any = {"verify_signature": False}
    network: str = jwt.decode(answer["edgeToken"], options=options)["network"]
    return network


@pytest.mark.parametrize(
    ("address", "network"),
    [
        (HOTEL, HOTEL_NETWORK),
        (f"{HOTEL}:50123", HOTEL_NETWORK),
        (f"::ffff:{HOTEL}", HOTEL_NETWORK),
        ("2001:db8:0:12::1", "2001:db8:0:12::/64"),
        ("[2001:db8:0:12::1]:443", "2001:db8:0:12::/64"),
        ("not an address", None),
    ],
)
def test_an_edge_token_is_bound_to_the_network_that_the_rule_admitted(
    two_networks: httpx.Client, user_id: str, address: str, network: str | None
) -> None:
    viewer = Viewer(two_networks, user_id)
    started = start(viewer, "tv").json()
    renewed = beat(viewer, started, address=address)

    assert [network_of(started), network_of(renewed)] == [HOME_NETWORK, network]


def test_a_heartbeat_from_a_network_without_a_place_keeps_the_old_one(
    one_network: httpx.Client, user_id: str
) -> None:
    viewer = Viewer(one_network, user_id)
    start(viewer, "tv")
    phone = start(viewer, "phone").json()

    away = beat(viewer, phone, address=HOTEL)
    still_away = beat(viewer, away, address=HOTEL)
    back = beat(viewer, still_away, address=HOME)

    networks = [network_of(answer) for answer in (away, still_away, back)]
    assert networks == [None, None, HOME_NETWORK]
    assert start(viewer, "laptop", address=HOTEL).status_code == 409
    assert start(viewer, "laptop").status_code == 201


def test_a_stream_that_moved_takes_its_place_along(
    one_network: httpx.Client, user_id: str
) -> None:
    viewer = Viewer(one_network, user_id)
    tv = start(viewer, "tv").json()
    moved = beat(viewer, tv, address=HOTEL)

    at_home = start(viewer, "phone")
    at_the_hotel = start(viewer, "phone", address=HOTEL)
    with_older_token = beat(viewer, tv, address=HOME)
    back = beat(viewer, tv, address=HOTEL)

    assert network_of(moved) == HOTEL_NETWORK
    assert at_home.status_code == 409
    assert at_the_hotel.status_code == 201
    assert network_of(with_older_token) is None
    assert network_of(back) == HOTEL_NETWORK


def test_a_stream_whose_start_had_no_readable_address_has_no_edge_token(
    two_networks: httpx.Client, user_id: str
) -> None:
    viewer = Viewer(two_networks, user_id)
    assert network_of(start(viewer, "tv", address="unix:").json()) is None


def test_unreadable_addresses_share_a_place(
    one_network: httpx.Client, user_id: str
) -> None:
    viewer = Viewer(one_network, user_id)
    tv = start(viewer, "tv", address="unknown")
    phone = start(viewer, "phone", address="1.2.3.4:x")
    laptop = start(viewer, "laptop")

    statuses = [tv.status_code, phone.status_code, laptop.status_code]
    assert statuses == [201, 201, 409]


def test_only_a_player_that_moves_costs_a_further_call(
    two_networks: httpx.Client,
    user_id: str,
    calls: Calls,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    viewer = Viewer(two_networks, user_id)
    stream = start(viewer, "tv").json()
    monkeypatch.setattr(service, "store", replace(service.store, call=calls))

    made = []
    for address in (HOME, HOTEL, HOTEL):
        before = len(calls.made)
        stream = beat(viewer, stream, address=address)
        made.append(len(calls.made) - before)
    assert made == [1, 2, 1]


def test_new_keys_of_tokens_do_not_move_a_stream(
    one_network: httpx.Client, user_id: str, settings: Any
) -> None:
    viewer = Viewer(one_network, user_id)
    tv = start(viewer, "tv").json()
    phone = start(viewer, "phone").json()
    settings.LEASE_TOKEN_KEYS = ["n" * 20 + "e" * 20, *settings.LEASE_TOKEN_KEYS]

    renewed = [beat(viewer, stream, address=HOME) for stream in (tv, phone)]
    assert [network_of(answer) for answer in renewed] == [HOME_NETWORK] * 2
