"""Callers of the rehearsed API: players under load, and a smoke test."""

import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from deploy.rehearsal.stage import Rehearsal, expect

SECONDS_BETWEEN_CALLS = 0.1
SECONDS_UNTIL_A_RETRY = 2
FILM = {"streamId": "film"}


@contextmanager
def viewers(api: Callable[[], httpx.Client]) -> Iterator[Counter[str]]:
    """Run players while the block runs, and yield the number of each answer.

    One player sends heartbeats all the time. Others start and stop, each as another
    user, since one user may not start so fast.
    """
    answers: Counter[str] = Counter()
    is_over = threading.Event()

    def call(client: httpx.Client, method: str, path: str, **body: Any) -> Any:
        answer = client.request(method, path, **body)
        if "store-unavailable" in answer.text:
            # The emulator's DynamoDB stands still while its Lambda unpacks a package.
            time.sleep(SECONDS_UNTIL_A_RETRY)
            answer = client.request(method, path, **body)
        answers[f"{method} {answer.status_code}"] += 1
        return answer

    def watch() -> None:
        user = f"/users/{_name('viewer')}/streams"
        with api() as client:
            stream = call(client, "POST", user, json=FILM).json()
            heartbeat = f"{user}/{stream['id']}/heartbeat"
            token = stream["token"]
            while not is_over.wait(SECONDS_BETWEEN_CALLS):
                answer = call(client, "POST", heartbeat, json={"token": token})
                token = answer.json().get("token", token)

                other = f"/users/{_name('viewer')}/streams/tv"
                call(client, "PUT", other, json=FILM)
                call(client, "DELETE", other)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield answers
    finally:
        is_over.set()
        thread.join()


def assert_all_succeeded(answers: Counter[str]) -> None:
    """Raise unless the viewers made calls, and each succeeded."""
    assert answers.total() > 5, answers
    failed = {answer for answer in answers if not answer.split()[1].startswith("2")}
    expect(failed, set())


def smoke_test(api: httpx.Client) -> None:
    """Start to the limit, renew, end a stream, and load a page with its styles."""
    user = f"/users/{_name('smoke')}/streams"
    starts = [api.post(user, json={"streamId": "456"}) for _ in range(4)]
    expect([answer.status_code for answer in starts], [201, 201, 201, 409])

    stream = starts[0].json()
    heartbeat = api.post(
        f"{user}/{stream['id']}/heartbeat", json={"token": stream["token"]}
    )
    expect(heartbeat.status_code, 200)
    expect(api.delete(f"{user}/{stream['id']}").status_code, 204)
    expect(api.get(user).json()["active"], 2)

    page = api.get(user, headers={"Accept": "text/html"})
    expect(page.headers["Content-Type"], "text/html; charset=utf-8")
    for style in re.findall(r'href="[^"]*?(/static/[^"]+\.css)"', page.text):
        expect(api.get(style).headers["Content-Type"], 'text/css; charset="utf-8"')


def assert_lease(rehearsal: Rehearsal, seconds: int) -> None:
    """Raise unless the version with the traffic gives leases of this length."""
    user = f"/users/{_name('lease')}/streams"
    with rehearsal.api() as api:
        stream = api.post(user, json=FILM).json()
    expect(int(stream["leaseSeconds"]), seconds)


def _name(prefix: str) -> str:
    return f"{prefix}-{secrets.token_hex(4)}"
