/** The player's client against a real service (STREAMS_URL), through a proxy that can cut the network and refuse. */

import assert from "node:assert/strict";
import { createServer, request as forward } from "node:http";
import { after, before, beforeEach, test } from "node:test";

import { StreamClient } from "../../clients/web/streams-client.js";

const SERVICE = new URL(process.env.STREAMS_URL);
const network = { mode: "up", seen: [] };
let proxy, url, user;

before(async () => {
  proxy = createServer((incoming, answer) => {
    network.seen.push(`${incoming.method} ${incoming.url}`);
    if (network.mode === "cut") return incoming.socket.destroy();
    if (network.mode.status) return answer.writeHead(network.mode.status, network.mode.headers).end(network.mode.body);
    const options = { host: SERVICE.hostname, port: SERVICE.port, path: incoming.url, method: incoming.method };
    incoming.pipe(
      forward({ ...options, headers: incoming.headers }, (back) => {
        if (network.mode === "deaf") return incoming.socket.destroy(); // the service heard, its answer is lost
        answer.writeHead(back.statusCode, back.headers);
        back.pipe(answer);
      }),
    );
  });
  await new Promise((ready) => proxy.listen(0, "127.0.0.1", ready));
  url = `http://127.0.0.1:${proxy.address().port}/`;
});
after(() => proxy.close());
beforeEach(() => {
  network.mode = "up";
  network.seen = [];
  user = `js-${crypto.randomUUID()}`;
});

/** The client's timer, in the hands of the test: what it waits for is in `waits`, and `fire` lets it go by. */
class Timer extends EventTarget {
  waits = [];
  postMessage(message) {
    this.waits.push(message);
  }
  fire() {
    this.dispatchEvent(Object.assign(new Event("message"), { data: this.waits.at(-1).turn }));
  }
}

/** A player: its client, its timer, and what it is told, in order. */
function player(options = {}) {
  const told = [];
  const waiting = [];
  const on = {};
  for (const event of ["admitted", "denied", "ended", "offline", "online", "failed"]) {
    on[event] = (...facts) => {
      told.push([event, ...facts]);
      waiting.splice(0).forEach((go) => go());
    };
  }
  const timer = new Timer();
  const client = new StreamClient({ url, userId: user, on, worker: timer, ...options });
  const next = async (event) => {
    while (told.at(-1)?.[0] !== event) await new Promise((go) => waiting.push(go));
    return told.at(-1).slice(1);
  };
  const waits = async (count) => {
    while (timer.waits.length < count) await new Promise((go) => setImmediate(go));
    return timer.waits[count - 1].ms / 1000;
  };
  return { client, timer, told, next, waits };
}

const api = async (method, path, body) => {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(new URL(`/users/${user}${path}`, SERVICE), { method, headers, body: body && JSON.stringify(body) });
  return response.status === 204 ? null : response.json();
};

test("an admitted player is told its stream, and holds one slot", async () => {
  const { client, told, next } = player();
  assert.equal(await client.start({ streamId: "456", deviceId: "tv", title: "News" }), true);
  const [stream] = await next("admitted");
  assert.deepEqual([stream.id, stream.title, stream.token], ["tv", "News", client.stream.token]);
  assert.equal((await api("GET", "/streams")).active, 1);
  assert.equal(told.length, 1);
  await client.stop();
  assert.equal((await api("GET", "/streams")).active, 0);
});

test("a heartbeat goes out as often as the service asks, with the last token", async () => {
  const { client, timer, waits } = player();
  await client.start({ streamId: "456" });
  for (const beat of [1, 2, 3]) {
    const { token, heartbeatSeconds, expiresAt } = client.stream;
    assert.equal(await waits(beat), heartbeatSeconds);
    timer.fire();
    await waits(beat + 1);
    assert.ok(client.stream.token && client.stream.expiresAt > expiresAt, `${token} was renewed`);
  }
  assert.deepEqual(network.seen.slice(1), Array(3).fill(`POST /users/${user}/streams/${client.stream.id}/heartbeat`));
  await client.stop();
});

test("a denied player is told who holds the slots, and may take one", async () => {
  const others = ["tv", "phone", "laptop"].map(() => player());
  for (const [place, { client }] of others.entries()) await client.start({ streamId: "456", deviceId: `d${place}` });
  const { client, told, next } = player();
  assert.equal(await client.start({ streamId: "456", deviceId: "tablet" }), false);
  const [holders, problem] = await next("denied");
  assert.deepEqual(holders.map(({ id }) => id), ["d0", "d1", "d2"]);
  assert.deepEqual([problem.status, problem.limit], [409, 3]);
  assert.equal(await client.start({ streamId: "456", deviceId: "tablet", replace: ["d1"] }), true);
  others[1].timer.fire();
  const [reason, ending] = await others[1].next("ended");
  assert.deepEqual([reason, ending.endedBy], ["replaced", "tablet"]);
  assert.equal(others[1].client.stream, null);
  assert.equal(told.at(-1)[0], "admitted");
  await Promise.all([client, ...others.map((other) => other.client)].map((one) => one.stop()));
});

test("the next episode keeps the slot, with or without a device id", async () => {
  for (const device of [{}, { deviceId: "tv" }]) {
    const { client } = player();
    await client.start({ streamId: "1", ...device });
    const { id, epoch } = client.stream;
    await client.start({ streamId: "2", ...device });
    assert.equal(client.stream.id, id);
    assert.ok(client.stream.epoch > epoch);
    assert.equal((await api("GET", "/streams")).active, 1);
    await client.stop();
  }
});

