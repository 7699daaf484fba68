"""The acts: each checks one promise of the agent at a media server."""

import asyncio
import time
from collections.abc import Mapping

from tests.agent.players import MEDIA_BYTES, Player
from tests.agent.scene import Scene, until

LIMIT = 3
QUIET_SECONDS = 2.0
"""A player whose last byte is older than this receives no more."""


async def crowd(scene: Scene, *, rounds: int, players: int = 16) -> Mapping[str, float]:
    """Start many players of one user at once. At most three of them receive media."""
    most, fewest = 0, LIMIT
    slowest_refusal = slowest_release = 0.0
    for _ in range(rounds):
        crowd = await scene.play(players)
        playing = [player for player in crowd if player.bytes > 0 and player.plays]
        refused = [player for player in crowd if player not in playing]
        # A machine that is too busy for the limiter refuses more players.
        assert 1 <= len(playing) <= LIMIT, len(playing)
        assert all(player.closed_at is not None for player in refused)
        assert all(player.bytes <= MEDIA_BYTES for player in refused)

        waits = [(player.closed_at or 0.0) - player.started_at for player in refused]
        most = max(most, len(playing))
        fewest = min(fewest, len(playing))
        slowest_refusal = max(slowest_refusal, *waits)
        slowest_release = max(slowest_release, await scene.hang_up(crowd))
    return {
        "rounds": rounds,
        "players with media, at most": most,
        "at least": fewest,
        "slowest refusal, s": slowest_refusal,
        "slowest release of the slots, s": slowest_release,
    }


async def fourth(scene: Scene) -> Mapping[str, float]:
    """Refuse a fourth player within a second."""
    three = await scene.fill(LIMIT)
    (player,) = await scene.play(1)
    assert not player.plays
    assert player.closed_at is not None
    wait = player.closed_at - player.started_at

    await scene.hang_up(three)
    assert wait < 1
    return {"refusal of the fourth, s": wait}


async def ended(scene: Scene) -> Mapping[str, float]:
    """End a stream as an operator. Its bytes end within an interval and a second."""
    (player,) = await scene.fill(1)
    (stream,) = await scene.live()

    began = time.monotonic()
    response = await scene.limiter.delete(f"{scene.streams}/{stream['id']}")
    response.raise_for_status()

    await until(lambda: player.closed_at is not None)
    assert player.last_byte_at - began <= stream["heartbeatSeconds"] + 1
    return {
        "interval, s": stream["heartbeatSeconds"],
        "end of the bytes, s": player.last_byte_at - began,
    }


async def limiter_away(scene: Scene, *, seconds: float) -> Mapping[str, float]:
    """Silence the limiter. Players go on, and new ones are refused."""
    three = await scene.fill(LIMIT)
    tickets = await scene.tickets(1)

    await scene.gate.close()
    went_at = time.monotonic()

    newcomer = scene.server.play(tickets[0])
    await until(lambda: newcomer.is_decided)
    refused = not newcomer.plays

    await asyncio.sleep(max(0.0, seconds - (time.monotonic() - went_at)))
    await scene.gate.open()

    await _live_again(scene)
    cut = _cut(three)
    slots = await scene.live()
    await scene.hang_up(three)
    assert refused
    assert cut == 0
    assert len(slots) == LIMIT
    return {"away, s": seconds, "players cut": cut, "slots afterwards": len(slots)}


async def agent_killed(scene: Scene, *, times: int) -> Mapping[str, float]:
    """Kill the agent and start it again. Players go on with their slots."""
    three = await scene.fill(LIMIT)
    before = {stream["id"] for stream in await scene.live()}

    for _ in range(times):
        scene.agent.kill()
        scene.agent.start()
        await _renewed(scene, before)

    cut = _cut(three)
    after = {stream["id"] for stream in await scene.live()}
    await scene.hang_up(three)
    assert cut == 0
    assert before == after
    return {
        "kills": times,
        "players cut": cut,
        "slots lost": len(before - after),
        "slots held twice": len(after - before),
    }


async def _live_again(scene: Scene) -> None:
    """Wait until the agent has renewed every lease after an outage."""
    while len(await scene.live()) < LIMIT:
        await asyncio.sleep(0.05)


async def _renewed(scene: Scene, ids: set[str]) -> None:
    """Wait until the leases of these streams were renewed once more."""
    first = {stream["id"]: stream["expiresAt"] for stream in await scene.live()}
    assert set(first) >= ids, "a slot is lost"

    pending = set(ids)
    while pending:
        await asyncio.sleep(0.1)
        for stream in await scene.live():
            if stream["expiresAt"] != first.get(stream["id"]):
                pending.discard(stream["id"])


def _cut(players: list[Player]) -> int:
    """Return the number of players whose media has ended."""
    now = time.monotonic()
    return sum(
        player.closed_at is not None or now - player.last_byte_at > QUIET_SECONDS
        for player in players
    )
