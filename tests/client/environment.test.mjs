/** The web client in old engines, in frameworks that mount twice, and with odd apps. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  api,
  heldFetch,
  namesOf,
  network,
  player,
  playerInPage,
  playing,
  problem,
  until,
} from "./players.mjs";
import { StreamClient, tabId, timerWorker } from "../../clients/web/streams-client.js";

/** Runs an action while a property of an object is missing. */
async function without(object, name, act) {
  const descriptor = Object.getOwnPropertyDescriptor(object, name);
  Object.defineProperty(object, name, { value: undefined, configurable: true });
  try {
    await act();
  } finally {
    Object.defineProperty(object, name, descriptor);
  }
}

test("an engine without AbortSignal.timeout starts and stops", async () => {
  await without(AbortSignal, "timeout", async () => {
    const { client } = player();
    assert.equal(await client.start({ streamId: "456" }), true);
    await client.stop();
  });
  assert.deepEqual(await playing(), []);
});

test("without AbortSignal.timeout a hanging call is given up", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  await without(AbortSignal, "timeout", async () => {
    const { client, next } = player({ fetch: () => new Promise(() => {}) });
    client.start({ streamId: "456" });
    await new Promise((resolve) => setImmediate(resolve));
    context.mock.timers.tick(10_000);
    assert.equal((await next("offline"))[0].type, "network-error");
    await client.stop();
  });
});

test("an engine without crypto starts, and each player has its own slot", async () => {
  await without(globalThis, "crypto", async () => {
    const players = [player(), player()];
    for (const { client } of players) {
      assert.equal(await client.start({ streamId: "456" }), true);
    }
    assert.equal((await api("GET", "/streams")).active, 2);
    for (const { client } of players) await client.stop();
  });
});

test("a component that is mounted twice keeps its successor's slot", async () => {
  const { fetch, calls, call } = heldFetch();
  const first = player({ fetch });
  const abandoned = first.client.start({ streamId: "456", deviceId: "tv" });
  const start = await call(1);
  const closing = first.client.close();

  const second = player({ fetch });
  const started = second.client.start({ streamId: "456", deviceId: "tv" });
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(calls.length, 1, "the second start waits for the first one's answer");

  await start.reach();
  start.answer();
  assert.equal(await abandoned, false);
  await call(3);
  for (const other of calls.slice(1)) {
    await other.reach();
    other.answer();
  }
  assert.equal(await started, true);
  await closing;
  assert.equal((await api("GET", "/streams")).active, 1);

  second.timer.fire();
  const heartbeat = await call(4);
  await heartbeat.reach();
  assert.equal(heartbeat.response.status, 200);
  heartbeat.answer();
  assert.deepEqual(namesOf(second.events), ["admitted"]);
});

test("a start that another client gave up does not keep the slot", async () => {
  const { fetch, call } = heldFetch();
  const first = player({ fetch });
  first.client.start({ streamId: "first", deviceId: "tv" });
  const lost = await call(1);
  lost.lose();
  await first.next("offline");
  await first.client.close();

  const second = player();
  assert.equal(await second.client.start({ streamId: "last", deviceId: "tv" }), true);
  await lost.reach();
  second.timer.fire();
  await until(async () => String(await playing()) === "last");
  assert.deepEqual(namesOf(second.events), ["admitted"]);
});

for (const [mode, event] of [
  ["cut", "offline"],
  [problem("too-many-starts", 429, { "Retry-After": "3" }), "waiting"],
]) {
  test(`a stop while a start waits ends "${event}"`, async () => {
    const { client, events, next } = player();
    network.mode = mode;
    const started = client.start({ streamId: "456" });
    await next(event);
    await client.stop();
    assert.equal(await started, false);
    assert.deepEqual(namesOf(events), [event, "ended"]);
    assert.deepEqual(events[1], ["ended", "stopped", null]);
  });
}

test("a heartbeat that is answered 429 is not offline", async () => {
  const { client, timer, events, next } = player();
  await client.start({ streamId: "456" });
  network.mode = problem("busy", 429, { "Retry-After": "7" });
  timer.fire();
  const [{ retryAfter }, seconds] = await next("waiting");
  assert.equal(retryAfter, 7);
  assert.ok(seconds >= 7 && seconds <= 8, `${seconds}`);

  network.mode = "cut";
  timer.fire();
  await next("offline");
  network.mode = "up";
  timer.fire();
  await next("online");
  assert.deepEqual(namesOf(events), ["admitted", "waiting", "offline", "online"]);
});

