"""`make demo-rtmp`: nginx serves RTMP, and the agent keeps a limit of two players.

The demo starts the service, the agent, nginx with the RTMP module, and ffmpeg, which
makes the film and plays it. Then it tells a story: two players play, a third one is
refused, an operator ends a stream, and its player is cut.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import Request, urlopen

PROJECT = Path(__file__).resolve().parent.parent.parent
EXAMPLE = PROJECT / "clients" / "agent" / "examples" / "nginx-rtmp.conf"
MODULE = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")

SERVICE_PORT = int(os.environ.get("PORT", "8000"))
RTMP_PORT = int(os.environ.get("RTMP_PORT", "1935"))
NGINX_PORT = int(os.environ.get("NGINX_PORT", "8080"))
AGENT_PORT = int(os.environ.get("AGENT_PORT", "9100"))
SERVICE = f"http://127.0.0.1:{SERVICE_PORT}"
NGINX = f"http://127.0.0.1:{NGINX_PORT}"
AGENT = f"http://127.0.0.1:{AGENT_PORT}"
FILM = f"rtmp://127.0.0.1:{RTMP_PORT}/live/film"
STREAMS = "/users/ana/streams"

LIMIT = 2
SETTINGS = {"LEASE_SECONDS": "6", "STREAM_LIMIT": str(LIMIT)}
START_SECONDS = 60
DECISION_SECONDS = 20
PICTURE = ["-re", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25"]
ENCODING = ["-c:v", "flv", "-g", "25", "-f", "flv"]


def main() -> int:
    """Tell the story. Return 1 if a program is missing."""
    ffmpeg, nginx = _ffmpeg(), shutil.which("nginx") or "/usr/sbin/nginx"
    if ffmpeg is None or not Path(nginx).exists() or not MODULE.exists():
        _say("This demo needs nginx with the RTMP module, and ffmpeg. On Debian:")
        _say("  apt-get install nginx libnginx-mod-rtmp ffmpeg")
        return 1

    with ExitStack() as running, TemporaryDirectory(prefix="demo-rtmp-") as name:
        folder = Path(name)
        running.enter_context(_process(*_service()))
        _wait_until_answered(f"{SERVICE}/healthz")
        running.enter_context(_process(*_agent(folder)))
        _wait_until_answered(f"{AGENT}/healthz")
        running.enter_context(_process([nginx, "-c", _nginx(folder), "-e", "stderr"]))
        _wait_until_answered(f"{NGINX}/stat")
        source = [ffmpeg, "-v", "error", *PICTURE, *ENCODING, FILM]
        running.enter_context(_process(source))
        _wait_until(lambda: b"<publishing" in _get(f"{NGINX}/stat"))
        _tell(ffmpeg, running)
    return 0


def _tell(ffmpeg: str, running: ExitStack) -> None:
    players = [_play(ffmpeg, running) for _ in range(LIMIT)]
    _wait_until(lambda: len(_live()) == LIMIT)
    _say(f"{LIMIT} players play. The limit is {LIMIT}.")

    refused = _play(ffmpeg, running)
    began = time.monotonic()
    refused.wait(DECISION_SECONDS)
    _say(f"A third player is refused after {time.monotonic() - began:.1f} s.")

    ended = _live()[0]["id"]
    _call("DELETE", f"{STREAMS}/{ended}")
    began = time.monotonic()
    _say(f"An operator ends {ended}.")
    _wait_until(lambda: any(player.poll() is not None for player in players))
    _say(f"nginx has cut its player after {time.monotonic() - began:.1f} s.")

    player = _play(ffmpeg, running)
    _wait_until(lambda: len(_live()) == LIMIT)
    assert player.poll() is None
    _say("Another player has its slot.")
    _say(f'Play it yourself: ffplay "{FILM}?ticket={_ticket()}"')
    if "--once" not in sys.argv:
        _say("The ticket is valid for a minute. Ctrl-C ends the demo.")
        while True:
            time.sleep(3600)


def _ffmpeg() -> str | None:
    """Return ffmpeg of this machine, or that of the development environment."""
    found = shutil.which("ffmpeg")
    if found is not None:
        return found
    try:
        from imageio_ffmpeg import get_ffmpeg_exe
    except ImportError:
        return None
    return str(get_ffmpeg_exe())


def _service() -> tuple[list[str], dict[str, str]]:
    command = [sys.executable, "manage.py", "runserver", "--noreload"]
    return [*command, f"127.0.0.1:{SERVICE_PORT}"], SETTINGS


def _agent(folder: Path) -> tuple[list[str], dict[str, str]]:
    configuration = folder / "agent.toml"
    configuration.write_text(
        f'limiter = "{SERVICE}"\n'
        f'listen = "127.0.0.1:{AGENT_PORT}"\n'
        f'state = "{folder}/state.sqlite3"\n'
        "[nginx-rtmp]\n"
        f'control = "{NGINX}/control"\n'
        f'stat = "{NGINX}/stat"\n'
    )
    paths = [str(PROJECT / "clients" / name) for name in ("agent", "python")]
    command = [sys.executable, "-m", "streams_agent", str(configuration)]
    return command, {"PYTHONPATH": os.pathsep.join(paths)}


def _nginx(folder: Path) -> str:
    """Write the documented configuration with the demo's ports. Return its path."""
    names = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{name}_temp_path {folder}/{name};" for name in names)
    text = EXAMPLE.read_text()
    for shown, used in {
        "load_module modules/ngx_rtmp_module.so": f"load_module {MODULE}",
        "events {}": f"events {{}} daemon off; master_process off; pid {folder}/pid;",
        "http {": f"http {{ access_log off; {temporary}",
        "listen 1935;": f"listen 127.0.0.1:{RTMP_PORT};",
        "listen 127.0.0.1:8080;": f"listen 127.0.0.1:{NGINX_PORT};",
        "http://127.0.0.1:9100": AGENT,
    }.items():
        text = text.replace(shown, used)
    path = folder / "nginx.conf"
    path.write_text(text)
    return str(path)


def _play(ffmpeg: str, running: ExitStack) -> "subprocess.Popen[bytes]":
    url = f"{FILM}?ticket={_ticket()}"
    command = [ffmpeg, "-v", "quiet", "-i", url, "-f", "null", "-"]
    return running.enter_context(_process(command))


@contextmanager
def _process(
    command: list[str], environment: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a program, and end it at the end."""
    with subprocess.Popen(  # noqa: S603  # commands of this module
        command,
        cwd=PROJECT,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def _ticket() -> str:
    return str(_call("POST", "/users/ana/tickets")["ticket"])


def _live() -> list[Any]:
    return list(_call("GET", STREAMS)["streams"])


def _call(method: str, path: str) -> Any:
    request = Request(f"{SERVICE}{path}", method=method)  # noqa: S310  # the service
    with urlopen(request, timeout=10) as response:  # noqa: S310
        body = response.read()
    return json.loads(body) if body else None


def _get(url: str) -> bytes:
    with urlopen(url, timeout=10) as response:  # noqa: S310  # a server of this demo
        return bytes(response.read())


def _wait_until_answered(url: str) -> None:
    def is_answered() -> bool:
        try:
            return bool(_get(url))
        except OSError:
            return False

    _wait_until(is_answered)


def _wait_until(is_true: Any) -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while not is_true():
        assert time.monotonic() < give_up_at, "a program did not answer in time"
        time.sleep(0.1)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(0)
