"""Facts of the documentation that the model must state."""

from typing import Any

import pytest

from tests.contract.catalogue import Catalogue, read
from tests.contract.model import outcomes
from tests.contract.scenes import FILM, NEWS, SHOW
from tests.contract.state import Call, Outcome, User

NOW = 1_800_000_000_000
CATALOGUE = read("denying")


class Player:
    """One user in the model. Each call must have exactly one outcome."""

    def __init__(self, catalogue: Catalogue = CATALOGUE) -> None:
        self.catalogue = catalogue
        self.user = User()
        self.now = NOW
        self.number = 0

    def call(self, verb: str, **details: Any) -> Outcome:
        """Make a call, and move to the user after its first outcome."""
        self.number += 1
        call = Call(number=self.number, verb=verb, **{"now": self.now} | details)
        outcome = outcomes(self.user, call, self.catalogue)[0]
        self.user = outcome.user
        return outcome

    def start(self, id: str, said: Any = FILM, **details: Any) -> Outcome:
        """Start a stream."""
        return self.call("start", id=id, attributes=said, **details)


@pytest.fixture
def player() -> Player:
    return Player()


def test_a_start_above_the_limit_is_denied_with_the_holders(player: Player) -> None:
    player.start("tv")
    player.now += 1000
    player.start("phone", SHOW)

    denial = player.start("pc", NEWS)

    assert denial.status == 409
    assert denial.facts["streams"] == ["tv", "phone"]
    assert denial.facts["retryAfter"] == 59


def test_the_same_id_takes_its_slot_over(player: Player) -> None:
    assert player.start("tv").status == 201
    assert player.start("tv").status == 200
    assert player.call("heartbeat", id="tv", token=1).facts["reason"] == "taken-over"
    assert player.call("heartbeat", id="tv", token=2).status == 200


def test_a_ghost_gives_way_to_a_start_and_is_revived_before(player: Player) -> None:
    player.call("set limit", limit=1)
    player.start("tv")
    player.now += 61_000
    assert player.call("heartbeat", id="tv", token=2).status == 200

    player.now += 61_000
    assert player.start("pc", NEWS).status == 201
    assert player.call("heartbeat", id="tv", token=3).facts["reason"] == "expired"


def test_evict_oldest_ends_the_oldest_stream(player: Player) -> None:
    player.call("set limit", plan="evicting")
    player.start("tv")
    player.now += 1
    player.start("phone", SHOW)
    assert player.start("pc", NEWS).status == 201
    ending = player.call("heartbeat", id="tv", token=2).facts
    assert ending == {"reason": "evicted", "endedAt": player.now, "endedBy": "pc"}


def test_a_rule_denies_the_streams_that_it_counts(player: Player) -> None:
    player.call("set limit", plan="ruled")
    player.start("tv")
    assert player.start("pc", FILM).facts["rule"] == "one-big-screen"
    assert player.start("phone", SHOW).status == 201


def test_a_suspension_ends_every_stream(player: Player) -> None:
    player.start("tv")
    suspension = player.call("set limit", limit=0, ends_surplus=True)
    assert suspension.facts["ended"] == ["tv"]
    assert player.call("heartbeat", id="tv", token=1).facts["reason"] == "suspended"
    assert player.start("tv").facts["retryAfter"] is None


def test_the_start_rate_allows_a_burst(player: Player) -> None:
    statuses = [player.start("tv").status for _ in range(7)]
    assert statuses == [201, *[200] * 5, 429]


def test_a_pause_ends_after_the_time_of_the_plan(player: Player) -> None:
    player.call("set limit", plan="ruled")
    player.start("tv")
    player.now += 10_000
    pause = player.call("heartbeat", id="tv", token=2, is_paused=True)
    player.now += 10_000
    repeat = player.call("heartbeat", id="tv", token=3, is_paused=True)
    assert pause.facts["expiresAt"] == repeat.facts["expiresAt"] == NOW + 100_000


def test_an_erased_user_is_unknown(player: Player) -> None:
    player.start("tv")
    player.call("forget")
    assert player.call("heartbeat", id="tv", token=1).status == 404
    assert player.call("stop", id="tv", token=1).status == 404
    assert player.call("list").facts["over"] == []
