"""The matrix: every verb, every fault, every request of the verb.

    DEBUG=1 python -m tests.faults.matrix        # writes the table of docs/reliability.md

A case is a user of its own. The verb is called while the fault lasts; then the fault is over, and whoever got no answer
calls again; then what was kept on the way is delivered. Each answer has to be true, each holder has to play on.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import httpx
from django.test.utils import override_settings

from streams import service
from streams.conf import settings
from streams.dynamodb import calls, deadline
from streams.rules import Account
from streams.storage.store import StreamStore
from streams_project.wsgi import application
from tests.dynamodb_clients import curl
from tests.faults.client import CALL_SECONDS, DEADLINE_SECONDS, Elsewhere, through
from tests.faults.proxy import FAULTS, Fault, Proxy, proxying
from tests.faults.verbs import VERBS, Do, Scene, Verb
from tests.openapi_document import hold_to_the_document
from tests.wsgi_servers import serving

TO_ANSWER_SECONDS = 0.5
AT_ONCE = 16
UNAVAILABLE = ("store-unavailable", "store-contended", "request-timed-out")


@dataclass
class Case:
    """What came of a verb under a fault. `wrong` says what should not have been, `status` is that of the first
    answer."""

    verb: str
    fault: Fault
    status: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)


@dataclass
class Bench:
    """The service, over the proxy, over an engine."""

    proxy: Proxy
    network: Elsewhere
    api: httpx.Client
    store: StreamStore
    healthy: dict[str, tuple[int, Any, Any, int]] = field(default_factory=dict)
    """By verb: status, facts, the account after it and the requests it takes, without a fault."""

    def scene(self, verb: Verb) -> Scene:
        scene = Scene(
            self.api,
            self.store,
            f"user-{uuid4()}",
            "readyz" if verb is VERBS["readyz"] else "",
        )
        verb.before(scene)
        return scene

    def requests(self, name: str) -> int:
        """How many requests a verb makes without a fault."""
        return self._of_health(name)[3]

    def run_all(self, cases: Iterable[tuple[str, Fault]]) -> Iterator[Case]:
        """All of them, many at once: most of their time they wait. But `readyz` is one user's."""
        cases = sorted(
            cases, key=lambda case: (case[0] == "readyz", FAULTS.index(case[1].kind))
        )
        at_once, alone = (
            [case for case in cases if (case[0] == "readyz") is it]
            for it in (False, True)
        )
        with ThreadPoolExecutor(AT_ONCE) as pool:
            yield from pool.map(lambda case: self.run(*case), at_once)
        yield from (self.run(*case) for case in alone)

    def run(self, name: str, fault: Fault) -> Case:
        """One case."""
        case, verb = Case(name, fault), VERBS[name]
        status, facts, after, _ = self._of_health(name)
        scene = self.scene(verb)
        before = _known(scene)
        held = dict(scene.tokens)
        self.network.set(scene.asked_of, fault)
        began = time.monotonic()
        try:
            response = verb.do(scene)
        except Exception as exc:
            response = httpx.Response(
                0, text=repr(exc), request=httpx.Request("GET", "http://")
            )
        case.seconds, case.status = time.monotonic() - began, response.status_code
        self.network.set(scene.asked_of, None)
        if case.seconds > settings.DEADLINE_SECONDS + TO_ANSWER_SECONDS:
            case.wrong.append(f"took {case.seconds:.1f} s")
        if fault.kind == "late":
            self.proxy.deliver(scene.asked_of)
        if case.status == 503:
            self._unavailable(case, response)
            if _known(scene) not in (before, after):
                case.wrong.append(f"left {_known(scene)}")
            response = patiently(verb.do, scene)  # by its client, which got no answer
            if response.status_code not in self._of_a_repeat(name):
                case.wrong.append(
                    f"{response.status_code} to the repeat: {response.text}"
                )
        elif case.status != status or _facts(response) != facts:
            case.wrong.append(
                f"{case.status} {_facts(response)}, and {status} {facts} is what happened"
            )
        elif _known(scene) != after:
            case.wrong.append(f"{case.status}, but left {_known(scene)}")
        if name != "revival" or response.is_success:
            scene.keep(response)
        if verb.after is not None and fault.kind == "very late":
            following = patiently(verb.after, scene)
            if not following.is_success:
                case.wrong.append(
                    f"{following.status_code} to what follows: {following.text}"
                )
            scene.keep(following)
        known = _known(scene)
        self.proxy.deliver(scene.asked_of)
        if _known(scene) != known:
            case.wrong.append(f"{_known(scene)} after what was late, from {known}")
        self._holders_play_on(case, scene, held)
        return case

    def _of_health(self, name: str) -> tuple[int, Any, Any, int]:
        if name not in self.healthy:
            response = httpx.Response(503)
            while response.status_code == 503:  # by a machine that is busy
                scene = self.scene(VERBS[name])
                self.network.set(scene.asked_of, None)
                response = VERBS[name].do(scene)
            requests = self.proxy.numbers[scene.asked_of]
            self.healthy[name] = (
                response.status_code,
                _facts(response),
                _known(scene),
                requests,
            )
        return self.healthy[name]

    def _of_a_repeat(self, name: str) -> set[int]:
        """What a client may be told that calls again, not knowing whether its first call was carried out."""
        status = self._of_health(name)[0]
        return {status, 200} if status == 201 else {status}

    def _unavailable(self, case: Case, response: httpx.Response) -> None:
        body = response.json()
        wait = int(response.headers.get("Retry-After", 0))
        if body["type"] not in UNAVAILABLE:
            case.wrong.append(f"503 {body['type']}")
        if not 1 <= wait <= 15 or (
            case.fault.kind == "throttled" and case.fault.onwards and wait < 5
        ):
            case.wrong.append(f"Retry-After: {wait}")

    def _holders_play_on(self, case: Case, scene: Scene, held: dict[str, str]) -> None:
        """Every player whose stream lives is told 200, every other one is told 410 or 404, and why."""
        account = _account(scene)
        now = time.time_ns() // 1_000_000
        limit = account.effective_plan(self.store.plans).limit
        if len(account.live(now)) > limit:
            case.wrong.append(f"{len(account.live(now))} live streams of {limit}")
        for id, token in scene.tokens.items():
            if id == "old" or id not in ("a", "b", "c", "new"):
                continue
            lease = account.leases.get(id)
            answer = patiently(lambda scene, id=id: scene.heartbeat(id), scene)  # type: ignore[misc]
            is_newest = (
                token != held.get(id)
                or lease is None
                or lease.epoch == scene.epochs[id]
            )
            if (
                lease
                and is_newest
                and (lease.is_live(now) or id == "c")
                and answer.status_code != 200
            ):
                case.wrong.append(
                    f"the holder {id} is told {answer.status_code}: {answer.text}"
                )
            if lease is None and answer.status_code == 410:
                ending = account.ended[id]
                if (answer.json()["reason"], answer.json()["endedBy"]) != (
                    ending.reason,
                    ending.by,
                ):
                    case.wrong.append(f"{id} is told {answer.text}, it is {ending}")
            elif lease is None and answer.status_code != 404:
                case.wrong.append(f"{id}, which is over, is told {answer.status_code}")


