"""The matrix: every verb under every fault, at every request of the verb.

Run `make faults` to write the table of docs/reliability.md.

Each case has its own user. The verb is called while the fault lasts. Then the
fault ends, and a client without an answer repeats its call. Then the proxy
delivers the requests that it kept. Each answer must be true, and each holder must
be able to continue.
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
from tests.faults.verbs import VERBS, Do, Scene, Verb, now_ms
from tests.openapi_document import hold_to_the_document
from tests.wsgi_servers import serving

TO_ANSWER_SECONDS = 0.5
CASES_AT_ONCE = 16
UNAVAILABLE = ("store-unavailable", "store-contended", "request-timed-out")
"""Problem types of a call whose outcome is unknown."""
UNREADABLE = "item-unreadable"
"""Problem type of a call that received an unknown item."""
PATIENT_TRIES = 20
"""Tries of a call that only a busy machine can delay."""


@dataclass
class Case:
    """A verb under a fault, and its outcome.

    `status` is the status of the first answer, `wrong` lists the faults of the
    service.
    """

    verb: str
    fault: Fault
    status: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)


@dataclass
class Bench:
    """The service, which reaches an engine through the proxy."""

    proxy: Proxy
    network: Elsewhere
    api: httpx.Client
    store: StreamStore
    healthy: dict[str, tuple[int, Any, Any, int]] = field(default_factory=dict)
    """Outcome of each verb without a fault.

    Its status, the content of its answer, the account after it, and its number of
    requests.
    """

    def scene(self, verb: Verb) -> Scene:
        """Return a new scene, prepared for the verb."""
        asks_of = service.UNOWNED_KEY if verb is VERBS["readyz"] else ""
        scene = Scene(self.api, self.store, f"user-{uuid4()}", asks_of)
        verb.before(scene)
        return scene

    def requests(self, name: str) -> int:
        """Return how many requests a verb makes without a fault."""
        return self._without_fault(name)[3]

    def run_all(self, cases: Iterable[tuple[str, Fault]]) -> Iterator[Case]:
        """Run the cases, many at a time, because they mostly wait.

        The cases of `readyz` run one after the other, because they share a user.
        """
        in_order = sorted(cases, key=lambda case: FAULTS.index(case[1].kind))
        at_once = [case for case in in_order if case[0] != "readyz"]
        one_by_one = [case for case in in_order if case[0] == "readyz"]

        with ThreadPoolExecutor(CASES_AT_ONCE) as pool:
            yield from pool.map(lambda case: self.run(*case), at_once)
        for case in one_by_one:
            yield self.run(*case)

    def run(self, name: str, fault: Fault) -> Case:
        """Run one case."""
        case = Case(name, fault)
        verb = VERBS[name]
        scene = self.scene(verb)
        before = _stored(scene)
        held_tokens = dict(scene.tokens)

        response = self._call_under_fault(case, scene)
        if fault.kind == "late":
            self.proxy.deliver(scene.asked_of)

        if case.status == 503:
            response = self._check_unknown_outcome(case, scene, response, before)
        else:
            self._check_outcome(case, scene, response)

        if name != "revival" or response.is_success:
            scene.keep(response)

        if verb.after is not None and fault.kind == "very late":
            self._check_next_call(case, scene, verb.after)
        self._check_late_delivery(case, scene)
        self._check_holders(case, scene, held_tokens)
        return case

    def _call_under_fault(self, case: Case, scene: Scene) -> httpx.Response:
        """Call the verb while the fault lasts, and check the time that it takes."""
        self.network.set(scene.asked_of, case.fault)
        began = time.monotonic()
        try:
            response = VERBS[case.verb].do(scene)
        except Exception as exc:
            request = httpx.Request("GET", "http://")
            response = httpx.Response(0, text=repr(exc), request=request)

        case.seconds = time.monotonic() - began
        case.status = response.status_code
        self.network.set(scene.asked_of, None)

        if case.seconds > settings.DEADLINE_SECONDS + TO_ANSWER_SECONDS:
            case.wrong.append(f"took {case.seconds:.1f} s")
        return response

    def _check_outcome(
        self, case: Case, scene: Scene, response: httpx.Response
    ) -> None:
        """Check that an answer other than 503 says what happened."""
        status, content, after, _ = self._without_fault(case.verb)
        answered = _content(response) if case.status else response.text
        if case.status != status or answered != content:
            case.wrong.append(
                f"answered {case.status} {answered}, "
                f"but the outcome is {status} {content}"
            )
            return

        stored = _stored(scene)
        if stored != after:
            case.wrong.append(f"answered {case.status}, but left {stored}")

    def _check_unknown_outcome(
        self, case: Case, scene: Scene, response: httpx.Response, before: Any
    ) -> httpx.Response:
        """Check a 503, and return the answer to the client's repeat."""
        status, _, after, _ = self._without_fault(case.verb)
        self._check_problem(case, response)
        if _stored(scene) not in (before, after):
            case.wrong.append(f"left {_stored(scene)}")

        repeat = patiently(VERBS[case.verb].do, scene)
        allowed = {status, 200} if status == 201 else {status}
        if repeat.status_code not in allowed:
            case.wrong.append(f"{repeat.status_code} to the repeat: {repeat.text}")
        return repeat

    def _check_problem(self, case: Case, response: httpx.Response) -> None:
        """Check the type of a 503 and how long it asks the client to wait."""
        problem_type = response.json()["type"]
        if problem_type == UNREADABLE and case.fault.kind == "unknown item":
            return

        wait = int(response.headers.get("Retry-After", 0))
        is_throttled = case.fault.kind == "throttled" and case.fault.onwards
        if problem_type not in UNAVAILABLE:
            case.wrong.append(f"503 {problem_type}")
        if not 1 <= wait <= 15 or (is_throttled and wait < 5):
            case.wrong.append(f"Retry-After: {wait}")

    def _check_next_call(self, case: Case, scene: Scene, next_call: Do) -> None:
        """Check that the players can make their next call."""
        following = patiently(next_call, scene)
        if not following.is_success:
            case.wrong.append(
                f"{following.status_code} to the next call: {following.text}"
            )

        scene.keep(following)

    def _check_late_delivery(self, case: Case, scene: Scene) -> None:
        """Check that requests that arrive now have no effect."""
        before = _stored(scene)
        self.proxy.deliver(scene.asked_of)
        after = _stored(scene)
        if after != before:
            case.wrong.append(f"{after} after a late request, from {before}")

    def _check_holders(self, case: Case, scene: Scene, held: dict[str, str]) -> None:
        """Check that live streams renew, and that others get 410 or 404."""
        account = _account(scene)
        now = now_ms()
        limit = account.effective_plan(self.store.plans).limit
        live = account.live(now)
        if len(live) > limit:
            case.wrong.append(f"{len(live)} live streams of {limit}")

        for id, token in scene.tokens.items():
            if id not in ("a", "b", "c", "new"):
                continue
            answer = patiently(_heartbeat_of(id), scene)
            lease = account.leases.get(id)
            if lease is None:
                self._check_ended(case, account, id, answer)
                continue
            is_new_token = token != held.get(id)
            is_newest = is_new_token or lease.epoch == scene.epochs[id]
            can_renew = is_newest and (lease.is_live(now) or id == "c")
            if can_renew and answer.status_code != 200:
                case.wrong.append(
                    f"the holder {id} gets {answer.status_code}: {answer.text}"
                )

    def _check_ended(
        self, case: Case, account: Account, id: str, answer: httpx.Response
    ) -> None:
        """Check the answer to the player of a stream that ended."""
        if answer.status_code == 410:
            ending = account.ended[id]
            body = answer.json()
            reported = (body["reason"], body["endedBy"])
            if reported != (ending.reason, ending.by):
                case.wrong.append(f"{id} gets {answer.text}, but ended as {ending}")
        elif answer.status_code != 404:
            case.wrong.append(f"{id} ended, but gets {answer.status_code}")

    def _without_fault(self, name: str) -> tuple[int, Any, Any, int]:
        """Return the outcome of a verb without a fault.

        A busy machine can use up the time of a call, so the verb is repeated in a
        new scene until it gets an answer.
        """
        if name not in self.healthy:
            verb = VERBS[name]
            response = httpx.Response(503)
            while response.status_code == 503:
                scene = self.scene(verb)
                self.network.set(scene.asked_of, None)
                response = verb.do(scene)
            self.healthy[name] = (
                response.status_code,
                _content(response),
                _stored(scene),
                self.proxy.numbers[scene.asked_of],
            )

        return self.healthy[name]


