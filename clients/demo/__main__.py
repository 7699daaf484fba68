"""What an edge token is for, to be seen: `make demo`.

It starts the service, with its console and a limit of one stream, and beside it what stands for a CDN: a player page
and a live stream, whose segments only an edge token opens. The picture is made by ffmpeg where that is, else it is the
small sample beside this file; either plays in a loop.
"""

import mimetypes
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from clients.edge.middleware import EdgeTokens, EdgeTokensWSGI, keys_at
from deploy.management.commands.keys import new_key

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
SAMPLE, MADE = HERE / "media", PROJECT / ".local" / "demo" / "media"
SERVICE_PORT, PORT = (
    int(os.environ.get("PORT", "8000")),
    int(os.environ.get("DEMO_PORT", "8001")),
)
SERVICE, DEMO = f"http://127.0.0.1:{SERVICE_PORT}", f"http://127.0.0.1:{PORT}"
AUDIENCE = "cdn.demo"
SETTINGS = {
    "LEASE_SECONDS": "15",
    "EDGE_TOKEN_GRACE_SECONDS": "5",
    "STREAM_LIMIT": "1",
    "CORS_ALLOWED_ORIGINS": DEMO,
    "EDGE_TOKEN_ISSUER": SERVICE,
    "EDGE_TOKEN_AUDIENCE": AUDIENCE,
}
"""Of the service; what the environment says goes before."""
PAGES = {
    "/": HERE / "player.html",
    "/player.js": HERE / "player.js",
    "/player.css": HERE / "player.css",
    "/hls.light.min.js": HERE / "hls.light.min.js",
    "/streams-client.js": PROJECT / "clients" / "web" / "streams-client.js",
}
STREAM = "/media/film/"
IN_THE_PLAYLIST = 5
PICTURE = "testsrc2=size=640x360:rate=25:duration=30"
FFMPEG = [
    *(
        "-v",
        "error",
        "-y",
        "-f",
        "lavfi",
        "-i",
        PICTURE,
        "-c:v",
        "libx264",
        "-profile:v",
        "baseline",
    ),
    *(
        "-pix_fmt",
        "yuv420p",
        "-preset",
        "veryfast",
        "-g",
        "25",
        "-keyint_min",
        "25",
        "-sc_threshold",
        "0",
    ),
    *("-f", "hls", "-hls_time", "1", "-hls_list_size", "0"),
]

type StartResponse = Callable[[str, list[tuple[str, str]]], Any]


def media() -> Path:
    """A folder with segments of a second each, `0.mpegts` and so on."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None or "--sample" in sys.argv:
        return SAMPLE
    if not (MADE / "0.mpegts").is_file():
        MADE.mkdir(parents=True, exist_ok=True)
        made = [
            *FFMPEG,
            "-hls_segment_filename",
            str(MADE / "%d.mpegts"),
            str(MADE / "made.m3u8"),
        ]
        subprocess.run([ffmpeg, *made], check=True)  # noqa: S603  # nothing of it is anybody's
    return MADE


def playlist(second: int, segments: int) -> str:
    """A live playlist at this second: the last few segments of a picture that begins anew at its end."""
    first = max(0, second - IN_THE_PLAYLIST)
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        "#EXT-X-TARGETDURATION:1",
        f"#EXT-X-MEDIA-SEQUENCE:{first}",
        f"#EXT-X-DISCONTINUITY-SEQUENCE:{first // segments}",
    ]
    for number in range(first, second):
        if number % segments == 0 and number > first:
            lines.append("#EXT-X-DISCONTINUITY")
        lines += ["#EXTINF:1.000,", f"{number % segments}.mpegts?{number}"]
    return "\n".join(lines) + "\n"


def origin(folder: Path) -> Callable[[dict[str, Any], StartResponse], Iterable[bytes]]:
    """The live stream, for whoever is let through."""
    began, segments = (
        int(time.time()) - IN_THE_PLAYLIST - 1,
        len(list(folder.glob("*.mpegts"))),
    )

    def application(
        environ: dict[str, Any], start_response: StartResponse
    ) -> Iterable[bytes]:
        name = environ["PATH_INFO"].removeprefix(STREAM)
        if name == "live.m3u8":
            text = playlist(int(time.time()) - began, segments)
            return _send(start_response, text.encode(), "application/vnd.apple.mpegurl")
        if name.removesuffix(".mpegts").isdigit() and (folder / name).is_file():
            return _send(start_response, (folder / name).read_bytes(), "video/mp2t")
        return _send(start_response, b"not here", "text/plain", "404 Not Found")

    return application


def demo(folder: Path) -> Callable[[dict[str, Any], StartResponse], Iterable[bytes]]:
    """Pages for everyone, the stream for edge tokens."""
    keys = keys_at(f"{SERVICE}/.well-known/jwks.json")
    tokens = EdgeTokens(
        keys, issuer=SERVICE, audience=AUDIENCE, stream_id=r"/media/([^/]+)/"
    )
    guarded = EdgeTokensWSGI(origin(folder), tokens)

    def application(
        environ: dict[str, Any], start_response: StartResponse
    ) -> Iterable[bytes]:
        page = PAGES.get(environ["PATH_INFO"])
        if page is None:
            return guarded(environ, start_response)
        content = page.read_bytes().replace(b"{{ service }}", SERVICE.encode())
        return _send(
            start_response, content, mimetypes.guess_type(page)[0] or "text/plain"
        )

    return application


def _send(
    start_response: StartResponse, content: bytes, kind: str, status: str = "200 OK"
) -> Iterable[bytes]:
    headers = [
        ("Content-Type", kind),
        ("Content-Length", str(len(content))),
        ("Cache-Control", "no-store"),
    ]
    start_response(status, headers)
    return [content]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


def main() -> None:
    """Serve until it is stopped."""
    environment = {**SETTINGS, "EDGE_TOKEN_KEYS": new_key("es256"), **os.environ}
    server = make_server("127.0.0.1", PORT, demo(media()), _Server, _Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(
        f"The player: {DEMO}/ Open it twice, as two devices: the second takes the first one's place.\n"
    )
    sys.stdout.write(f"The console: {SERVICE}/console?user=ana\n")
    sys.stdout.flush()
    command = [
        sys.executable,
        "manage.py",
        "runserver",
        "--noreload",
        "--exit-with-parent",
        f"127.0.0.1:{SERVICE_PORT}",
    ]
    with suppress(KeyboardInterrupt):
        sys.exit(
            subprocess.run(
                command, cwd=PROJECT, env=environment, check=False
            ).returncode
        )  # noqa: S603


if __name__ == "__main__":
    main()