def patiently(do: Do, scene: Scene) -> httpx.Response:
    """What comes of it while nothing fails but a machine that is busy."""
    for _ in range(5):
        response = do(scene)
        if response.status_code != 503:
            break
    return response


def _account(scene: Scene) -> Account:
    return scene.store.read(scene.user_id, now=time.time_ns() // 1_000_000)


def _known(scene: Scene) -> Any:
    """What is kept of the user, without instants and epochs."""
    account, now = _account(scene), time.time_ns() // 1_000_000
    return (
        {
            id: (
                lease.stream_id,
                lease.is_live(now),
                lease.took_over,
                lease.paused_at > 0,
            )
            for id, lease in sorted(account.leases.items())
        },
        {
            id: (ending.reason.value, ending.by)
            for id, ending in sorted(account.ended.items())
        },
        (account.limit, account.when_full),
    )


def _facts(response: httpx.Response) -> Any:
    """What an answer says, without instants, epochs, tokens and the user."""
    body = response.json() if response.content.startswith(b"{") else {}
    streams = [stream["id"] for stream in body.get("streams", [])]
    names = (
        "type",
        "id",
        "streamId",
        "ended",
        "limit",
        "whenFull",
        "isDefault",
        "reason",
        "endedBy",
        "active",
        "status",
    )
    return {name: body[name] for name in names if name in body} | {"streams": streams}


@contextmanager
def bench(
    engine: str,
    *,
    call_seconds: float = CALL_SECONDS,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> Iterator[Bench]:
    """The service on the engine, with deadlines that suit a matrix unless others are given."""
    hooks = {"response": [hold_to_the_document]}
    with (
        patch.object(
            calls, "FAILURES_TO_OPEN", 10**9
        ),  # a circuit that opens would keep other cases from their faults
        override_settings(DEADLINE_SECONDS=deadline_seconds),
        proxying(engine) as proxy,
        through(proxy, call_seconds=call_seconds) as network,
        serving(application) as url,
        httpx.Client(base_url=url, timeout=60, event_hooks=hooks) as api,
    ):
        calls.reset_circuit()
        around = curl(engine, call_seconds=30)

        def call(operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
            before = deadline._ends_at.set(
                time.monotonic() + 30
            )  # not the one that suits the matrix
            try:
                return around._make_api_call(
                    operation, {**arguments, "ReturnConsumedCapacity": "TOTAL"}
                )
            finally:
                deadline._ends_at.reset(before)

        yield Bench(
            proxy, network, api, StreamStore(plans=service.store.plans, call=call)
        )
    calls.reset_circuit()


def cases(bench: Bench, verbs: list[str] | None = None) -> Iterator[tuple[str, Fault]]:
    """Every case."""
    for name in verbs or VERBS:
        for kind in FAULTS:
            for first in range(1, bench.requests(name) + 1):
                for onwards in (True, False):
                    yield name, Fault(kind, first, onwards)


def slice_of(bench: Bench) -> Iterator[tuple[str, Fault]]:
    """Every verb with every fault once, at its first request or its last, once or for good, in turn."""
    turn = Counter[str]()
    for name in VERBS:
        for kind in FAULTS:
            turn[kind] += 1
            requests = bench.requests(name)
            yield (
                name,
                Fault(
                    kind, 1 + turn[kind] // 2 % requests, onwards=turn[kind] % 2 == 0
                ),
            )
