"""Altered hooks of every adapter: each gets an answer, and none admits a player."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams_agent.adapters import ADAPTERS
from streams_agent.hooks import Event, Fields, Hook, Reply, Verdict
from tests.unit.agent.desk import HTTP, Desk, FakeLimiter
from tests.unit.agent.test_hooks_of_servers import SECRET, STARTS, signed

PIECES = st.one_of(
    st.binary(max_size=12),
    st.sampled_from(
        rb"& = %00 %ff ? {} [] null \ticket=x &user=a&user=b &clientid=1 ://[".split()
    ),
)
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 20), PIECES), max_size=4)

type Edits = list[tuple[float, int, bytes]]
"""A place, the number of bytes to replace there, and what replaces them."""


def edited(text: bytes, edits: Edits) -> bytes:
    """Return the text with pieces put in the place of some bytes."""
    for place, length, piece in edits:
        start = int(place * len(text))
        text = text[:start] + piece + text[start + length :]
    return text


def edited_hook(hook: Hook, edits: Edits, name: str) -> Hook:
    headers = [
        (header, edited(value.encode(), edits).decode(errors="replace"))
        for header, value in hook.headers.pairs
    ]
    query = edited(hook.query.encode(), edits).decode(errors="replace")
    altered = Hook(
        method=hook.method,
        path=query,
        query=query,
        headers=Fields(headers),
        body=edited(hook.body, edits),
    )
    # The content behind a valid signature is altered too.
    return signed(altered, SECRET) if name == "ovenmediaengine" else altered


async def reply_to(folder: Path, name: str, hook: Hook) -> tuple[Reply, bool]:
    """Return the reply without free slots, and whether the agent keeps a player."""
    desk = Desk(folder, limiter=FakeLimiter(limit=0))
    options = {"secret": SECRET, "api": "http://x", "identify_by": "user"}
    desk.server = ADAPTERS[name](options, HTTP)  # type: ignore[assignment]
    async with desk.keeper() as keeper:
        reply = await keeper.handle(desk.server, hook)
        return reply, bool(keeper.counts or desk.limiter.streams)


@pytest.mark.parametrize("name", ADAPTERS)
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[*HealthCheck],
)
@given(edits=EDITS)
def test_an_altered_hook_gets_an_answer_and_admits_no_player(
    tmp_path: Path, name: str, edits: Edits
) -> None:
    hook = edited_hook(STARTS[name], edits, name)
    reply, keeps_a_player = asyncio.run(reply_to(tmp_path, name, hook))

    server = ADAPTERS[name]({"secret": SECRET}, HTTP)
    admission = server.reply(Event.START, Verdict(True))
    assert reply.status < 500
    assert reply != admission
    assert not keeps_a_player