def patiently(do: Do, scene: Scene) -> httpx.Response:
    """Repeat a call that only a busy machine can delay, until it gets an answer."""
    for _ in range(PATIENT_TRIES):
        response = do(scene)
        if response.status_code != 503:
            break

    return response


def _heartbeat_of(id: str) -> Do:
    return lambda scene: scene.heartbeat(id)


def _account(scene: Scene) -> Account:
    return scene.store.read(scene.user_id, now=now_ms())


def _stored(scene: Scene) -> Any:
    """Return the stored state of the user, without times and epochs."""
    account = _account(scene)
    now = now_ms()
    leases = {
        id: (
            lease.stream_id,
            lease.is_live(now),
            lease.took_over,
            lease.paused_at > 0,
        )
        for id, lease in sorted(account.leases.items())
    }
    endings = {
        id: (ending.reason.value, ending.by)
        for id, ending in sorted(account.ended.items())
    }
    return leases, endings, (account.limit, account.when_full)


CONTENT = (
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
"""Members of an answer that are the same for each user and at each time."""


def _content(response: httpx.Response) -> Any:
    """Return the content of an answer, without times, epochs, tokens and the user."""
    is_object = response.content.startswith(b"{")
    body = response.json() if is_object else {}
    listed = body.get("streams", [])
    streams = [stream["id"] for stream in listed]
    content = {name: body[name] for name in CONTENT if name in body}
    return content | {"streams": streams}


@contextmanager
def bench(
    engine: str,
    *,
    call_seconds: float = CALL_SECONDS,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> Iterator[Bench]:
    """Run the service on the engine. By default its deadlines suit a matrix."""
    hooks = {"response": [hold_to_the_document]}
    with (
        # An open circuit would keep other cases from their faults.
        patch.object(calls, "FAILURES_TO_OPEN", 10**9),
        override_settings(DEADLINE_SECONDS=deadline_seconds),
        proxying(engine) as proxy,
        through(proxy, call_seconds=call_seconds) as network,
        serving(application) as url,
        httpx.Client(base_url=url, timeout=60, event_hooks=hooks) as api,
    ):
        calls.reset_circuit()
        direct = curl(engine, call_seconds=30)

        def call(operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
            """Call the engine without the proxy, and with its own deadline."""
            counted = {**arguments, "ReturnConsumedCapacity": "TOTAL"}
            before = deadline._ends_at.set(time.monotonic() + 30)
            try:
                return direct._make_api_call(operation, counted)
            finally:
                deadline._ends_at.reset(before)

        store = StreamStore(plans=service.store.plans, call=call)
        yield Bench(proxy, network, api, store)

    calls.reset_circuit()


def cases(bench: Bench, verbs: list[str] | None = None) -> Iterator[tuple[str, Fault]]:
    """Generate every case."""
    for name in verbs or VERBS:
        for kind in FAULTS:
            for first in range(1, bench.requests(name) + 1):
                for onwards in (True, False):
                    fault = Fault(kind, first, onwards)
                    yield name, fault


def slice_of(bench: Bench) -> Iterator[tuple[str, Fault]]:
    """Generate a case for each verb and fault.

    The fault hits the first or the last request of the verb in turn, and lasts for
    this request or for all that follow in turn.
    """
    turn = Counter[str]()
    for name in VERBS:
        for kind in FAULTS:
            turn[kind] += 1
            half_turn, remainder = divmod(turn[kind], 2)
            first = 1 + half_turn % bench.requests(name)
            fault = Fault(kind, first, onwards=remainder == 0)
            yield name, fault
