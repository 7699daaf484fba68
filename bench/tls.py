"""TLS before an engine, in a process of its own, so that its processor time is nobody's who is measured. Connections
stay open as long as both sides want; the certificate is an RSA one, as Amazon's is.

python -m bench.tls ENDPOINT CERTIFICATE   serves on a free port of loopback, which it prints
"""

import asyncio
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import certifi
import trustme

from bench.engines import PROJECT

LISTEN_QUEUE = 1024
CHUNK = 65_536


@contextmanager
def terminated(endpoint: str) -> Iterator[tuple[str, str]]:
    """An https:// endpoint for an engine, and the AWS_CA_BUNDLE that trusts it: its authority behind all those that a
    client loads who trusts Amazon's."""
    with tempfile.TemporaryDirectory() as folder:
        authority = trustme.CA(key_type=trustme.KeyType.RSA)
        certificate, bundle = (
            Path(folder) / "server.pem",
            Path(folder) / "authorities.pem",
        )
        issued = authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.RSA)
        issued.private_key_and_cert_chain_pem.write_to_path(certificate)
        bundle.write_bytes(
            Path(certifi.where()).read_bytes() + authority.cert_pem.bytes()
        )
        command = [sys.executable, "-m", "bench.tls", endpoint, str(certificate)]
        with subprocess.Popen(
            command, cwd=PROJECT, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stdout
                if not (port := process.stdout.readline().strip()):
                    raise RuntimeError("what terminates TLS did not start")
                yield f"https://127.0.0.1:{port}", str(bundle)
            finally:
                process.terminate()


async def _serve(endpoint: str, certificate: str) -> None:
    engine = urlsplit(endpoint)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    async def accept(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        from_engine, to_engine = await asyncio.open_connection(
            engine.hostname, engine.port
        )
        await asyncio.gather(_pass_on(reader, to_engine), _pass_on(from_engine, writer))

    server = await asyncio.start_server(
        accept, "127.0.0.1", 0, ssl=context, backlog=LISTEN_QUEUE
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until one side is gone."""
    with suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
