/** The player's client against a real service (STREAMS_URL), through a proxy that can cut the network and refuse. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer, request as forward } from "node:http";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { StreamClient } from "../../clients/web/streams-client.js";

const FOREIGN = JSON.parse(readFileSync(new URL("foreign-answers.json", import.meta.url)));
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
const atTheEnd = [];
afterEach(() => atTheEnd.splice(0).forEach((act) => act()));
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
  for (const event of ["admitted", "denied", "ended", "offline", "online", "grace", "failed"]) {
    on[event] = (...facts) => {
      told.push([event, ...facts]);
      waiting.splice(0).forEach((go) => go());
    };
  }
  const timer = new Timer();
  const client = new StreamClient({ url, userId: user, on, worker: timer, ...options });
  atTheEnd.push(() => client.stop());
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

test("a paused player says so with each heartbeat, until it resumes", async () => {
  const { client, timer, waits } = player();
  await client.start({ streamId: "456" });
  const first = await waits(1);
  client.pause();
  await waits(2);
  assert.equal(client.stream.state, "paused");
  timer.fire();
  await waits(3);
  assert.ok(client.stream.pausedAt);
  client.resume();
  assert.ok(await waits(4) > 0 && first > 0);
  assert.deepEqual([client.stream.state, client.stream.pausedAt], ["playing", null]);
  await client.stop();
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

test("a stream that plays by grace is told, and when it has its slot", async () => {
  const { client, timer, told, next, waits } = player();
  await client.start({ streamId: "456" });
  const headers = { "Content-Type": "application/json" };
  network.mode = { status: 200, headers, body: JSON.stringify({ ...client.stream, isGrace: true }) };
  timer.fire();
  assert.deepEqual(await next("grace"), [true]);
  network.mode = "up";
  timer.fire();
  await waits(3);
  assert.deepEqual(told.slice(1), [["grace", true], ["grace", false]]);
  await client.stop();
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

/** A `fetch` whose calls reach the service, and are answered, when the test says so. */
function held() {
  const calls = [];
  const hold = (url, init) =>
    new Promise((resolve, reject) => {
      const call = {
        url,
        init,
        reach: async () => (call.answered = await fetch(url, init)),
        answer: () => resolve(call.answered),
        lose: () => reject(new TypeError("cut")),
      };
      atTheEnd.push(call.lose);
      calls.push(call);
    });
  const come = async (count) => {
    while (calls.length < count) await new Promise((go) => setImmediate(go));
    return calls[count - 1];
  };
  return { fetch: hold, calls, come };
}

const holders = async () => (await api("GET", "/streams")).streams.map(({ streamId }) => streamId);

for (const order of ["start, stop", "stop, start"]) {
  test(`a stop while the start is on its way frees what it takes: ${order}`, async () => {
    const { fetch, come } = held();
    const { client, told } = player({ fetch });
    const started = client.start({ streamId: "456" });
    const start = await come(1);
    if (order === "start, stop") await start.reach();
    await client.stop();
    if (order === "stop, start") await start.reach();
    assert.equal(await started, false);
    start.answer();
    const stop = await come(2);
    assert.match(stop.url, /\/stop$/);
    await stop.reach();
    assert.deepEqual(await holders(), []);
    assert.deepEqual(told, []);
    stop.answer();
  });
}

for (const reach of [[0, 1], [1, 0]]) {
  for (const answer of [[0, 1], [1, 0]]) {
    test(`of two starts the last one plays: they reach the service ${reach}, and are answered ${answer}`, async () => {
      const { fetch, calls, come } = held();
      const { client, told } = player({ fetch });
      const starts = [client.start({ streamId: "first" }), client.start({ streamId: "last" })];
      await come(2);
      for (const place of reach) await calls[place].reach();
      for (const place of answer) {
        calls[place].answer();
        await new Promise((go) => setTimeout(go, 5));
      }
      if (reach[0]) {
        const again = await come(3); // the first came last, and has the slot: the last one takes it back
        await again.reach();
        again.answer();
      }
      assert.deepEqual(await Promise.all(starts), [false, true]);
      while (client.stream.epoch !== (await api("GET", "/streams")).streams[0].epoch) await new Promise(setImmediate);
      assert.deepEqual(await holders(), ["last"]);
      assert.equal(calls.length, reach[0] ? 3 : 2, "nothing was stopped");
      assert.deepEqual(told.map(([event]) => event), ["admitted"]);
    });
  }
}

test("a start that was given up, and reaches the service late, loses the slot to the last one again", async () => {
  const { fetch, calls, come } = held();
  const { client, told, timer } = player({ fetch });
  client.start({ streamId: "first" });
  (await come(1)).lose();
  const started = client.start({ streamId: "last", replace: ["phone"] });
  await (await come(2)).reach();
  calls[1].answer();
  assert.equal(await started, true);
  await calls[0].reach();
  timer.fire();
  for (const call of [3, 4]) {
    await (await come(call)).reach();
    calls[call - 1].answer();
  }
  assert.equal(JSON.parse(calls[3].init.body).replace, undefined, "what it replaced is done");
  while (client.stream.epoch !== (await api("GET", "/streams")).streams[0].epoch) await new Promise(setImmediate);
  assert.deepEqual(await holders(), ["last"]);
  assert.deepEqual(told.map(([event]) => event), ["admitted"]);
});

