"""The calls that meet in a scene."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.contract.scenes import FILM, NEWS, OTHER_FILM, attributes
from tests.contract.state import Granted
from tests.contract.world import World

type Details = dict[str, Any]


@dataclass(frozen=True)
class Deed:
    """A call that meets another. `needs` says what the scene must have for it."""

    verb: str
    details: Details = field(default_factory=dict)
    needs: str = ""

    def is_possible(self, world: World) -> bool:
        """Return whether the scene has the token or the playback that this needs."""
        return not self.needs or latest_token(world, "tv") > 0

    def resolve(self, world: World) -> dict[str, Any]:
        """Return the arguments of the call in a scene."""
        details = dict(self.details)
        if self.needs == "token":
            details["token"] = latest_token(world, "tv")
        if self.needs == "epoch":
            details["playback"] = latest_playback(world, "tv")
        if self.needs == "epoch to replace":
            details["replaces"] = (("tv", latest_playback(world, "tv")),)
        return details


def latest_token(world: World, id: str) -> int:
    """Return the number of the call whose answer contained the last token, or 0."""
    return max(
        (
            event.call.number
            for event in world.history
            if event.call.id == id and event.call.number in world.known.tokens
        ),
        default=0,
    )


def latest_playback(world: World, id: str) -> int:
    """Return the number of the last start that was admitted, or 0."""
    return max(
        (
            event.call.number
            for event in world.history
            if event.call.id == id and event.call.number in world.known.epochs
        ),
        default=0,
    )


TV: Details = {"id": "tv"}
DEEDS: Mapping[str, Deed] = {
    "start tv": Deed("start", {"id": "tv", "attributes": FILM}),
    "zap tv": Deed("start", {"id": "tv", "attributes": OTHER_FILM}),
    "start pc": Deed("start", {"id": "pc", "attributes": NEWS}),
    "start pc with film": Deed(
        "start", {"id": "pc", "attributes": attributes("film", "web", "home")}
    ),
    "start pc, entitled": Deed(
        "start",
        {"id": "pc", "attributes": NEWS, "granted": Granted(limit=1)},
    ),
    "replace tv": Deed(
        "start", {"id": "pc", "attributes": NEWS, "replaces": (("tv", None),)}
    ),
    "replace this tv": Deed(
        "start", {"id": "pc", "attributes": NEWS}, needs="epoch to replace"
    ),
    "heartbeat tv": Deed("heartbeat", TV, needs="token"),
    "pause tv": Deed("heartbeat", TV | {"is_paused": True}, needs="token"),
    "stop tv": Deed("stop", TV, needs="token"),
    "end tv": Deed("end", TV),
    "end this tv": Deed("end", TV, needs="epoch"),
    "end all": Deed("end all"),
    "end all but tv": Deed("end all", {"keep": "tv"}),
    "suspend": Deed("set limit", {"limit": 0, "ends_surplus": True}),
    "limit 1": Deed("set limit", {"limit": 1, "ends_surplus": True}),
    "limit 5": Deed("set limit", {"limit": 5}),
    "plan": Deed("set limit", {"plan": "ruled"}),
    "clear limit": Deed("clear limit"),
    "forget": Deed("forget"),
    "list": Deed("list"),
    "dry run pc": Deed("dry run", {"id": "pc", "attributes": NEWS}),
}
READS = ("list", "dry run pc")
