/**
 * Interleavings of the web client's calls, against a real service (STREAMS_URL).
 *
 *   node simulation.mjs COUNT [SEED]
 *
 * A viewer zaps, stops and leaves the page while calls are in flight. Calls arrive in
 * any order, and so do their answers. Some answers are lost. At the end the last start
 * plays in the user's only slot. After a stop the slot is free. The client's clock is
 * simulated, so that its waits take no time.
 */

import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { Agent, request } from "node:http";

import { StreamClient } from "../../clients/web/streams-client.js";

const SERVICE = new URL(process.env.STREAMS_URL);
const [COUNT, FIRST_SEED] = [Number(process.argv[2]), Number(process.argv[3] ?? 1)];
const AT_ONCE = 8;
const MAX_STEPS = 500;
const TIMEOUT_MS = 10_000;
const MAX_FLIGHT_MS = 30_000;
const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
const run = Math.random().toString(36).slice(2);

/** Returns a generator of numbers from 0 to 1, determined by its seed (mulberry32). */
function randomOf(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

let calls = 0;
function call(method, url, headers, body) {
  calls++;
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent }, (answer) => {
      const chunks = [];
      answer
        .on("data", (chunk) => chunks.push(chunk))
        .on("end", () => {
          const text =
            answer.statusCode === 204 ? null : Buffer.concat(chunks).toString();
          resolve(
            new Response(text, { status: answer.statusCode, headers: answer.headers }),
          );
        });
    });
    sent.on("error", reject).end(body);
  });
}

// The client's clock and page are those of the interleaving that runs.
const running = new AsyncLocalStorage();
globalThis.performance = { now: () => running.getStore().now };
globalThis.addEventListener = (event, act) =>
  running.getStore().page.addEventListener(event, act);
globalThis.setTimeout = (act, ms) =>
  running.getStore().timers.push({ act, at: running.getStore().now + ms });
globalThis.clearTimeout = (timer) => delete running.getStore().timers[timer - 1];
Object.defineProperty(globalThis, "navigator", {
  value: { sendBeacon: (url, body) => running.getStore().beacon(url, body) },
});

class Interleaving {
  now = 0;
  timers = [];
  page = new EventTarget();
  flights = [];
  history = [];

  constructor(seed) {
    this.random = randomOf(seed);
    this.user = `sim-${run}-${seed}`;
    this.isLossy = this.random() < 0.1;
    // The slot of a lost start is freed by the next start in it, or by its lease.
    const mayMove = !this.isLossy;
    this.devices = this.choose(
      mayMove ? [["tv", "phone"], ["tv"], [undefined]] : [["tv"], [undefined]],
    );
    this.actionsLeft = this.choose([2, 2, 2, 3, 3, 4]);
  }

  choose(list) {
    return list[Math.floor(this.random() * list.length)];
  }

  fetch = (url, init) =>
    new Promise((resolve, reject) => {
      const name = `${url.slice(url.indexOf("/streams"))} ${init.body.slice(0, 30)}`;
      this.flights.push({ url, init, resolve, reject, name, at: this.now });
    });

  beacon(url, body) {
    const init = {
      method: "POST",
      headers: { "Content-Type": "text/plain;charset=UTF-8" },
      body,
    };
    this.flights.push({
      url,
      init,
      resolve() {},
      reject() {},
      name: "beacon",
      at: this.now,
      isBeacon: true,
    });
    return true;
  }

  /** Returns what can happen next, except what needs time to pass. */
  choices() {
    const choices = this.flights.map(
      (flight) => () => (flight.answer ? this.answer(flight) : this.deliver(flight)),
    );
    if (this.isLossy && this.losses > 0)
      choices.push(...this.flights.map((flight) => () => this.lose(flight)));
    if (this.actionsLeft)
      choices.push(
        () => this.act(),
        () => this.act(),
      );
    if (this.beats > 0 && this.timers.some(Boolean)) choices.push(() => this.wait());
    return choices;
  }

  async deliver(flight) {
    this.history.push(`arrives: ${flight.name}`);
    flight.answer = await call(
      flight.init.method,
      flight.url,
      flight.init.headers,
      flight.init.body,
    );
    this.history.push(`  ${flight.answer.status}`);
    if (flight.lostAt >= 0 || flight.isBeacon)
      this.flights.splice(this.flights.indexOf(flight), 1);
  }

