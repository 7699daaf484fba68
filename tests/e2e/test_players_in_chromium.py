"""The bindings of hls.js, dash.js, Shaka and video.js, with real players in Chromium.

Each player plays the same film, in two qualities, from a server that counts requests.
"""

import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import imageio_ffmpeg
import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.browser.chromium import launched
from tests.servers import PROJECT, brief_server
from tests.wsgi_servers import serving

pytestmark = pytest.mark.browser

WEB = PROJECT / "clients" / "web"
PACKAGES = {
    "hls": ("hls.js@1.7.4", "dist/hls.min.js"),
    "dash": ("dashjs@5.2.1", "dist/modern/umd/dash.all.min.js"),
    "shaka": ("shaka-player@5.2.12", "dist/shaka-player.compiled.js"),
    "videojs": ("video.js@8.24.1", "dist/video.min.js"),
}
FFMPEG_OPTIONS = """
-v error -f lavfi -i testsrc2=size=160x90:rate=10:duration=60 -map 0:v -map 0:v
-c:v libx264 -profile:v baseline -pix_fmt yuv420p -preset ultrafast
-g 10 -keyint_min 10 -sc_threshold 0 -b:v:0 20k -b:v:1 60k
-f dash -seg_duration 1 -use_template 1 -use_timeline 0 -hls_playlist 1
-adaptation_sets id=0,streams=v film.mpd
"""
TYPES = {
    ".js": "text/javascript",
    ".m3u8": "application/x-mpegURL",
    ".mpd": "application/dash+xml",
    ".m4s": "video/mp4",
}
PAGE = """<!doctype html><title>Player</title>
<video id="video" muted width="160" height="90"></video>
<script src="/player/{player}.js"></script>
<script type="module">
  import * as bindings from "/web/players/{player}.js";
  window.bindings = bindings;
</script>"""

BIND: dict[str, str] = {
    "hls": "bindings.bindHls(Hls, video, options, { maxBufferLength: 4 })",
    "dash": """bindings.bindDash(dashjs, video, options, { streaming: {
        buffer: { bufferTimeDefault: 4, bufferTimeAtTopQuality: 4 } } })""",
    "shaka": """bindings.bindShaka(shaka, video, options,
        { streaming: { bufferingGoal: 4 } })""",
    "videojs": """(videojs.Vhs.GOAL_BUFFER_LENGTH = 3,
        videojs.Vhs.MAX_GOAL_BUFFER_LENGTH = 3,
        bindings.bindVideojs(videojs(video), options))""",
}
SOURCES: dict[str, str] = {
    "hls": "'/media/master.m3u8'",
    "dash": "'/media/film.mpd'",
    "shaka": "'/media/film.mpd'",
    "videojs": "{ src: '/media/master.m3u8', type: 'application/x-mpegURL' }",
}
SWITCH: dict[str, str] = {
    "hls": "player.hls.currentLevel = (player.hls.currentLevel + 1) % 2",
    "dash": """{
      player.dash.updateSettings({ streaming: { abr:
        { autoSwitchBitrate: { video: false } } } });
      const { index } = player.dash.getCurrentRepresentationForType("video");
      player.dash.setRepresentationForTypeByIndex("video", 1 - index, true);
    }""",
    "shaka": """{
      player.shaka.configure({ abr: { enabled: false } });
      const other = player.shaka.getVariantTracks().find((track) => !track.active);
      player.shaka.selectVariantTrack(other, true);
    }""",
    "videojs": """{
      const levels = player.videojs.tech(true).vhs.representations();
      levels.sort((one, other) => other.bandwidth - one.bandwidth);
      levels[0].enabled(false);
    }""",
}
CREATE = """([service, userId]) => {{
  window.events = [];
  const note = (event) => (detail) => {{ events.push([event, detail]); }};
  const on = {{}};
  const names = ["admitted", "denied", "ended", "failed"];
  for (const event of names) on[event] = note(event);
  const options = {{ url: service, userId, on }};
  const get = () => document.querySelector("video");
  Object.defineProperty(window, "video", {{ get }});
  window.player = {bind};
}}"""
PLAY = """async (request) => {{
  const isAdmitted = await player.play(request, {source});
  if (isAdmitted) (player.videojs ?? video).play().catch(() => {{}});
  return isAdmitted;
}}"""


