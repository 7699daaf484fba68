"""Validators read the published keys: faults of the service change no known key."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clients.edge.middleware import keys_at
from streams.edge_keys import EdgeKey, edge_keys, new_key
from tests.edge_key_services import BAD_ANSWERS, KeyService, http, key_service
from tests.edge_vectors import jwks
from tests.servers import PROJECT

MAX_SECONDS = 8
"""The deadline of 2 s and the time of a busy machine. The slow answers take 20 s."""
GOOD = "/jwks.json"
UPDATE = PROJECT / "clients" / "edge" / "update-keys.sh"


@pytest.fixture(scope="module")
def key() -> EdgeKey:
    return edge_keys([new_key("es256")])[0]


@pytest.fixture
def service(key: EdgeKey) -> Iterator[KeyService]:
    """Yield a service that publishes the key, and answers badly elsewhere."""
    with key_service() as service:
        bad = {path_of(name): answer for name, answer in BAD_ANSWERS.items()}
        service.answers = {**bad, GOOD: good(key)}
        yield service


def path_of(name: str) -> str:
    return f"/{name.replace(' ', '-')}"


def good(key: EdgeKey) -> bytes:
    return http(json.dumps(jwks(key)).encode())


def test_keys_are_read_once_and_not_for_an_unknown_kid(
    service: KeyService, key: EdgeKey
) -> None:
    keys = keys_at(service.url(GOOD))
    is_known = [kid in keys() for kid in ("x", key.kid, "y")]
    assert is_known == [False, True, False]
    assert service.requests == 1


def test_keys_are_read_again_when_they_are_old(
    service: KeyService, key: EdgeKey
) -> None:
    keys = keys_at(service.url(GOOD), kept_seconds=0)
    [next_key] = edge_keys([new_key("es256")])
    assert keys().keys() == {key.kid}

    service.answers[GOOD] = good(next_key)
    assert keys().keys() == {next_key.kid}
    assert service.requests == 2


def test_known_keys_survive_every_answer_and_none(
    service: KeyService, key: EdgeKey
) -> None:
    def seconds_with(name: str) -> float:
        path = f"{path_of(name)}-later"
        keys = keys_at(service.url(path), kept_seconds=0)
        service.answers[path] = good(key)
        assert keys().keys() == {key.kid}

        service.answers[path] = BAD_ANSWERS[name]
        began = time.monotonic()
        assert keys().keys() == {key.kid}, name
        return time.monotonic() - began

    with ThreadPoolExecutor(6) as pool:
        seconds = dict(
            zip(BAD_ANSWERS, pool.map(seconds_with, BAD_ANSWERS), strict=True)
        )
    assert {name for name in seconds if seconds[name] > MAX_SECONDS} == set()


def test_known_keys_survive_a_service_that_is_down(
    service: KeyService, key: EdgeKey
) -> None:
    keys = keys_at(service.url(GOOD), kept_seconds=0)
    assert keys().keys() == {key.kid}
    service.close()
    assert keys().keys() == {key.kid}


def test_a_bad_key_in_a_set_leaves_the_others(
    service: KeyService, key: EdgeKey
) -> None:
    others = [
        None,
        {"kty": "EC", "kid": "x"},
        {"kty": "OKP", "crv": "Ed448", "kid": "y"},
    ]
    text = json.dumps({"keys": [*others, *jwks(key)["keys"]]})
    service.answers[GOOD] = http(text.encode())
    assert keys_at(service.url(GOOD))().keys() == {key.kid}


def test_requests_without_keys_share_one_download(
    service: KeyService, key: EdgeKey
) -> None:
    keys = keys_at(service.url(GOOD))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: keys().keys(), range(8)))
    assert answers == [{key.kid}] * 8
    assert service.requests == 1


NODE_SCRIPT = """
import { keysAt } from "./clients/edge/node.mjs";
const [good, kid, ...urls] = process.argv.slice(1);
let milliseconds = 0;
let isLater = false;
performance.now = () => milliseconds;

const all = urls.map((url) => keysAt(url, (url, options) =>
  fetch(isLater ? url : good, options)));
const firsts = await Promise.all(all.flatMap((keys) => [keys(), keys()]));
isLater = true;
milliseconds += 300_001;
const began = Date.now();
const sets = await Promise.all(all.map((keys) => keys()));
const isKept = (set) => set.keys.length === 1 && set.keys[0].kid === kid;
console.log(JSON.stringify({
  isReadFirst: firsts.every(isKept),
  lost: urls.filter((url, index) => !isKept(sets[index])),
  isInTime: Date.now() - began < 8_000,
}));
"""


@pytest.mark.node
def test_known_keys_survive_every_answer_and_none_in_node(
    service: KeyService, key: EdgeKey
) -> None:
    command = [shutil.which("node") or "node", "--input-type=module", "-e", NODE_SCRIPT]
    urls = [service.url(path_of(name)) for name in BAD_ANSWERS]
    finished = subprocess.run(
        [*command, service.url(GOOD), key.kid, *urls],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    result = json.loads(finished.stdout or "null")
    assert result == {"isReadFirst": True, "lost": [], "isInTime": True}, (
        finished.stderr
    )


@pytest.mark.node
def test_nginxs_file_of_keys_survives_every_answer(
    service: KeyService, key: EdgeKey, tmp_path: Path
) -> None:
    def update(path: str) -> int:
        command = [str(UPDATE), service.url(path), str(file)]
        return subprocess.run(command, capture_output=True, timeout=20).returncode

    file = tmp_path / "jwks.json"
    assert update(GOOD) == 0
    first = file.read_text()
    assert [entry["kid"] for entry in json.loads(first)["keys"]] == [key.kid]

    quick = [name for name, text in BAD_ANSWERS.items() if isinstance(text, bytes)]
    for name in quick:
        assert update(path_of(name)) != 0, name
        assert file.read_text() == first, name
    assert list(tmp_path.iterdir()) == [file]