test("a start on another device's id frees the slot before, and so does one that is refused", async () => {
  const { client, next } = player();
  await client.start({ streamId: "1", deviceId: "tv" });
  await client.start({ streamId: "2", deviceId: "phone" });
  while (String(await holders()) !== "2") await new Promise(setImmediate);
  await client.start({ streamId: "" });
  await next("failed");
  while ((await holders()).length) await new Promise(setImmediate);
});

test("a stop by an old token frees nothing of the playback after", async () => {
  const { client } = player();
  await client.start({ streamId: "1", deviceId: "tv" });
  const other = player();
  await other.client.start({ streamId: "2", deviceId: "tv" });
  await client.stop();
  assert.deepEqual(await holders(), ["2"]);
  assert.deepEqual(network.seen.filter((line) => line.startsWith("DELETE")), []);
});

for (const { name, status, type, location, body, start, heartbeat } of FOREIGN) {
  test(`${name} (${status}) is ${start} to a start, ${heartbeat} to a heartbeat`, async () => {
    const headers = { ...(type && { "Content-Type": type }), ...(location && { Location: location }) };
    const [starting, playing] = [player(), player()];
    await playing.client.start({ streamId: "456" });
    network.mode = { status, headers, body };
    const started = starting.client.start({ streamId: "456" });
    assert.equal((await starting.next(start)).at(-1).type, "network-error");
    playing.timer.fire();
    assert.equal((await playing.next(heartbeat)).at(-1).type, "network-error");
    network.mode = "up";
    if (start === "offline") starting.timer.fire();
    assert.equal(await started, start === "offline");
    if (heartbeat === "offline") {
      playing.timer.fire();
      await playing.next("online");
    }
    assert.equal(playing.client.stream !== null, heartbeat === "offline");
    await Promise.all([starting.client.stop(), playing.client.stop()]);
  });
}

test("too many starts are waited out, and only the last choice is started", async () => {
  const { client, timer, next, waits } = player();
  const body = JSON.stringify({ type: "too-many-starts", status: 429 });
  network.mode = { status: 429, headers: { "Retry-After": "3", "Content-Type": "application/problem+json" }, body };
  const choices = [client.start({ streamId: "1" })];
  await next("offline");
  choices.push(client.start({ streamId: "2" }), client.start({ streamId: "3" }));
  const wait = await waits(3);
  assert.ok(wait > 2 && wait <= 3, `${wait}`);
  network.mode = "up";
  timer.fire();
  assert.deepEqual(await Promise.all(choices), [false, false, true]);
  assert.equal(network.seen.length, 2);
  assert.deepEqual(await holders(), ["3"]);
  await client.stop();
});

test("Retry-After as a date is as long as the answer's own date says, whatever this clock shows", async () => {
  const { client, waits, timer } = player();
  const headers = { "Retry-After": "Wed, 01 Jan 2020 00:00:09 GMT", Date: "Wed, 01 Jan 2020 00:00:00 GMT" };
  network.mode = { status: 503, headers, body: "" };
  client.start({ streamId: "456" });
  const wait = await waits(1);
  assert.ok(wait >= 9 && wait <= 10, `${wait}`);
  network.mode = { status: 503, headers: { "Retry-After": "tomorrow" }, body: "" };
  timer.fire();
  assert.ok((await waits(2)) <= 2);
  network.mode = { status: 503, headers: { "Retry-After": "99999999999" }, body: "" };
  timer.fire();
  assert.equal(await waits(3), 3600, "a longer timer of a browser's goes off at once");
  await client.stop();
});

test("a listener that throws, at once or later, ends nothing", async () => {
  const reported = [];
  globalThis.reportError = (error) => reported.push(error.message);
  const on = {
    admitted: () => { throw new Error("at once"); },
    offline: async () => { throw new Error("later"); },
    ended: () => { throw new Error("at the end"); },
  };
  const { client, timer, waits } = player({ on });
  assert.equal(await client.start({ streamId: "456" }), true);
  await waits(1);
  network.mode = "cut";
  timer.fire();
  await waits(2);
  network.mode = "up";
  timer.fire();
  await waits(3);
  await client.stop();
  delete globalThis.reportError;
  assert.deepEqual(reported, ["at once", "later", "at the end"]);
  assert.deepEqual(await holders(), []);
});

test("a listener may stop or start again, whatever it is told", async () => {
  for (const event of ["admitted", "offline", "online"]) {
    const stopping = player({ on: { [event]: () => stopping.client.stop() } });
    await stopping.client.start({ streamId: "456", deviceId: "tv" });
    if (event !== "admitted") {
      network.mode = "cut";
      stopping.timer.fire();
      await stopping.waits(2);
      network.mode = "up";
    }
    if (event === "online") stopping.timer.fire();
    while ((await holders()).length) await new Promise(setImmediate);
    assert.equal(stopping.client.stream, null);
  }
});