test("an app learns when to retry, and who took a place", async () => {
  const others = ["d0", "d1", "d2"].map((deviceId) => ({ deviceId, ...player() }));
  for (const { client, deviceId } of others) {
    await client.start({ streamId: "456", deviceId });
  }
  const { client, next } = player();
  await client.start({ streamId: "456", deviceId: "tablet" });
  const [, denial] = await next("denied");
  assert.ok(denial.retryAfter > 0 && denial.retryAfter <= 60, `${denial.retryAfter}`);

  const replacement = { deviceId: "tablet", deviceName: "Tablet", replace: ["d1"] };
  await client.start({ streamId: "456", ...replacement });
  others[1].timer.fire();
  const [, ending] = await others[1].next("ended");
  assert.deepEqual([ending.endedBy, ending.endedByName], ["tablet", "Tablet"]);
});

const credentials = { "X-Credential": "secret" };
for (const [name, headers] of [
  ["a Headers object", () => new Headers(credentials)],
  ["pairs", () => Object.entries(credentials)],
  ["an object", () => credentials],
  ["nothing", () => undefined],
]) {
  test(`headers may be ${name}`, async () => {
    const { fetch, call } = heldFetch();
    const { client } = player({ fetch, headers });
    client.start({ streamId: "456" });
    const sent = new Headers((await call(1)).init.headers);
    const isGiven = name !== "nothing";
    assert.equal(sent.get("X-Credential"), isGiven ? "secret" : null);
    assert.equal(sent.get("Content-Type"), "application/json");
  });
}

test("a closed client leaves no listener until the next start", async () => {
  const listeners = new Map();
  const count = () => [...listeners.values()].reduce((sum, number) => sum + number, 0);
  const add = (event) => listeners.set(event, (listeners.get(event) ?? 0) + 1);
  const remove = (event) => listeners.set(event, listeners.get(event) - 1);
  const { addEventListener, removeEventListener } = globalThis;
  Object.assign(globalThis, { addEventListener: add, removeEventListener: remove });
  const worker = {
    addEventListener: add,
    removeEventListener: remove,
    postMessage() {},
  };
  try {
    const { client } = player({ worker });
    assert.equal(count(), 7);
    await client.start({ streamId: "456" });
    await client.close();
    assert.equal(count(), 0);
    assert.deepEqual(await playing(), []);

    assert.equal(await client.start({ streamId: "456" }), true);
    assert.equal(count(), 7);
    await client.close();
    assert.equal(count(), 0);
  } finally {
    Object.assign(globalThis, { addEventListener, removeEventListener });
  }
});

test("a beacon that a blocker drops leaves no slot", async () => {
  const { client, page } = playerInPage();
  navigator.sendBeacon = () => true;
  await client.start({ streamId: "456" });
  page.dispatchEvent(new Event("pagehide"));
  await until(async () => (await playing()).length === 0);
});

test("a beacon that the browser forbids leaves no slot", async () => {
  const { client, page } = playerInPage();
  navigator.sendBeacon = () => {
    throw new TypeError("forbidden");
  };
  await client.start({ streamId: "456" });
  page.dispatchEvent(new Event("pagehide"));
  await until(async () => (await playing()).length === 0);
});

test("the last call of a page needs no preflight", async () => {
  const { fetch, call } = heldFetch();
  const { client, page, beacons } = playerInPage({
    fetch,
    headers: () => credentials,
  });
  client.start({ streamId: "456" });
  const start = await call(1);
  await start.reach();
  start.answer();
  await until(() => client.stream);
  page.dispatchEvent(new Event("pagehide"));
  const { init } = await call(2);
  assert.deepEqual(init.headers, { "Content-Type": "text/plain;charset=UTF-8" });
  assert.equal(init.keepalive, true);
  await Promise.all(beacons);
});

test("an engine without workers has no timer worker", () => {
  assert.equal(timerWorker(), undefined);
});

test("an engine without storage gives each page one tab id", () => {
  assert.match(tabId(), /^[\d-]+$/);
  assert.equal(tabId(), tabId());
});

test("the constructor needs only an address", () => {
  assert.equal(new StreamClient({ url: "https://streams.example.com" }).stream, null);
});
