"""`make load URL=…`: players in the planner's mix, sent by Locust at a constant rate.

The rate does not depend on how long the answers take. The output has percentiles and
refusals by verb. The exit status is 1 if more than one answer in a hundred differs from
the planned one. The users are made up (`load-…`), and the run ends their streams.
"""

# Locust patches the standard library for gevent when it is imported. Only modules that
# use no sockets may be imported earlier.
from bench.mix import PLANNED, Answers, arguments, shares

OPTIONS = arguments() if __name__ == "__main__" else None

from locust import User, task  # noqa: E402
from locust.env import Environment  # noqa: E402

# ruff: isort: split
import json  # noqa: E402
import math  # noqa: E402
import random  # noqa: E402
import secrets  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections import deque  # noqa: E402
from collections.abc import Callable  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from http.client import HTTPException  # noqa: E402
from typing import Any, NamedTuple  # noqa: E402
from urllib.parse import urlsplit  # noqa: E402

import gevent.pool  # noqa: E402
from geventhttpclient import HTTPClient  # noqa: E402

from capacity.players import Players  # noqa: E402
from reporting.progress import progress  # noqa: E402

ANSWERED_WITHIN_SECONDS = 10
MAX_CONNECTIONS = 10_000
SECONDS_BETWEEN_UPDATES = 0.5
SECONDS_BETWEEN_HEARTBEATS = 19
MAX_PLAYING = 2000
FULL_USERS = 5
HIGHEST_LIMIT = 100
PREPARED_AT_ONCE = 16


@dataclass
class LoadedStream:
    """A stream that plays."""

    user: str
    id: str
    token: str


class Answer(NamedTuple):
    """The status and body of an answer. `status` is None when no answer arrived."""

    status: int | None
    body: Any

    @property
    def type(self) -> str:
        """The type of the problem, or an empty text."""
        type: str = self.body.get("type", "")
        return type


