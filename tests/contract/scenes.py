"""Scenes in which two calls meet."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.contract.catalogue import Attributes, Catalogue, read
from tests.contract.faults import Result
from tests.contract.state import Granted
from tests.contract.world import Try, World, no_answer


def attributes(
    title: str,
    device_type: str | None,
    network: str | None = None,
    is_kids: Any = None,
    room: str | None = None,
) -> Attributes:
    """Return what a start says of its stream."""
    said = {
        "streamId": title,
        "deviceType": device_type,
        "network": network,
        "metadata.kids": is_kids,
        "metadata.room": room,
    }
    return tuple((name, value) for name, value in said.items() if value is not None)


FILM = attributes("film", "tv", "home")
OTHER_FILM = attributes("other film", "tv", "home")
SHOW = attributes("show", "phone", "home")
NEWS = attributes("news", "web", "cafe")


@dataclass(frozen=True)
class Scene:
    """How a user got where two calls meet."""

    prepare: Callable[[World], None]
    catalogue: str = "denying"
    burst: int = 6
    is_open: bool = False


def done_unanswered(index: int, operation: str, carry_out: Try) -> dict[str, Any]:
    """Carry out the first try and answer none: the call gets 503."""
    if index == 0:
        Result.of(carry_out)
    raise no_answer(operation)


def start(world: World, id: str, said: Attributes, **details: Any) -> None:
    """Start a stream, and let a second pass."""
    world.call("start", id=id, attributes=said, **details)
    world.now += 1000


def _empty(world: World) -> None:
    pass


def _with_room(world: World) -> None:
    start(world, "tv", FILM)


def _full(world: World) -> None:
    start(world, "tv", FILM)
    start(world, "phone", SHOW)


def _forgotten(world: World) -> None:
    start(world, "tv", FILM)
    world.call("forget")
    world.now += 1000


def _ghost_and_live(world: World) -> None:
    start(world, "tv", FILM)
    world.now += 30_000
    start(world, "phone", SHOW)
    world.now += 32_000


def _ghosts(world: World) -> None:
    _full(world)
    world.now += 70_000


def _about_to_expire(world: World) -> None:
    _full(world)
    world.now += 57_000


def _evicting(world: World) -> None:
    world.call("set limit", plan="evicting")
    _full(world)


def _ruled(world: World) -> None:
    world.call("set limit", plan="ruled")
    _full(world)


def _paused(world: World) -> None:
    _ruled(world)
    world.call("heartbeat", id="tv", token=2, is_paused=True)
    world.now += 5000


def _relaxed(world: World) -> None:
    world.call("set limit", plan="relaxed")
    world.now += 90_000  # tokens from before a change of plan are judged
    start(world, "tv", FILM)
    world.call("heartbeat", id="tv", token=2)
    world.now += 5000


def _lowered(world: World) -> None:
    world.call("set limit", limit=5)
    _full(world)
    start(world, "laptop", NEWS)
    world.call("set limit", limit=1)
    world.now += 1000


def _lowered_with_a_ghost(world: World) -> None:
    _ghost_and_live(world)
    world.call("set limit", limit=1)
    world.now += 1000


def _suspended(world: World) -> None:
    _full(world)
    world.call("set limit", limit=0, ends_surplus=True)
    world.now += 1000


def _taken_over(world: World) -> None:
    start(world, "tv", FILM)
    start(world, "tv", OTHER_FILM)


def _stopped(world: World) -> None:
    _full(world)
    world.call("stop", id="tv", token=1)
    world.now += 1000


def _revived_unanswered(world: World) -> None:
    start(world, "tv", FILM)
    world.now += 20_000
    world.call("heartbeat", id="tv", token=1, fault=done_unanswered)
    world.now += 70_000
    world.call("heartbeat", id="tv", token=1, fault=done_unanswered)
    world.now += 5000


def _zap_unanswered(world: World) -> None:
    start(world, "tv", FILM)
    start(world, "tv", OTHER_FILM, fault=done_unanswered)


def _start_rate_used_up(world: World) -> None:
    start(world, "tv", FILM)
    world.call("start", id="tv", attributes=FILM)
    world.now += 500


def _entitled(world: World) -> None:
    world.call("set limit", limit=3)
    start(world, "tv", FILM, granted=Granted(plan="evicting"))
    start(world, "phone", SHOW, granted=Granted(limit=2))


def _almost_over(world: World) -> None:
    _paused(world)
    world.now += 70_000


def _many_endings(world: World) -> None:
    """Leave room for no further ending of an id of this length."""
    world.call("set limit", limit=20)
    for index in range(12):
        start(world, f"old-{index}", FILM)
        world.call("end", id=f"old-{index}")
        world.now += 3000
    _full(world)


def _long_ids(world: World) -> None:
    """Start streams whose endings take most of the room."""
    world.call("set limit", limit=20)
    for id in ("a" * 128, "b" * 128):
        start(world, id, NEWS)
        world.call("end", id=id)
        world.now += 3000
    start(world, "c" * 128, NEWS)
    _full(world)


def silent(index: int, operation: str, carry_out: Try) -> dict[str, Any]:
    """Let the store be silent."""
    raise no_answer(operation)


def grace(world: World, id: str, said: Attributes, **details: Any) -> None:
    """Start a stream while the store is silent."""
    start(world, id, said, fault=silent, **details)


def _grace_with_room(world: World) -> None:
    start(world, "phone", SHOW)
    grace(world, "tv", FILM)


def _grace_over_the_limit(world: World) -> None:
    _full_of_others(world)
    grace(world, "tv", FILM)


def _full_of_others(world: World) -> None:
    start(world, "phone", SHOW)
    start(world, "laptop", NEWS)


def _grace_unanswered(world: World) -> None:
    start(world, "tv", FILM, fault=done_unanswered)


def _grace_after_a_playback(world: World) -> None:
    _full(world)
    grace(world, "tv", OTHER_FILM)


def _grace_after_a_stop(world: World) -> None:
    _stopped(world)
    grace(world, "tv", OTHER_FILM)


def _grace_admitted_unanswered(world: World) -> None:
    _grace_with_room(world)
    world.now += 20_000
    world.call("heartbeat", id="tv", token=2, fault=done_unanswered)
    world.now += 1000


def _grace_paused(world: World) -> None:
    world.call("set limit", plan="ruled")
    grace(world, "tv", FILM)
    world.call("heartbeat", id="tv", token=2, is_paused=True, fault=silent)
    world.now += 5000


def _grace_expired(world: World) -> None:
    _grace_after_a_stop(world)
    world.now += 60_000


def _renewed_in_an_outage(world: World) -> None:
    _full(world)
    for token in (1, 3, 4, 5):
        world.now += 20_000
        world.call("heartbeat", id="tv", token=token, fault=silent)


def _grace_with_little_in_the_bucket(world: World) -> None:
    _start_rate_used_up(world)
    grace(world, "tv", OTHER_FILM)


SCENES: Mapping[str, Scene] = {
    "empty": Scene(_empty),
    "forgotten": Scene(_forgotten),
    "with room": Scene(_with_room),
    "full": Scene(_full),
    "ghost and live": Scene(_ghost_and_live),
    "ghosts": Scene(_ghosts),
    "about to expire": Scene(_about_to_expire),
    "evicting": Scene(_evicting),
    "evicting by default": Scene(_full, catalogue="evicting"),
    "ruled": Scene(_ruled),
    "paused": Scene(_paused),
    "relaxed": Scene(_relaxed),
    "lowered": Scene(_lowered),
    "lowered, ghost": Scene(_lowered_with_a_ghost),
    "suspended": Scene(_suspended),
    "taken over": Scene(_taken_over),
    "stopped": Scene(_stopped),
    "revived, unanswered": Scene(_revived_unanswered),
    "zapped, unanswered": Scene(_zap_unanswered),
    "start rate used up": Scene(_start_rate_used_up, burst=2),
    "entitled": Scene(_entitled),
    "pause almost over": Scene(_almost_over),
    "many endings": Scene(_many_endings),
    "long ids": Scene(_long_ids),
    "grace, with room": Scene(_grace_with_room, is_open=True),
    "grace, over the limit": Scene(_grace_over_the_limit, is_open=True),
    "grace, evicting": Scene(_grace_over_the_limit, "evicting", is_open=True),
    "grace, unanswered": Scene(_grace_unanswered, is_open=True),
    "grace, after a playback": Scene(_grace_after_a_playback, is_open=True),
    "grace, after a stop": Scene(_grace_after_a_stop, is_open=True),
    "grace, admitted": Scene(_grace_admitted_unanswered, is_open=True),
    "grace, paused": Scene(_grace_paused, is_open=True),
    "grace, expired": Scene(_grace_expired, is_open=True),
    "grace, start rate used up": Scene(
        _grace_with_little_in_the_bucket, burst=2, is_open=True
    ),
    "renewed in an outage": Scene(_renewed_in_an_outage, is_open=True),
}


def catalogue_of(scene: Scene) -> Catalogue:
    """Return the plans and the start rate of a scene."""
    return read(scene.catalogue, burst=scene.burst, is_open=scene.is_open)
