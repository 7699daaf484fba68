"""The life of a player's session, from its start to its end."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.unit.agent.desk import (
    DENIED,
    ENDED,
    FORGOTTEN,
    NO_ROUTE,
    SILENT,
    TOO_MANY_STARTS,
    Desk,
    FakeServer,
    until,
)

type Story = Callable[[Desk], Coroutine[Any, Any, None]]
type Play = Callable[[Story], None]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Return a function that runs a story with a new desk."""

    def run(story: Story) -> None:
        async def with_desk() -> None:
            await story(Desk(tmp_path))

        asyncio.run(with_desk())

    return run


# --- starts -------------------------------------------------------------------------


def test_players_start_up_to_the_limit(play: Play) -> None:
    async def story(desk: Desk) -> None:
        async with desk.keeper() as keeper:
            starts = [desk.tell(keeper, "start", str(n)) for n in range(16)]
            admitted = await asyncio.gather(*starts)
            assert admitted.count(True) == 3

    play(story)


def test_a_repeated_hook_takes_no_second_slot(play: Play) -> None:
    async def story(desk: Desk) -> None:
        async with desk.keeper() as keeper:
            assert await asyncio.gather(
                *(desk.tell(keeper, "start") for _ in range(3))
            ) == [True, True, True]
            assert len(desk.limiter.streams) == 1

    play(story)


def test_another_stream_on_the_same_connection_frees_the_first(
    play: Play,
) -> None:
    async def story(desk: Desk) -> None:
        async with desk.keeper() as keeper:
            assert await desk.tell(keeper, "start", stream="film")
            assert await desk.tell(keeper, "start", stream="news")
            await until(lambda: len(desk.limiter.streams) == 1)

    play(story)


@pytest.mark.parametrize("answer", [DENIED, TOO_MANY_STARTS], ids=["409", "429"])
def test_a_refused_player_is_not_asked_for_again_at_once(
    play: Play, answer: Any
) -> None:
    async def story(desk: Desk) -> None:
        desk.limiter.answers["start"] = answer
        async with desk.keeper() as keeper:
            for _ in range(5):
                assert not await desk.tell(keeper, "playing")
            assert desk.limiter.calls.count("start") == 1

            desk.skipped_seconds += 3
            assert not await desk.tell(keeper, "playing")
            assert desk.limiter.calls.count("start") == 2

    play(story)


def test_a_player_that_the_agent_does_not_know_is_started(
    play: Play,
) -> None:
    async def story(desk: Desk) -> None:
        async with desk.keeper() as keeper:
            assert await desk.tell(keeper, "playing")
            assert len(desk.limiter.streams) == 1

    play(story)


def test_a_player_without_a_credential_is_refused(
    play: Play,
) -> None:
    async def story(desk: Desk) -> None:
        async with desk.keeper() as keeper:
            assert not await desk.tell(keeper, "start", token="none")
            assert desk.limiter.calls == []

    play(story)


# --- the silent limiter -------------------------------------------------------------


def test_a_start_without_an_answer_is_refused_and_its_slot_freed(
    play: Play,
) -> None:
    async def story(desk: Desk) -> None:
        desk.settings["answer_seconds"] = 0.05
        desk.limiter.gate.clear()
        async with desk.keeper() as keeper:
            assert not await desk.tell(keeper, "start")
            assert len(desk.limiter.streams) == 1

            desk.limiter.gate.set()
            await until(lambda: not desk.limiter.streams)

    play(story)