class Crowd(User):
    """All players of a run: one Locust user whose only task is the run."""

    options: Any
    answers: Answers

    def on_start(self) -> None:
        """Prepare the connections and the mix."""
        url = self.options.url
        self.http = HTTPClient.from_url(
            url,
            concurrency=MAX_CONNECTIONS,
            network_timeout=ANSWERED_WITHIN_SECONDS,
        )
        self.base = urlsplit(url).path
        self.headers = {"Content-Type": "application/json"}
        if self.options.api_key:
            self.headers["X-API-Key"] = self.options.api_key

        self.playing: deque[LoadedStream] = deque()
        self.full_users: list[str] = []
        self.mix = shares(Players(concurrent=1000))
        self.verbs: dict[str, Callable[[], Answer]] = {
            "start": self.start_new_user,
            "zap": self.zap,
            "denial": self.start_over_limit,
            "heartbeat": self.send_heartbeat,
            "stop": self.stop_stream,
            "list": self.list_streams,
        }

    @task
    def perform(self) -> None:
        """Start the streams that play before the load, send the load, clean up."""
        pool = gevent.pool.Pool(PREPARED_AT_ONCE)
        rate = self.options.rate
        playing = min(MAX_PLAYING, math.ceil(rate * SECONDS_BETWEEN_HEARTBEATS))
        pool.map(lambda _: self.start_new_user(), range(playing))
        pool.map(lambda _: self.fill_user(), range(FULL_USERS))

        self.send_load(rate, self.options.seconds)

        playing_users = [stream.user for stream in self.playing]
        pool.map(self.remove_user, playing_users + self.full_users)
        self.environment.runner.quit()

    def send_load(self, rate: float, seconds: float) -> None:
        """Send a request at each tick, each in its own greenlet."""
        verbs, weights = list(self.mix), list(self.mix.values())
        began = time.perf_counter()
        greenlets = []

        total = math.floor(rate * seconds)
        with progress("load", total=total) as advance:
            for number in range(total):
                due = began + number / rate
                gevent.sleep(max(0, due - time.perf_counter()))
                [verb] = random.choices(verbs, weights)
                greenlets.append(gevent.spawn(self.act, verb, due))
                if number % math.ceil(rate * SECONDS_BETWEEN_UPDATES) == 0:
                    elapsed = time.perf_counter() - began
                    advance(number, self.answers.so_far(elapsed))

        gevent.joinall(greenlets, timeout=ANSWERED_WITHIN_SECONDS)

    def act(self, verb: str, due: float) -> None:
        """Send one request. Its latency counts from its tick."""
        answer = self.verbs[verb]()
        latency_ms = (time.perf_counter() - due) * 1000
        self.answers.note(verb, latency_ms, answer.status, answer.type)

    def send(self, method: str, path: str, body: object = None) -> Answer:
        """Send one request and return its answer."""
        content = "" if body is None else json.dumps(body)
        url = f"{self.base}{path}"
        try:
            response = self.http.request(method, url, content, self.headers)
            text = bytes(response.read())
        except (OSError, HTTPException) as exc:
            return Answer(None, {"type": type(exc).__name__})

        try:
            return Answer(response.status_code, json.loads(text) if text else {})
        except ValueError:
            return Answer(response.status_code, {"type": "not JSON"})

    def start_stream(self, user: str, id: str) -> Answer:
        """Start a stream and remember it if it is admitted."""
        answer = self.post_start(user, id)
        if answer.status in (200, 201):
            stream = LoadedStream(user, answer.body["id"], answer.body["token"])
            self.playing.append(stream)
        return answer

    def post_start(self, user: str, id: str) -> Answer:
        """Send a start."""
        body = {"streamId": "film", "deviceId": id}
        return self.send("POST", f"/users/{user}/streams", body)

    def start_new_user(self) -> Answer:
        """Start the first stream of a new user."""
        return self.start_stream(_new_user(), "tv")

    def zap(self) -> Answer:
        """Start another programme on the same device."""
        if not self.playing:
            return self.start_new_user()
        stream = self.playing.popleft()
        return self.start_stream(stream.user, stream.id)

    def send_heartbeat(self) -> Answer:
        """Send the heartbeat of the stream that has waited longest."""
        if not self.playing:
            return self.start_new_user()

        stream = self.playing.popleft()
        path = f"/users/{stream.user}/streams/{stream.id}/heartbeat"
        answer = self.send("POST", path, {"token": stream.token})
        if answer.status == PLANNED["heartbeat"]:
            stream.token = answer.body["token"]
            self.playing.append(stream)
        return answer

    def stop_stream(self) -> Answer:
        """Stop the stream that has waited longest."""
        if not self.playing:
            return Answer(PLANNED["stop"], {})

        stream = self.playing.popleft()
        path = f"/users/{stream.user}/streams/{stream.id}/stop"
        return self.send("POST", path, {"token": stream.token})

    def fill_user(self) -> None:
        """Start streams of a new user until the limit is reached."""
        user = _new_user()
        for number in range(HIGHEST_LIMIT + 1):
            answer = self.post_start(user, f"device-{number}")
            if answer.status not in (200, 201):
                break
        self.full_users.append(user)

    def start_over_limit(self) -> Answer:
        """Start one more device of a user who has reached the limit."""
        return self.post_start(random.choice(self.full_users), "one-too-many")

    def list_streams(self) -> Answer:
        """List the streams of a user."""
        user = self.playing[0].user if self.playing else "load-nobody"
        return self.send("GET", f"/users/{user}/streams")

    def remove_user(self, user: str) -> None:
        """Erase a user, or end the user's streams if erasing is not allowed."""
        answer = self.send("DELETE", f"/users/{user}")
        if answer.status != 204:
            self.send("DELETE", f"/users/{user}/streams")


def _new_user() -> str:
    return f"load-{secrets.token_hex(8)}"


def failure_to_answer(url: str) -> str | None:
    """Return why the health check of a URL gets no answer, or None."""
    path = f"{urlsplit(url).path}/healthz"
    http = HTTPClient.from_url(url, network_timeout=ANSWERED_WITHIN_SECONDS)
    try:
        http.request("GET", path).read()
    except (OSError, HTTPException) as exc:
        return str(exc) or type(exc).__name__
    return None


def main(options: Any) -> int:
    """Run once, print the report and return the exit status."""
    failure = failure_to_answer(options.url)
    if failure is not None:
        sys.stderr.write(
            f"{options.url} does not answer: {failure}. Start the service with "
            "`make run`, or pass URL=….\n"
        )
        return 1

    answers = Answers()
    Crowd.options = options
    Crowd.answers = answers

    runner = Environment(user_classes=[Crowd]).create_local_runner()
    runner.start(1, spawn_rate=1)
    runner.greenlet.join()

    planned_shares = shares(Players(concurrent=1000))
    report = answers.report(
        rate=options.rate,
        seconds=options.seconds,
        planned=planned_shares,
    )
    sys.stdout.write(report + "\n")
    return 0 if answers.are_as_planned else 1


if __name__ == "__main__":
    sys.exit(main(OPTIONS))
