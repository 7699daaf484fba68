"""Players that count the bytes that a media server sends them."""

import asyncio
import os
import struct
import time
from abc import ABC, abstractmethod
from urllib.parse import urlsplit

import httpx

CHUNK_BYTES = 128
"""Length of a chunk of an RTMP message, until a peer sets another."""
HANDSHAKE_BYTES = 1536
SEGMENT_BYTES = 16_384
SEGMENT_SECONDS = 0.3
MEDIA_BYTES = 8192
"""More than the server sends before the first byte of media."""


class Player(ABC):
    """One connection to a media server, from its start to its end."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.bytes = 0
        self.last_byte_at = 0.0
        self.started_at = time.monotonic()
        self.closed_at: float | None = None
        self.changed = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    @property
    def plays(self) -> bool:
        """Whether the player receives media."""
        return self.closed_at is None and self.bytes > MEDIA_BYTES

    @property
    def is_decided(self) -> bool:
        """Whether the player plays, or was refused."""
        return self.plays or self.closed_at is not None

    async def close(self) -> None:
        """Hang up."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            await self._play()
        except (OSError, EOFError):
            pass
        finally:
            self.closed_at = time.monotonic()
            self.changed.set()

    @abstractmethod
    async def _play(self) -> None:
        """Connect, and receive until the server hangs up."""

    async def _receive(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(65_536):
            self.bytes += len(data)
            self.last_byte_at = time.monotonic()
            self.changed.set()


class HTTPPlayer(Player):
    """A player of an HTTP stream."""

    async def _play(self) -> None:
        parts = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        target = f"{parts.path}?{parts.query}"

        writer.write(f"GET {target} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        try:
            status = await reader.readline()
            if b" 200 " in status:
                await self._receive(reader)
        finally:
            writer.close()


class SegmentPlayer(Player):
    """A player that fetches one segment after the other, until one is refused."""

    async def _play(self) -> None:
        async with httpx.AsyncClient(timeout=30) as http:
            while (await http.get(self.url)).status_code == 200:
                self.bytes += SEGMENT_BYTES
                self.last_byte_at = time.monotonic()
                await asyncio.sleep(SEGMENT_SECONDS)


class RTMPPlayer(Player):
    """A player of an RTMP stream. It reads the media without decoding it."""

    async def _play(self) -> None:
        parts = urlsplit(self.url)
        _, app, name = parts.path.split("/", 2)

        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            await self._shake_hands(reader, writer)

            tc_url = f"rtmp://{parts.netloc}/{app}"
            connect = _command("connect", 1, {"app": app, "tcUrl": tc_url})
            writer.write(_message(connect))
            writer.write(_message(_command("createStream", 2, None)))
            play = _command("play", 3, None, f"{name}?{parts.query}")
            writer.write(_message(play, stream=1))
            await self._receive(reader)
        finally:
            writer.close()

    async def _shake_hands(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(b"\x03" + bytes(8) + os.urandom(HANDSHAKE_BYTES - 8))
        await reader.readexactly(1)
        challenge = await reader.readexactly(HANDSHAKE_BYTES)
        await reader.readexactly(HANDSHAKE_BYTES)
        writer.write(challenge)


def _command(name: str, transaction: int, *arguments: object) -> bytes:
    """Return a command of RTMP in AMF0."""
    return b"".join(_amf(value) for value in (name, float(transaction), *arguments))


def _amf(value: object) -> bytes:
    if value is None:
        return b"\x05"
    if isinstance(value, float):
        return b"\x00" + struct.pack(">d", value)
    if isinstance(value, str):
        return b"\x02" + _text(value)
    assert isinstance(value, dict)
    members = b"".join(_text(name) + _amf(member) for name, member in value.items())
    return b"\x03" + members + b"\x00\x00\x09"


def _text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack(">H", len(encoded)) + encoded


def _message(payload: bytes, *, stream: int = 0) -> bytes:
    """Return an RTMP message of the type AMF0 command, in chunks."""
    size = struct.pack(">I", len(payload))[1:]
    header = b"\x03" + bytes(3) + size + b"\x14" + struct.pack("<I", stream)
    chunks = [
        payload[start : start + CHUNK_BYTES]
        for start in range(0, len(payload), CHUNK_BYTES)
    ]
    return header + b"\xc3".join(chunks)
