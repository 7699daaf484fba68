/**
 * Players of the web client against a real service (STREAMS_URL), behind a proxy that
 * can cut the network and refuse requests.
 */

import { createServer, request } from "node:http";
import { after, afterEach, before, beforeEach } from "node:test";

import { StreamClient } from "../../clients/web/streams-client.js";

export const SERVICE = new URL(process.env.STREAMS_URL);

/**
 * The network between the players and the service. `mode` is "up", "cut", "deaf" (the
 * service receives the request, and its answer is lost), or an answer with `status`,
 * `headers` and `body`. `seen` lists the requests. `onAnswer` runs after each such
 * answer.
 */
export const network = { mode: "up", seen: [], onAnswer: () => {} };

/** The proxy's address and the user of the current test. */
export const scene = { url: "", user: "" };

let proxy;
const cleanUps = [];

before(async () => {
  proxy = createServer(handle);
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  scene.url = `http://127.0.0.1:${proxy.address().port}/`;
});
after(() => proxy.close());

beforeEach(() => {
  network.mode = "up";
  network.seen = [];
  network.onAnswer = () => {};
  scene.user = `js-${crypto.randomUUID()}`;
});
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
});

function handle(incoming, answer) {
  network.seen.push(`${incoming.method} ${incoming.url}`);
  const { mode } = network;
  if (mode === "cut") {
    incoming.socket.destroy();
  } else if (mode.status) {
    answer.writeHead(mode.status, mode.headers).end(mode.body);
    network.onAnswer();
  } else {
    forward(incoming, answer);
  }
}

function forward(incoming, answer) {
  const options = {
    host: SERVICE.hostname,
    port: SERVICE.port,
    path: incoming.url,
    method: incoming.method,
    headers: incoming.headers,
  };
  const outgoing = request(options, (response) => {
    if (network.mode === "deaf") {
      incoming.socket.destroy();
      return;
    }
    answer.writeHead(response.statusCode, response.headers);
    response.pipe(answer);
  });
  incoming.pipe(outgoing);
}

/** Runs an action after the current test. */
export function atTheEnd(cleanUp) {
  cleanUps.push(cleanUp);
}

/** Lets other work run until a condition holds. */
export async function until(condition) {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve));
}

/** A worker whose timers the test fires. `waits` lists what the client waits for. */
export class ManualTimer extends EventTarget {
  waits = [];

  postMessage(message) {
    this.waits.push(message);
  }

  fire() {
    const { turn } = this.waits.at(-1);
    this.dispatchEvent(Object.assign(new Event("message"), { data: turn }));
  }
}

const EVENTS = [
  "admitted",
  "denied",
  "ended",
  "offline",
  "waiting",
  "online",
  "grace",
  "failed",
];

/**
 * Returns a player: its client, its timer, and the events that its listeners received,
 * in order. `next(event)` waits until the last event has this name, and returns its
 * arguments. `waits(count)` waits for the client's `count`th wait, and returns seconds.
 */
export function player(options = {}) {
  const events = [];
  const on = {};
  for (const event of EVENTS) {
    on[event] = (...facts) => {
      events.push([event, ...facts]);
    };
  }
  const timer = new ManualTimer();
  const client = new StreamClient({
    url: scene.url,
    userId: scene.user,
    on,
    worker: timer,
    ...options,
  });
  atTheEnd(() => client.stop());

  const next = async (event) => {
    await until(() => events.at(-1)?.[0] === event);
    return events.at(-1).slice(1);
  };
  const waits = async (count) => {
    await until(() => timer.waits.length >= count);
    return timer.waits[count - 1].ms / 1000;
  };
  return { client, timer, events, next, waits };
}

export const namesOf = (events) => events.map(([name]) => name);

/** Calls the service directly, for the test's user. */
export async function api(method, path, body) {
  const response = await fetch(new URL(`/users/${scene.user}${path}`, SERVICE), {
    method,
    headers: { "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
  });
  return response.status === 204 ? null : response.json();
}

/** Returns the content of the user's live streams. */
export async function playing() {
  const { streams } = await api("GET", "/streams");
  return streams.map(({ streamId }) => streamId);
}

/** Returns an answer of the proxy with a JSON problem. */
export function problem(type, status, headers = {}) {
  return {
    status,
    headers: { "Content-Type": "application/problem+json", ...headers },
    body: JSON.stringify({ type, status }),
  };
}

/** Returns a `fetch` whose calls arrive and are answered when the test says so. */
export function heldFetch() {
  const calls = [];
  const hold = (url, init) =>
    new Promise((resolve, reject) => {
      const call = {
        url,
        init,
        reach: async () => {
          call.response = await fetch(url, init);
        },
        answer: () => resolve(call.response),
        lose: () => reject(new TypeError("cut")),
      };
      atTheEnd(call.lose);
      calls.push(call);
    });
  const call = async (count) => {
    await until(() => calls.length >= count);
    return calls[count - 1];
  };
  return { fetch: hold, calls, call };
}

/** Returns a player in its own page, whose beacons reach the service. */
export function playerInPage(options) {
  const page = new EventTarget();
  const { addEventListener, removeEventListener } = globalThis;
  globalThis.addEventListener = page.addEventListener.bind(page);
  globalThis.removeEventListener = page.removeEventListener.bind(page);
  const made = player(options);
  Object.assign(globalThis, { addEventListener, removeEventListener });

  const beacons = [];
  const sendBeacon = (url, body) => {
    const headers = { "Content-Type": "text/plain;charset=UTF-8" };
    beacons.push(fetch(url, { method: "POST", headers, body }));
    return true;
  };
  Object.defineProperty(globalThis, "navigator", {
    value: { sendBeacon },
    configurable: true,
  });
  return { ...made, page, beacons };
}