  answer(flight) {
    this.history.push(`answered: ${flight.name}`);
    this.flights.splice(this.flights.indexOf(flight), 1);
    flight.resolve(flight.answer);
  }

  /**
   * Loses the answer of a start. The call still arrives. A lost stop is not simulated:
   * it leaves a ghost.
   */
  lose(flight) {
    if (flight.lostAt >= 0 || !flight.url.endsWith("/streams")) return;
    this.losses--;
    this.history.push(`lost: ${flight.name}`);
    flight.lostAt = this.now;
    if (flight.answer) this.flights.splice(this.flights.indexOf(flight), 1);
    flight.reject(new TypeError("cut"));
  }

  act() {
    this.actionsLeft--;
    const isLast = !this.actionsLeft;
    const mayStop = !this.isLossy; // for the same reason
    if (mayStop && this.random() < 0.3) {
      this.last = null;
      const isLeaving = this.random() < 0.5;
      this.history.push(isLeaving ? "leaves" : "stops");
      if (isLeaving) this.page.dispatchEvent(new Event("pagehide"));
      else this.client.stop();
      if (isLeaving && !isLast) this.page.dispatchEvent(new Event("pageshow"));
    } else {
      this.last = `film-${this.actionsLeft}`;
      this.history.push(`starts ${this.last}`);
      this.client.start({ streamId: this.last, deviceId: this.choose(this.devices) });
    }
  }

  /** Fires the next timer. */
  async wait() {
    this.beats--;
    const next = this.timers.filter(Boolean).sort((one, other) => one.at - other.at)[0];
    for (const flight of this.flights.slice()) {
      // A flight takes no longer. A longer one counts as lost.
      if (
        next.at - (flight.lostAt ?? flight.at) <=
        (flight.lostAt >= 0 ? MAX_FLIGHT_MS : TIMEOUT_MS)
      )
        continue;
      if (!flight.answer) await this.deliver(flight);
      if (this.flights.includes(flight)) this.answer(flight);
    }
    delete this.timers[this.timers.indexOf(next)];
    this.now = Math.max(this.now, next.at);
    this.history.push(`${Math.round(this.now)} ms`);
    next.act();
  }

  async run() {
    this.losses = 3;
    this.beats = this.choose([0, 0, 1]);
    this.client = new StreamClient({
      url: SERVICE.href,
      userId: this.user,
      fetch: this.fetch,
    });
    for (let quiet = 0, steps = 0; quiet < (this.isLossy ? 4 : 1); steps++) {
      assert.ok(steps < MAX_STEPS, "it does not settle");
      const choices = this.choices();
      if (choices.length) {
        await this.choose(choices)();
      } else if (this.last && !this.client.stream) {
        await this.wait();
      } else {
        quiet++;
        // The next heartbeats show which answers were lost.
        this.losses = 0;
        if (this.isLossy) await this.wait();
      }
      await new Promise(setImmediate);
    }
    await this.checkEnd();
  }

  async checkEnd() {
    const { streams } = await (
      await call("GET", `${SERVICE.href}users/${this.user}/streams`, {})
    ).json();
    const held = streams.map(({ id, streamId, epoch }) => ({ id, streamId, epoch }));
    const { stream } = this.client;
    const expected = this.last
      ? [{ id: stream?.id, streamId: this.last, epoch: stream?.epoch }]
      : [];
    assert.deepEqual(held, expected);
  }
}

let [next, failures] = [FIRST_SEED, 0];
async function lane() {
  while (next < FIRST_SEED + COUNT) {
    const seed = next++;
    const interleaving = new Interleaving(seed);
    try {
      await running.run(interleaving, () => interleaving.run());
    } catch (error) {
      failures++;
      console.error(
        [`seed ${seed}`, ...interleaving.history, String(error)].join("\n"),
      );
    }
  }
}
await Promise.all(Array.from({ length: AT_ONCE }, lane));
agent.destroy();
console.log(`${COUNT} interleavings, ${calls} calls, ${failures} failures`);
process.exitCode = failures ? 1 : 0;
