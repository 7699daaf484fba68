"""Media servers with one source that never ends, configured for the agent."""

import shutil
import socket
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from tests.agent.players import (
    SEGMENT_BYTES,
    HTTPPlayer,
    Player,
    RTMPPlayer,
    SegmentPlayer,
)
from tests.servers import PROJECT, free_port, is_open

START_SECONDS = 30
PASSWORD = "hackme"
UPDATE_SECONDS = 2

EXAMPLES = PROJECT / "clients" / "agent" / "examples"
ICECAST = """
<icecast>
  <limits>
    <clients>500</clients><sources>4</sources><queue-size>524288</queue-size>
    <burst-size>65535</burst-size>
  </limits>
  <authentication>
    <source-password>{password}</source-password>
    <admin-user>admin</admin-user><admin-password>{password}</admin-password>
  </authentication>
  <listen-socket><port>{port}</port><bind-address>127.0.0.1</bind-address></listen-socket>
  {mount}
  <paths>
    <logdir>{folder}</logdir><webroot>/usr/share/icecast2/web</webroot>
    <adminroot>/usr/share/icecast2/admin</adminroot>
  </paths>
  <logging><errorlog>error.log</errorlog><loglevel>2</loglevel></logging>
  <security><changeowner><user>nobody</user><group>nogroup</group></changeowner></security>
</icecast>
"""


class MediaServer(ABC):
    """A media server that runs."""

    name: str
    settings: str
    """The adapter's table in the agent's configuration."""
    agent_settings = ""
    """Further settings of the agent."""

    @abstractmethod
    def play(self, ticket: str) -> Player:
        """Open a player with a ticket in its URL."""

    @abstractmethod
    @contextmanager
    def running(self, folder: Path, hooks: str) -> Iterator[None]:
        """Run the server and its source. `hooks` is the address of the agent."""


class NginxRTMP(MediaServer):
    """nginx with the RTMP module, and a film of ffmpeg."""

    name = "nginx-rtmp"

    def __init__(self) -> None:
        self.rtmp, self.http = free_port(), free_port()
        url = f"http://127.0.0.1:{self.http}"
        self.settings = f'control = "{url}/control"\nstat = "{url}/stat"'

    def play(self, ticket: str) -> Player:
        return RTMPPlayer(f"rtmp://127.0.0.1:{self.rtmp}/live/film?ticket={ticket}")

    @contextmanager
    def running(self, folder: Path, hooks: str) -> Iterator[None]:
        path = folder / "nginx.conf"
        path.write_text(self._configuration(folder, hooks))
        command = [shutil.which("nginx") or "/usr/sbin/nginx", "-c", str(path)]
        log = ["-e", str(folder / "error.log")]
        url = f"http://127.0.0.1:{self.rtmp}"
        with process(command + log, url), self._film():
            yield

    def _configuration(self, folder: Path, hooks: str) -> str:
        """Return the documented configuration, with other places and ports."""
        replacements = {
            "load_module modules/": "load_module /usr/lib/nginx/modules/",
            "events {}": (
                "events {} daemon off; master_process off; "
                f"pid {folder}/pid; error_log {folder}/error.log;"
            ),
            "http {": f"http {{ access_log off; {temporary_paths(folder)}",
            "listen 1935;": f"listen 127.0.0.1:{self.rtmp};",
            "listen 127.0.0.1:8080;": f"listen 127.0.0.1:{self.http} backlog=4096;",
            "http://127.0.0.1:9100": hooks,
            "notify_update_timeout 10s;": f"notify_update_timeout {UPDATE_SECONDS}s;",
        }
        return replaced(EXAMPLES / "nginx-rtmp.conf", replacements)

    @contextmanager
    def _film(self) -> Iterator[None]:
        from imageio_ffmpeg import get_ffmpeg_exe

        picture = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=10"]
        codec = ["-c:v", "flv", "-b:v", "200k", "-g", "10", "-f", "flv"]
        target = f"rtmp://127.0.0.1:{self.rtmp}/live/film"
        command = [get_ffmpeg_exe(), "-v", "error", "-re", *picture, *codec, target]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL) as source:
            try:
                wait_until(lambda: "<publishing" in self._statistics())
                yield
            finally:
                source.kill()

    def _statistics(self) -> str:
        return httpx.get(f"http://127.0.0.1:{self.http}/stat").text