class MediaServer:
    """A server of the page, the players and the film, which records requests."""

    def __init__(self, folder: Path, scripts: dict[str, bytes]) -> None:
        self.folder = folder
        self.scripts = scripts
        self.tokens: list[tuple[str, str | None]] = []
        """The path of each request for media, with its edge token."""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        path = environ["PATH_INFO"]
        content = self._content(path)
        if path.startswith("/media/"):
            self.tokens.append((path, environ.get("HTTP_X_EDGE_TOKEN")))
        content_type = TYPES.get(Path(path).suffix, "text/html")
        status = "404 Not Found" if content is None else "200 OK"
        start_response(status, [("Content-Type", content_type)])
        return [content or b""]

    def _content(self, path: str) -> bytes | None:
        kind, _, name = path.removeprefix("/").partition("/")
        if kind == "player":
            return self.scripts[name.removesuffix(".js")]
        if kind == "page":
            return PAGE.format(player=name).encode()
        folder = {"web": WEB, "media": self.folder}.get(kind)
        return (folder / name).read_bytes() if folder else None

    def segments(self, part: str = ".m4s") -> list[str]:
        return [path for path, _ in list(self.tokens) if part in path]


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Download the players, all at once, and return their scripts."""
    folder = tmp_path_factory.mktemp("players")
    scripts: dict[str, bytes] = {}

    def download(name: str, package: str, path: str) -> None:
        own = folder / name
        own.mkdir()
        command = ["npm", "pack", "--silent", package]
        subprocess.run(command, cwd=own, check=True, capture_output=True, timeout=120)
        with tarfile.open(next(own.glob("*.tgz"))) as archive:
            script = archive.extractfile(f"package/{path}")
            assert script
            scripts[name] = script.read()

    downloads = [
        Thread(target=download, args=(name, *package))
        for name, package in PACKAGES.items()
    ]
    for thread in downloads:
        thread.start()
    for thread in downloads:
        thread.join()
    return scripts


@pytest.fixture(scope="module")
def media(
    scripts: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> MediaServer:
    folder = tmp_path_factory.mktemp("media")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), *FFMPEG_OPTIONS.split()]
    subprocess.run(command, cwd=folder, check=True, timeout=60)
    return MediaServer(folder, scripts)


@pytest.fixture(scope="module")
def origin(media: MediaServer) -> Iterator[str]:
    with serving(media) as url:
        yield url


@pytest.fixture(scope="module")
def service(origin: str) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CORS_ALLOWED_ORIGINS", origin)
        patch.setenv("STREAM_LIMIT", "1")
        patch.setenv("EDGE_TOKEN_KEYS", "a-secret-of-the-edge-0123456789abcdef")
        patch.setenv("EDGE_TOKEN_ISSUER", "https://limits.example.com")
        patch.setenv("EDGE_TOKEN_AUDIENCE", "cdn.example.com")
        with brief_server() as server:
            yield server.url


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with launched("--autoplay-policy=no-user-gesture-required") as browser:
        yield browser


class Scene:
    """A page with one player, its user's calls, and the requests for media."""

    def __init__(
        self, page: Page, media: MediaServer, service: str, user_id: str, player: str
    ) -> None:
        self.page = page
        self.media = media
        self.player = player
        self.streams = f"{service}/users/{user_id}/streams"
        media.tokens.clear()

    def play(self, stream_id: str, **fields: Any) -> bool:
        request = {"streamId": stream_id, "deviceId": "web", **fields}
        script = PLAY.format(source=SOURCES[self.player])
        return bool(self.page.evaluate(script, request))

    def plays_beyond(self, seconds: float) -> bool:
        return bool(self.page.evaluate(f"video.currentTime > {seconds}"))

    def active(self) -> list[dict[str, Any]]:
        streams: list[dict[str, Any]] = httpx.get(self.streams).json()["streams"]
        return streams

    def events(self) -> list[str]:
        return [event for event, _ in self.page.evaluate("events")]

    def wait_for(self, is_true: Callable[[], object], seconds: float = 15) -> None:
        """Wait until a condition holds, while the page's events are handled."""
        deadline = time.monotonic() + seconds
        while not is_true():
            assert time.monotonic() < deadline, (self.events(), self.media.tokens[-5:])
            self.page.wait_for_timeout(50)


@pytest.fixture(params=PACKAGES)
def scene(
    request: pytest.FixtureRequest,
    chromium: Browser,
    origin: str,
    media: MediaServer,
    service: str,
    user_id: str,
) -> Iterator[Scene]:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{origin}/page/{request.param}")
    page.wait_for_function("window.bindings")
    create = CREATE.format(bind=BIND[request.param])
    page.evaluate(create, [service, user_id])
    yield Scene(page, media, service, user_id, request.param)
    context.close()


def test_a_player_obeys_its_lease(scene: Scene) -> None:
    """Start, quality, pause, resume, next item, replace, cut-off and destruction."""
    page, media = scene.page, scene.media
    other = {"streamId": "news", "deviceId": "tv"}
    httpx.post(scene.streams, json=other).raise_for_status()

    # A denied player requests no byte.
    assert not scene.play("film")
    assert scene.events() == ["denied"]
    assert media.tokens == []

    # The viewer chooses whom to end.
    assert scene.play("film", replace=["tv"])
    scene.wait_for(lambda: scene.plays_beyond(0.3))
    assert [stream["id"] for stream in scene.active()] == ["web"]

    # Each request carries the token, also after a change of the quality.
    qualities = {path.rpartition("-")[0] for path in media.segments("chunk")}
    page.evaluate(f"() => {SWITCH[scene.player]}")
    scene.wait_for(
        lambda: (
            {path.rpartition("-")[0] for path in media.segments("chunk")} > qualities
            or len(qualities) == 2
        )
    )
    assert all(token for _, token in media.tokens), media.tokens

    page.evaluate("video.pause()")
    scene.wait_for(lambda: scene.active()[0]["state"] == "paused")
    page.evaluate("void video.play()")
    scene.wait_for(lambda: scene.active()[0]["state"] == "playing")

    # The next item keeps the slot.
    assert scene.play("next-film")
    scene.wait_for(lambda: scene.plays_beyond(0.3))
    assert [stream["streamId"] for stream in scene.active()] == ["next-film"]

    # An operator's end stops the requests.
    httpx.delete(f"{scene.streams}/web").raise_for_status()
    scene.wait_for(lambda: scene.events()[-1] == "ended")
    page.wait_for_timeout(300)
    requests = len(media.tokens)
    page.wait_for_timeout(1200)
    assert len(media.tokens) == requests

    # A destroyed player frees its slot.
    assert scene.play("film")
    scene.wait_for(lambda: scene.plays_beyond(0.1))
    page.evaluate("player.destroy()")
    scene.wait_for(lambda: scene.active() == [])
    assert all(token for _, token in media.tokens), media.tokens
