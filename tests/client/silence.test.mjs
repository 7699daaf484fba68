/** The web client while the service is silent or busy, or something else answers. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { api, namesOf, network, player, playing, problem } from "./players.mjs";

/** Answers that do not come from the service, and how a client treats them. */
const FOREIGN = JSON.parse(
  readFileSync(new URL("foreign-answers.json", import.meta.url)),
);

test("a cut network is reported once, and so is its return", async () => {
  const { client, timer, events, waits, next } = player();
  await client.start({ streamId: "456" });
  network.mode = "cut";
  for (let failure = 0; failure < 8; failure++) {
    timer.fire();
    const wait = await waits(failure + 2);
    assert.ok(
      wait >= 0 && wait <= Math.min(30, 2 ** failure),
      `${wait} s after failure ${failure}`,
    );
  }
  network.mode = "up";
  timer.fire();
  await next("online");
  assert.deepEqual(namesOf(events), ["admitted", "offline", "online"]);
  assert.equal(events[1][1].type, "network-error");
  await client.stop();
});

for (const [status, event] of [
  [429, "waiting"],
  [503, "offline"],
]) {
  test(`after a ${status} the client waits as long as the service asks`, async () => {
    const { client, timer, waits, next } = player();
    network.mode = problem("busy", status, { "Retry-After": "7" });
    const started = client.start({ streamId: "456" });
    const [{ type, retryAfter }] = await next(event);
    assert.deepEqual([type, retryAfter], ["busy", 7]);
    const wait = await waits(1);
    assert.ok(wait >= 7 && wait <= 8, `${wait}`);
    network.mode = "up";
    timer.fire();
    assert.equal(await started, true);
    await client.stop();
  });
}

test("an answer that is not JSON counts as silence", async () => {
  const { client, timer, next, waits } = player();
  network.mode = {
    status: 504,
    headers: { "Content-Type": "text/html" },
    body: "<h1>Gateway</h1>",
  };
  const started = client.start({ streamId: "456" });
  assert.equal((await next("offline"))[0].type, "network-error");
  await waits(1);
  network.mode = "up";
  timer.fire();
  assert.equal(await started, true);
  await client.stop();
});

test("a repeated start whose answer was lost takes no second slot", async () => {
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

const problemOf = (facts) => facts.find((fact) => fact?.type);

/** Returns the type of the problem that an app gets: the body's, if it has one. */
function typeIn(body) {
  try {
    return JSON.parse(body).type ?? "network-error";
  } catch {
    return "network-error";
  }
}

for (const { name, status, type, location, body, start, heartbeat } of FOREIGN) {
  const outcome = `a start is ${start}, a heartbeat is ${heartbeat}`;
  test(`${name} (${status}): ${outcome}`, async () => {
    const headers = {
      ...(type && { "Content-Type": type }),
      ...(location && { Location: location }),
    };
    const starting = player();
    const watching = player();
    await watching.client.start({ streamId: "456" });
    network.mode = { status, headers, body };
    const started = starting.client.start({ streamId: "456" });
    assert.equal(problemOf(await starting.next(start)).type, typeIn(body));
    watching.timer.fire();
    assert.equal(problemOf(await watching.next(heartbeat)).type, typeIn(body));
    network.mode = "up";
    const isRetried = start !== "failed";
    if (isRetried) starting.timer.fire();
    assert.equal(await started, isRetried);
    const goesOn = heartbeat !== "ended";
    if (goesOn) {
      watching.timer.fire();
      await watching.next("online");
    }
    assert.equal(watching.client.stream !== null, goesOn);
    await Promise.all([starting.client.stop(), watching.client.stop()]);
  });
}

test("after too many starts only the last choice is started", async () => {
  const { client, timer, next, waits } = player();
  network.mode = problem("too-many-starts", 429, { "Retry-After": "3" });
  const choices = [client.start({ streamId: "1" })];
  await next("waiting");
  choices.push(client.start({ streamId: "2" }), client.start({ streamId: "3" }));
  const wait = await waits(3);
  assert.ok(wait > 2 && wait <= 3, `${wait}`);
  network.mode = "up";
  timer.fire();
  assert.deepEqual(await Promise.all(choices), [false, false, true]);
  assert.equal(network.seen.length, 2);
  assert.deepEqual(await playing(), ["3"]);
  await client.stop();
});

test("Retry-After as a date is compared with the answer's own date", async () => {
  const { client, waits, timer } = player();
  const headers = {
    "Retry-After": "Wed, 01 Jan 2020 00:00:09 GMT",
    Date: "Wed, 01 Jan 2020 00:00:00 GMT",
  };
  network.mode = { status: 503, headers, body: "" };
  client.start({ streamId: "456" });
  const wait = await waits(1);
  assert.ok(wait >= 9 && wait <= 10, `${wait}`);
  network.mode = { status: 503, headers: { "Retry-After": "tomorrow" }, body: "" };
  timer.fire();
  assert.ok((await waits(2)) <= 2);
  network.mode = { status: 503, headers: { "Retry-After": "99999999999" }, body: "" };
  timer.fire();
  assert.equal(await waits(3), 3600, "a browser's longer timer fires at once");
  await client.stop();
});

const loggedOut = () => {
  throw new Error("logged out");
};
const hanging = () => new Promise(() => {});

for (const [how, headers] of [
  ["fail", loggedOut],
  ["hang", hanging],
]) {
  test(`credentials that ${how} count as silence`, async (context) => {
    const timeout = AbortSignal.timeout;
    context.mock.method(AbortSignal, "timeout", () => timeout.call(AbortSignal, 10));
    const { client, next, waits } = player({ headers });
    client.start({ streamId: "456" });
    assert.match((await next("offline"))[0].detail, /logged out|TimeoutError/);
    await waits(1);
    await client.stop();
  });
}

test("headers are read for each request, and a 401 ends no playback", async () => {
  const sent = [];
  const { client, timer, events, waits } = player({
    headers: async () => ({ Authorization: `Bearer ${sent.push("")}` }),
  });
  await client.start({ streamId: "456" });
  network.mode = { status: 401, headers: {}, body: "" };
  timer.fire();
  await waits(2);
  network.mode = "up";
  timer.fire();
  await waits(3);
  assert.deepEqual(namesOf(events), ["admitted", "offline", "online"]);
  assert.equal(sent.length, 3);
  await client.stop();
});