for (const [how, headers] of [["cannot be had", () => { throw new Error("logged out"); }], ["hang", () => new Promise(() => {})]]) {
  test(`credentials that ${how} are a silence like any other`, async (context) => {
    const timeout = AbortSignal.timeout;
    context.mock.method(AbortSignal, "timeout", () => timeout.call(AbortSignal, 10));
    const { client, next, waits } = player({ headers });
    client.start({ streamId: "456" });
    assert.match((await next("offline"))[0].detail, /logged out|TimeoutError/);
    await waits(1);
    await client.stop();
  });
}

test("a user's and a stream's id may have any character that a path may not", async () => {
  user = "jo+tv@example.com|a:b~c";
  const { fetch, calls, come } = held();
  const { client } = player({ fetch, userId: "CN=Jo,OU=x +/é" });
  client.start({ streamId: "456" });
  await come(1);
  assert.ok(calls[0].url.endsWith("/users/CN%3DJo%2COU%3Dx%20%2B%2F%C3%A9/streams"), calls[0].url);
  const me = player({ fetch, userId: undefined });
  me.client.start({ streamId: "456" });
  assert.ok((await come(2)).url.endsWith("/me/streams"));
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
  network.mode = { status: 401, headers: {}, body: "" };
  timer.fire();
  await waits(2);
  network.mode = "up";
  timer.fire();
  await waits(3);
  assert.deepEqual(told.map(([event]) => event), ["admitted", "offline", "online"]);
  assert.equal(sent.length, 3);
  await client.stop();
});

/** A player in a page of its own, whose beacons go to the service. */
function playerInAPage(options) {
  const page = new EventTarget();
  const add = globalThis.addEventListener;
  globalThis.addEventListener = page.addEventListener.bind(page);
  const made = player(options);
  globalThis.addEventListener = add;
  const beacons = [];
  const sendBeacon = (url, body) => {
    beacons.push(fetch(url, { method: "POST", headers: { "Content-Type": "text/plain;charset=UTF-8" }, body }));
    return true;
  };
  Object.defineProperty(globalThis, "navigator", { value: { sendBeacon }, configurable: true });
  return { ...made, page, beacons };
}

test("a page that goes away frees the slot, by a beacon", async () => {
  const { client, next, page, beacons } = playerInAPage();
  await client.start({ streamId: "456" });
  page.dispatchEvent(new Event("pagehide"));
  assert.equal((await next("ended"))[0], "stopped");
  assert.equal((await beacons[0]).status, 204);
  assert.deepEqual(await holders(), []);
});

test("a page that goes away while a start is on its way frees what it takes, by a beacon", async () => {
  const { fetch, come } = held();
  const { client, page, beacons } = playerInAPage({ fetch });
  const started = client.start({ streamId: "456" });
  const start = await come(1);
  page.dispatchEvent(new Event("pagehide"));
  assert.equal(await started, false);
  await start.reach();
  start.answer();
  while (!beacons.length) await new Promise(setImmediate);
  assert.equal((await beacons[0]).status, 204);
  assert.deepEqual(await holders(), []);
});

test("a page without beacons, or with too many, frees the slot by a call that outlives it", async () => {
  const { client, page } = playerInAPage();
  navigator.sendBeacon = () => false;
  await client.start({ streamId: "456" });
  page.dispatchEvent(new Event("pagehide"));
  while ((await holders()).length) await new Promise(setImmediate);
});

test("a page that comes back plays on with a start, and its stops are calls again", async () => {
  const { client, page, beacons } = playerInAPage();
  await client.start({ streamId: "456" });
  page.dispatchEvent(new Event("pagehide"));
  page.dispatchEvent(new Event("pageshow"));
  assert.equal(await client.start({ streamId: "456" }), true);
  await client.stop();
  assert.deepEqual(await holders(), []);
  assert.equal(beacons.length, 1);
});

test("a tab that wakes up catches up at once when its heartbeat is overdue by either clock, and only then", async () => {
  for (const clock of [Date, performance]) {
    const { client, waits, page } = playerInAPage();
    await client.start({ streamId: "456" });
    const sent = network.seen.length;
    page.dispatchEvent(new Event("focus"));
    assert.equal(network.seen.length, sent, "not due yet");
    const now = clock.now;
    clock.now = () => now.call(clock) + 3_600_000; // the machine slept, or its date was set
    page.dispatchEvent(new Event("visibilitychange"));
    clock.now = now;
    await waits(2);
    assert.match(network.seen.at(-1), /heartbeat$/);
    clock.now = () => now.call(clock) - 3_600_000;
    page.dispatchEvent(new Event("focus"));
    clock.now = now;
    assert.equal(network.seen.length, sent + 1, "a clock that was set back is no reason");
    await client.stop();
  }
});
