/**
 * Keeps one player within its user's stream limit: starts, heartbeats, stops. No dependencies.
 *
 *   const client = new StreamClient({ url, userId, headers: () => ({ Authorization: `Bearer ${token}` }), on: { … } });
 *   if (await client.start({ streamId: "456", deviceId, title })) video.play();
 *   …
 *   await client.stop();
 *
 * A client is one player: starting again (the next episode) keeps its slot. It tells the app, through `on`:
 *
 *   admitted(stream)          it may play; heartbeats go out by themselves
 *   denied(holders, problem)  every slot is taken; `holders` are the streams to choose from: start({ …, replace: [id] })
 *   ended(reason, problem)    it must not play any more: stopped, evicted, replaced, taken-over, expired, …
 *   offline(problem)          the service does not answer, or asks for patience; it is tried again, by and by
 *   online()                  and answers again
 *   failed(problem)           a start that no repeating mends: bad request, bad credentials
 *
 * Every problem is the service's (RFC 9457), or `{ type: "network-error", detail }`.
 */

const BACKOFF_MS = 1000;
const BACKOFF_AT_MOST_MS = 30_000;
const TIMEOUT_MS = 10_000;
const STOP_TRIES = 3;
const RETRIED = new Set([0, 408, 425, 429]);

let turns = 0; // of all clients, so that they may share one worker

export class StreamClient {
  /** What the service last said of the stream, while this player holds one. */
  stream = null;

  #url;
  #options;
  // The slot's identity when the app gives no deviceId: a repeated start takes no second slot.
  #key = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  #start = null; // the start that is wanted: its request, and what its promise waits for
  #turn = 0;
  #due = Infinity;
  #timer;
  #failures = 0;

  constructor({ url, userId, on = {}, headers = () => ({}), fetch = (...args) => globalThis.fetch(...args), worker }) {
    this.#url = `${url.replace(/\/+$/, "")}/users/${encodeURIComponent(userId)}/streams`;
    this.#options = { on, headers, fetch, worker };
    worker?.addEventListener("message", ({ data }) => this.#wake(data));
    // A tab that was asleep, throttled or offline catches up as soon as it can.
    for (const event of ["online", "focus", "pageshow", "visibilitychange"]) {
      globalThis.addEventListener?.(event, () => {
        if (this.#due < Infinity && (this.#failures || Date.now() >= this.#due)) this.#wake(this.#turn);
      });
    }
    globalThis.addEventListener?.("pagehide", () => this.stop());
  }

  /** Whether it may play: true when admitted, false when denied, failed, or stopped meanwhile. */
  start(request) {
    this.#forget();
    return new Promise((settle) => {
      this.#start = { request, settle };
      this.#attempt();
    });
  }

  /** Frees the slot at once; also when the page goes away. */
  async stop() {
    const { stream } = this;
    this.#forget();
    if (!stream) return;
    this.#tell("ended", "stopped", null);
    await this.#release(stream);
  }

  async #attempt() {
    const { stream } = this;
    const wanted = this.#start;
    this.#turn = ++turns;
    this.#due = Infinity;
    clearTimeout(this.#timer);
    const { status, answer, wait } = stream
      ? await this.#send("POST", `/${encodeURIComponent(stream.id)}/heartbeat`, { token: stream.token })
      : await this.#send("POST", "", wanted.request);
    const isAdmitted = status === 200 || status === 201;
    if (wanted !== this.#start) {
      // Stopped, or started anew, while the answer was on its way. A later start with the same id has its own epoch.
      if (isAdmitted && !stream) this.#release(answer);
    } else if (isAdmitted) {
      this.stream = answer;
      if (this.#failures && stream) this.#tell("online");
      this.#failures = 0;
      this.#schedule(answer.heartbeatSeconds * 1000);
      if (!stream) {
        wanted.settle(true);
        this.#tell("admitted", answer);
      }
    } else if (status >= 500 || RETRIED.has(status) || (status === 401 && stream)) {
      if (!this.#failures) this.#tell("offline", answer);
      this.#schedule(wait + Math.random() * Math.min(BACKOFF_AT_MOST_MS, BACKOFF_MS * 2 ** this.#failures++));
    } else {
      this.#forget();
      if (stream) this.#tell("ended", answer.reason ?? answer.type, answer);
      else if (status === 409) this.#tell("denied", answer.streams, answer);
      else this.#tell("failed", answer);
    }
  }

  async #send(method, path, body) {
    const { headers, fetch } = this.#options;
    try {
      const response = await fetch(this.#url + path, {
        method,
        keepalive: true, // a stop outlives its page
        headers: { "Content-Type": "application/json", "Idempotency-Key": this.#key, ...(await headers()) },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      const wait = 1000 * (Number(response.headers.get("Retry-After")) || 0);
      // What stands in front of the service may answer in something else than JSON.
      const answer = await response.json().catch(() => ({ type: "network-error", detail: response.statusText }));
      return { status: response.status, answer, wait };
    } catch (error) {
      return { status: 0, answer: { type: "network-error", detail: String(error) }, wait: 0 };
    }
  }

  async #release({ id, token }) {
    for (let failures = 0; failures < STOP_TRIES; failures++) {
      const { status, wait } = await this.#send("DELETE", `/${encodeURIComponent(id)}`, { token });
      if (status < 500 && !RETRIED.has(status)) return;
      await new Promise((done) => setTimeout(done, wait + Math.random() * BACKOFF_MS * 2 ** failures));
    }
  }

  #schedule(ms) {
    const turn = (this.#turn = ++turns);
    this.#due = Date.now() + ms;
    this.#timer = setTimeout(() => this.#wake(turn), ms);
    this.#options.worker?.postMessage({ turn, ms });
  }

  #wake(turn) {
    if (turn === this.#turn && this.#due < Infinity) this.#attempt();
  }

  #forget() {
    this.#start?.settle(false);
    this.#start = this.stream = null;
    this.#failures = 0;
    this.#due = Infinity;
    clearTimeout(this.#timer);
  }

  #tell(event, ...facts) {
    this.#options.on[event]?.(...facts);
  }
}