def test_a_start_whose_call_failed_is_ended_with_its_credential(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams_agent.keeper.CALL_SECONDS", 0.05)

    async def story(desk: Desk) -> None:
        desk.limiter.answers["start"] = SILENT
        async with desk.keeper() as keeper:
            assert not await desk.tell(keeper, "start")
            await until(lambda: not keeper.counts)
            assert "end" in desk.limiter.calls

    play(story)


def test_an_open_agent_lets_a_player_start_and_asks_again(
    play: Play,
) -> None:
    async def story(desk: Desk) -> None:
        desk.settings["when_silent"] = "open"
        desk.limiter.answers["start"] = SILENT
        async with desk.keeper() as keeper:
            assert await desk.tell(keeper, "start")
            assert keeper.counts == {"waiting": 1}

            del desk.limiter.answers["start"]
            await until(lambda: keeper.counts == {"playing": 1})
            assert await desk.tell(keeper, "playing")

    play(story)


def test_an_open_agent_cuts_a_player_that_the_limiter_refuses_afterwards(
    play: Play,
) -> None:
    async def story(desk: Desk) -> None:
        desk.settings["when_silent"] = "open"
        desk.limiter.answers["start"] = SILENT
        async with desk.keeper() as keeper:
            assert await desk.tell(keeper, "start")
            desk.limiter.answers["start"] = DENIED
            await until(lambda: bool(desk.server.kicks))
            assert not await desk.tell(keeper, "playing")

    play(story)


@pytest.mark.parametrize("answer", [SILENT, NO_ROUTE], ids=["no answer", "a proxy's"])
def test_a_player_goes_on_without_an_answer_until_the_end_of_the_grace_time(
    play: Play, answer: Any
) -> None:
    async def story(desk: Desk) -> None:
        async with desk.keeper() as keeper:
            assert await desk.tell(keeper, "start")
            desk.limiter.answers["renew"] = answer
            desk.skipped_seconds += 89
            await until(lambda: desk.limiter.calls.count("renew") > 2)
            assert await desk.tell(keeper, "playing")

            desk.skipped_seconds += 3
            await until(lambda: bool(desk.server.kicks))
            assert not await desk.tell(keeper, "playing")

    play(story)


# --- ends ---------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [ENDED, FORGOTTEN], ids=["410", "404"])
def test_an_ended_player_is_kicked_until_the_server_no_longer_lists_it(
    play: Play, answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams_agent.keeper.KICK_SECONDS", 0.01)

    async def story(desk: Desk) -> None:
        desk.server = FakeServer(lists=True)
        desk.server.obeys = False
        async with desk.keeper() as keeper:
            assert await desk.tell(keeper, "start")
            desk.limiter.answers["renew"] = answer
            desk.skipped_seconds += 1
            await until(lambda: len(desk.server.kicks) > 3)
            assert not await desk.tell(keeper, "start")

            desk.server.obeys = True
            await until(lambda: not keeper.counts)
            assert desk.limiter.calls.count("start") == 1

    play(story)


def test_a_stopped_player_frees_its_slot(play: Play) -> None:
    async def story(desk: Desk) -> None:
        async with desk.keeper() as keeper:
            assert await desk.tell(keeper, "start")
            await desk.tell(keeper, "stopped", token="none")
            await until(lambda: not desk.limiter.streams)
            await until(lambda: not keeper.counts)

    play(story)


def test_a_stop_is_repeated_until_the_limiter_answers(
    play: Play,
) -> None:
    async def story(desk: Desk) -> None:
        desk.limiter.answers["stop"] = SILENT
        async with desk.keeper() as keeper:
            assert await desk.tell(keeper, "start")
            await desk.tell(keeper, "stopped")
            await until(lambda: desk.limiter.calls.count("stop") > 2)

            del desk.limiter.answers["stop"]
            await until(lambda: not desk.limiter.streams)
            await until(lambda: not keeper.counts)

    play(story)


def test_a_player_that_the_server_no_longer_lists_has_stopped(
    play: Play,
) -> None:
    async def story(desk: Desk) -> None:
        desk.server = FakeServer(lists=True)
        async with desk.keeper() as keeper:
            assert await desk.tell(keeper, "start")
            desk.skipped_seconds += 1
            desk.server.players.clear()
            await until(lambda: not desk.limiter.streams)

    play(story)


def test_a_player_whose_hooks_cease_has_stopped(play: Play) -> None:
    async def story(desk: Desk) -> None:
        async with desk.keeper() as keeper:
            assert await desk.tell(keeper, "start")
            desk.skipped_seconds += 91
            await until(lambda: not desk.limiter.streams)
            await until(lambda: not keeper.counts)

    play(story)


# --- a killed agent -----------------------------------------------------------------


def test_sessions_continue_after_a_restart(play: Play) -> None:
    async def story(desk: Desk) -> None:
        async with desk.keeper() as keeper:
            assert await desk.tell(keeper, "start")

        streams = set(desk.limiter.streams)
        async with desk.keeper() as keeper:
            assert await desk.tell(keeper, "playing")
            desk.skipped_seconds += 1
            await until(lambda: "renew" in desk.limiter.calls)
            assert set(desk.limiter.streams) == streams
            assert desk.limiter.calls.count("start") == 1

            await desk.tell(keeper, "stopped")
            await until(lambda: not desk.limiter.streams)

    play(story)


def test_the_slot_of_an_unanswered_start_is_freed_after_a_restart(
    play: Play,
) -> None:
    async def story(desk: Desk) -> None:
        desk.limiter.gate.clear()
        async with desk.keeper() as keeper:
            hook = asyncio.create_task(desk.tell(keeper, "start"))
            await until(lambda: len(desk.limiter.streams) == 1)
            hook.cancel()

        async with desk.keeper():
            await until(lambda: not desk.limiter.streams)

    play(story)


def test_a_stop_is_sent_after_a_restart(play: Play) -> None:
    async def story(desk: Desk) -> None:
        desk.limiter.answers["stop"] = SILENT
        async with desk.keeper() as keeper:
            assert await desk.tell(keeper, "start")
            await desk.tell(keeper, "stopped")

        del desk.limiter.answers["stop"]
        async with desk.keeper() as keeper:
            await until(lambda: not desk.limiter.streams)
            await until(lambda: not keeper.counts)

    play(story)