class Icecast(MediaServer):
    """Icecast with a source of silence."""

    name = "icecast"

    def __init__(self) -> None:
        self.port = free_port()
        url = f"http://127.0.0.1:{self.port}"
        self.settings = f'admin = "{url}/admin"\nadmin_password = "{PASSWORD}"'

    def play(self, ticket: str) -> Player:
        return HTTPPlayer(f"http://127.0.0.1:{self.port}/film?ticket={ticket}")

    @contextmanager
    def running(self, folder: Path, hooks: str) -> Iterator[None]:
        # Icecast changes its user, which must reach the folder of the log.
        with TemporaryDirectory(prefix="icecast-") as logs:
            Path(logs).chmod(0o777)
            path = folder / "icecast.xml"
            mount = replaced(EXAMPLES / "icecast.xml", {"http://127.0.0.1:9100": hooks})
            configuration = ICECAST.format(
                folder=logs, mount=mount, port=self.port, password=PASSWORD
            )
            path.write_text(configuration)
            command = [shutil.which("icecast2") or "/usr/bin/icecast2", "-c", str(path)]
            with process(command, f"http://127.0.0.1:{self.port}"), self._silence():
                yield

    def _source(self) -> socket.socket:
        """Connect the source. Icecast accepts connections before it is ready."""
        auth = httpx.BasicAuth("source", PASSWORD)._auth_header
        head = f"SOURCE /film HTTP/1.0\r\nAuthorization: {auth}\r\n"
        give_up_at = time.monotonic() + START_SECONDS
        while time.monotonic() < give_up_at:
            source = socket.create_connection(("127.0.0.1", self.port))
            source.sendall(f"{head}Content-Type: audio/mpeg\r\n\r\n".encode())
            with suppress(OSError):
                if b" 200 " in source.recv(100):
                    return source
            source.close()
            time.sleep(0.1)
        raise AssertionError("Icecast accepts no source")

    @contextmanager
    def _silence(self) -> Iterator[None]:
        source = self._source()
        is_over = threading.Event()

        def send() -> None:
            while not is_over.wait(0.05):
                source.sendall(bytes(2048))

        thread = threading.Thread(target=send)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()
            source.close()


class SegmentServer(MediaServer):
    """nginx with `auth_request` in front of the segments of a film."""

    name = "auth-request"
    settings = ""
    agent_settings = "silent_seconds = 2"

    def __init__(self) -> None:
        self.port = free_port()

    def play(self, ticket: str) -> Player:
        url = f"http://127.0.0.1:{self.port}/media/film/1.ts?ticket={ticket}"
        return SegmentPlayer(url)

    @contextmanager
    def running(self, folder: Path, hooks: str) -> Iterator[None]:
        film = folder / "media" / "film"
        film.mkdir(parents=True)
        (film / "1.ts").write_bytes(bytes(SEGMENT_BYTES))

        locations = replaced(
            EXAMPLES / "auth-request.conf", {"http://127.0.0.1:9100": hooks}
        )
        path = folder / "nginx.conf"
        path.write_text(
            f"daemon off; master_process off; pid {folder}/pid; events {{}} "
            f"error_log {folder}/error.log; http {{ access_log off; "
            f"{temporary_paths(folder)} server {{ root {folder}; "
            f"listen 127.0.0.1:{self.port} backlog=4096; {locations} }} }}"
        )
        command = [shutil.which("nginx") or "/usr/sbin/nginx", "-c", str(path)]
        log = ["-e", str(folder / "error.log")]
        with process(command + log, f"http://127.0.0.1:{self.port}"):
            yield


def temporary_paths(folder: Path) -> str:
    """Return the settings that keep nginx's temporary files in a folder."""
    names = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return " ".join(f"{name}_temp_path {folder}/{name};" for name in names)


def replaced(path: Path, replacements: Mapping[str, str]) -> str:
    """Return the text of a file with replacements."""
    text = path.read_text()
    for shown, used in replacements.items():
        assert shown in text, shown
        text = text.replace(shown, used)
    return text


@contextmanager
def process(command: list[str], url: str) -> Iterator[None]:
    """Run a server until it accepts connections, and kill it at the end."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            wait_until(lambda: is_open(url) or server.poll() is not None)
            assert server.poll() is None, "the server has ended"
            yield
        finally:
            server.kill()


def wait_until(is_true: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    give_up_at = time.monotonic() + START_SECONDS
    while not is_true():
        assert time.monotonic() < give_up_at, "the server did not start"
        time.sleep(0.02)