test("the same device elsewhere fences the first player off", async () => {
  const first = player();
  const second = player();
  await first.client.start({ streamId: "456", deviceId: "tv" });
  await second.client.start({ streamId: "456", deviceId: "tv" });
  first.timer.fire();
  assert.equal((await first.next("ended"))[0], "taken-over");
  assert.equal((await api("GET", "/streams")).active, 1);
  await second.client.stop();
});

test("a cut network is told once, tried again with growing patience, and told when it is back", async () => {
  const { client, timer, told, waits, next } = player();
  await client.start({ streamId: "456" });
  network.mode = "cut";
  for (let failure = 0; failure < 8; failure++) {
    timer.fire();
    const wait = await waits(failure + 2);
    assert.ok(wait >= 0 && wait <= Math.min(30, 2 ** failure), `${wait} s after failure ${failure}`);
  }
  network.mode = "up";
  timer.fire();
  await next("online");
  assert.deepEqual(told.map(([event]) => event), ["admitted", "offline", "online"]);
  assert.equal(told[1][1].type, "network-error");
  await client.stop();
});

for (const status of [429, 503]) {
  test(`a ${status} is waited out as long as it asks`, async () => {
    const { client, timer, waits, next } = player();
    const body = JSON.stringify({ type: "busy", status });
    network.mode = { status, headers: { "Retry-After": "7", "Content-Type": "application/problem+json" }, body };
    const started = client.start({ streamId: "456" });
    const [problem] = await next("offline");
    assert.equal(problem.type, "busy");
    const wait = await waits(1);
    assert.ok(wait >= 7 && wait <= 8, `${wait}`);
    network.mode = "up";
    timer.fire();
    assert.equal(await started, true);
    await client.stop();
  });
}

test("an answer that is no JSON is a silence like any other", async () => {
  const { client, timer, next, waits } = player();
  network.mode = { status: 504, headers: { "Content-Type": "text/html" }, body: "<h1>Gateway</h1>" };
  const started = client.start({ streamId: "456" });
  assert.equal((await next("offline"))[0].type, "network-error");
  await waits(1);
  network.mode = "up";
  timer.fire();
  assert.equal(await started, true);
  await client.stop();
});

test("a start whose answer was lost takes no second slot when it is repeated", async () => {
  const { client, timer, waits } = player();
  network.mode = "deaf";
  const started = client.start({ streamId: "456" });
  await waits(1);
  assert.equal((await api("GET", "/streams")).active, 1, "the service admitted it");
  network.mode = "up";
  timer.fire();
  assert.equal(await started, true);
  assert.equal((await api("GET", "/streams")).active, 1);
  await client.stop();
});

test("a malformed start is refused with what is wrong, and not repeated", async () => {
  const { client, next } = player();
  assert.equal(await client.start({ streamId: "" }), false);
  const [problem] = await next("failed");
  assert.ok(problem.errors.streamId);
  assert.equal(network.seen.length, 1);
});

test("a stop while the start is on its way leaves no slot taken", async () => {
  const { client } = player();
  const started = client.start({ streamId: "456" });
  await client.stop();
  assert.equal(await started, false);
  while (!network.seen.some((line) => line.endsWith("/stop"))) await new Promise((go) => setImmediate(go));
  while ((await api("GET", "/streams")).active) await new Promise((go) => setImmediate(go));
});

test("an operator's end is learnt at the next heartbeat", async () => {
  const { client, timer, next } = player();
  await client.start({ streamId: "456", deviceId: "tv" });
  await api("DELETE", "/streams/tv");
  timer.fire();
  assert.equal((await next("ended"))[0], "stopped");
});

test("credentials are asked for each request, and one that ran out is no end", async () => {
  const sent = [];
  const { client, timer, told, waits } = player({
    headers: async () => ({ Authorization: `Bearer ${sent.push("")}` }),
  });
  await client.start({ streamId: "456" });
  network.mode = { status: 401, headers: {}, body: '{"type":"unauthenticated"}' };
  timer.fire();
  await waits(2);
  network.mode = "up";
  timer.fire();
  await waits(3);
  assert.deepEqual(told.map(([event]) => event), ["admitted", "offline", "online"]);
  assert.equal(sent.length, 3);
  await client.stop();
});

test("a page that goes away frees the slot", async () => {
  const page = new EventTarget();
  const add = globalThis.addEventListener;
  globalThis.addEventListener = page.addEventListener.bind(page);
  const { client, next } = player();
  globalThis.addEventListener = add;
  await client.start({ streamId: "456" });
  page.dispatchEvent(new Event("pagehide"));
  assert.equal((await next("ended"))[0], "stopped");
  while ((await api("GET", "/streams")).active) await new Promise((go) => setImmediate(go));
});

test("a tab that wakes up catches up at once when its heartbeat is overdue, and only then", async () => {
  const page = new EventTarget();
  const add = globalThis.addEventListener;
  globalThis.addEventListener = page.addEventListener.bind(page);
  const { client, waits } = player();
  globalThis.addEventListener = add;
  await client.start({ streamId: "456" });
  page.dispatchEvent(new Event("focus"));
  assert.equal(network.seen.length, 1, "not due yet");
  const now = Date.now;
  Date.now = () => now() + 3_600_000; // the machine slept
  page.dispatchEvent(new Event("visibilitychange"));
  Date.now = now;
  await waits(2);
  assert.match(network.seen.at(-1), /heartbeat$/);
  await client.stop();
});
