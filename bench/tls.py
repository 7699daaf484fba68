"""Terminates TLS in front of an engine.

It runs in a separate process, so that its processor time does not count towards a
measured process. Connections stay open while both sides want them. The certificate is
an RSA certificate, as Amazon's is.

python -m bench.tls ENDPOINT CERTIFICATE

Serves on a free port of loopback and prints the port.
"""

import asyncio
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import certifi
import trustme

from bench.engines import PROJECT

AMAZON_AUTHORITIES = PROJECT / "streams" / "dynamodb" / "amazon_authorities.pem"
LISTEN_QUEUE = 1024
CHUNK_BYTES = 65_536


class Terminated(NamedTuple):
    """An engine's https:// endpoint, with two values of `AWS_CA_BUNDLE` for it.

    A client loads as many authorities as it would load for Amazon: the peers every
    public one, the service those that it ships for Amazon's endpoints.
    """

    endpoint: str
    public_bundle: str
    amazon_bundle: str


@contextmanager
def terminated(endpoint: str) -> Iterator[Terminated]:
    """Serve an engine over TLS."""
    with tempfile.TemporaryDirectory() as folder:
        certificate = Path(folder) / "server.pem"
        public_bundle = Path(folder) / "public.pem"
        amazon_bundle = Path(folder) / "amazon.pem"
        _issue(certificate, public_bundle, amazon_bundle)

        command = [sys.executable, "-m", "bench.tls", endpoint, str(certificate)]
        with subprocess.Popen(
            command, cwd=PROJECT, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout
            try:
                port = process.stdout.readline().strip()
                if not port:
                    raise RuntimeError("the TLS proxy of the engine did not start")
                yield Terminated(
                    f"https://127.0.0.1:{port}", str(public_bundle), str(amazon_bundle)
                )
            finally:
                process.terminate()


def _issue(certificate: Path, public_bundle: Path, amazon_bundle: Path) -> None:
    """Write a certificate for loopback, and bundles with its authority."""
    authority = trustme.CA(key_type=trustme.KeyType.RSA)
    issued = authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.RSA)
    issued.private_key_and_cert_chain_pem.write_to_path(certificate)

    own = authority.cert_pem.bytes()
    public_bundle.write_bytes(Path(certifi.where()).read_bytes() + own)
    amazon_bundle.write_bytes(AMAZON_AUTHORITIES.read_bytes() + own)


async def _serve(endpoint: str, certificate: str) -> None:
    """Accept TLS connections and forward them to the engine."""
    engine = urlsplit(endpoint)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    async def accept(
        client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter
    ) -> None:
        engine_reader, engine_writer = await asyncio.open_connection(
            engine.hostname, engine.port
        )
        await asyncio.gather(
            _forward(client_reader, engine_writer),
            _forward(engine_reader, client_writer),
        )

    server = await asyncio.start_server(
        accept,
        "127.0.0.1",
        0,
        ssl=context,
        backlog=LISTEN_QUEUE,
    )
    port = server.sockets[0].getsockname()[1]
    print(port, flush=True)
    await server.serve_forever()


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy bytes until one side closes its connection."""
    with suppress(OSError):
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
