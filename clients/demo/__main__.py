"""`make demo`: shows the purpose of edge tokens.

The demo starts the service, with its console and a limit of one stream. Next to it runs
a server in the role of a CDN: a page with a player, and a live stream whose segments
require an edge token. ffmpeg makes the picture if it is installed. Otherwise the demo
plays the small sample in this folder. Either one plays in a loop.
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
from streams.edge_keys import new_key

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
SAMPLE_FOLDER = HERE / "media"
ENCODED_FOLDER = PROJECT / ".local" / "demo" / "media"

SERVICE_PORT = int(os.environ.get("PORT", "8000"))
DEMO_PORT = int(os.environ.get("DEMO_PORT", "8001"))
SERVICE_URL = f"http://127.0.0.1:{SERVICE_PORT}"
DEMO_URL = f"http://127.0.0.1:{DEMO_PORT}"
AUDIENCE = "cdn.demo"
SETTINGS = {
    "LEASE_SECONDS": "15",
    "EDGE_TOKEN_GRACE_SECONDS": "5",
    "STREAM_LIMIT": "1",
    "CORS_ALLOWED_ORIGINS": DEMO_URL,
    "EDGE_TOKEN_ISSUER": SERVICE_URL,
    "EDGE_TOKEN_AUDIENCE": AUDIENCE,
}
"""The service's settings. Variables of the environment take precedence."""

PAGES = {
    "/": HERE / "player.html",
    "/player.js": HERE / "player.js",
    "/player.css": HERE / "player.css",
    "/hls.light.min.js": HERE / "hls.light.min.js",
    "/streams-client.js": PROJECT / "clients" / "web" / "streams-client.js",
}
STREAM_PATH = "/media/film/"
PLAYLIST_SEGMENTS = 5

SOURCE_OPTIONS = {
    "-v": "error",
    "-f": "lavfi",
    "-i": "testsrc2=size=640x360:rate=25:duration=30",
}
VIDEO_OPTIONS = {
    "-c:v": "libx264",
    "-profile:v": "baseline",
    "-pix_fmt": "yuv420p",
    "-preset": "veryfast",
    "-g": "25",
    "-keyint_min": "25",
    "-sc_threshold": "0",
}
SEGMENT_OPTIONS = {
    "-f": "hls",
    "-hls_time": "1",
    "-hls_list_size": "0",
    "-hls_segment_filename": str(ENCODED_FOLDER / "%d.mpegts"),
}

type Environ = dict[str, Any]
type StartResponse = Callable[[str, list[tuple[str, str]]], Any]
type Application = Callable[[Environ, StartResponse], Iterable[bytes]]


def media_folder() -> Path:
    """Return a folder with segments of one second each: `0.mpegts` and so on."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None or "--sample" in sys.argv:
        return SAMPLE_FOLDER

    is_encoded = (ENCODED_FOLDER / "0.mpegts").is_file()
    if not is_encoded:
        ENCODED_FOLDER.mkdir(parents=True, exist_ok=True)
        _encode(ffmpeg)
    return ENCODED_FOLDER


def _encode(ffmpeg: str) -> None:
    command = [ffmpeg, "-y"]
    for options in (SOURCE_OPTIONS, VIDEO_OPTIONS, SEGMENT_OPTIONS):
        for name, value in options.items():
            command += [name, value]
    command.append(str(ENCODED_FOLDER / "made.m3u8"))
    subprocess.run(command, check=True)  # noqa: S603  # no part comes from a user


def playlist(second: int, segments: int) -> str:
    """Return the live playlist of a second: the latest segments of a looped picture."""
    first = max(0, second - PLAYLIST_SEGMENTS)
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        "#EXT-X-TARGETDURATION:1",
        f"#EXT-X-MEDIA-SEQUENCE:{first}",
        f"#EXT-X-DISCONTINUITY-SEQUENCE:{first // segments}",
    ]
    for number in range(first, second):
        is_new_loop = number % segments == 0
        if is_new_loop and number > first:
            lines.append("#EXT-X-DISCONTINUITY")
        lines.append("#EXTINF:1.000,")
        lines.append(f"{number % segments}.mpegts?{number}")
    return "\n".join(lines) + "\n"


def origin(folder: Path) -> Application:
    """Return an application that serves the live stream without a check."""
    segments = len(list(folder.glob("*.mpegts")))
    began = int(time.time()) - PLAYLIST_SEGMENTS - 1

    def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        name = environ["PATH_INFO"].removeprefix(STREAM_PATH)
        if name == "live.m3u8":
            text = playlist(int(time.time()) - began, segments)
            return _send(start_response, text.encode(), "application/vnd.apple.mpegurl")

        file = folder / name
        is_segment = name.removesuffix(".mpegts").isdigit() and file.is_file()
        if is_segment:
            return _send(start_response, file.read_bytes(), "video/mp2t")
        return _send(start_response, b"not found", "text/plain", "404 Not Found")

    return application


def demo(folder: Path) -> Application:
    """Return an application that serves the pages, and the stream with edge tokens."""
    tokens = EdgeTokens(
        keys_at(f"{SERVICE_URL}/.well-known/jwks.json"),
        issuer=SERVICE_URL,
        audience=AUDIENCE,
        stream_id=r"/media/([^/]+)/",
    )
    guarded_origin = EdgeTokensWSGI(origin(folder), tokens)

    def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        page = PAGES.get(environ["PATH_INFO"])
        if page is None:
            return guarded_origin(environ, start_response)

        content = page.read_bytes().replace(b"{{ service }}", SERVICE_URL.encode())
        guessed_type, _ = mimetypes.guess_type(page)
        return _send(start_response, content, guessed_type or "text/plain")

    return application


def _send(
    start_response: StartResponse,
    content: bytes,
    media_type: str,
    status: str = "200 OK",
) -> Iterable[bytes]:
    headers = [
        ("Content-Type", media_type),
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
    """Serve until the process is stopped."""
    application = demo(media_folder())
    server = make_server("127.0.0.1", DEMO_PORT, application, _Server, _Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    sys.stdout.write(
        f"The player: {DEMO_URL}/ Open it twice, as two devices. The second device "
        "takes the place of the first.\n"
        f"The console: {SERVICE_URL}/console?user=ana\n"
    )
    sys.stdout.flush()

    with suppress(KeyboardInterrupt):
        sys.exit(_serve())


def _serve() -> int:
    """Run the service and return its exit status."""
    options = ["--noreload", "--exit-with-parent", f"127.0.0.1:{SERVICE_PORT}"]
    command = [sys.executable, "manage.py", "runserver", *options]
    environment = {**SETTINGS, "EDGE_TOKEN_KEYS": new_key("es256"), **os.environ}
    finished = subprocess.run(  # noqa: S603  # no part comes from a user
        command, cwd=PROJECT, env=environment, check=False
    )
    return finished.returncode


if __name__ == "__main__":
    main()
