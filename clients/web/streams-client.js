/**
 * Keeps one player within its user's stream limit: starts, heartbeats, stops. No dependencies.
 *
 *   const client = new StreamClient({ url, userId, headers: () => ({ Authorization: `Bearer ${token}` }), on: { … } });
 *   if (await client.start({ streamId: "456", deviceId, title })) video.play();
 *   …
 *   client.pause();             // the slot is kept for as long as the plan lets it
 *   client.resume();
 *   await client.stop();
 *
 * A client is one player: starting again (the next episode) keeps its slot, and the last start is the one that plays,
 * whatever order the answers come in. It tells the app, through `on`:
 *
 *   admitted(stream)          it may play; heartbeats go out by themselves
 *   denied(holders, problem)  every slot is taken, or every place under `problem.rule` of the plan, whose `message` is for
 *                             the viewer; `holders` are the streams to choose from: start({ …, replace: [id] })
 *   ended(reason, problem)    it must not play any more: stopped, evicted, replaced, taken-over, expired, suspended, …
 *   offline(problem)          the service does not answer, or asks for patience; it is tried again, by and by
 *   online()                  and answers again
 *   grace(isGrace)            it plays although the service's store is down, which is judged afterwards; and no longer
 *   failed(problem)           a start that no repeating mends: bad request, bad credentials
 *
 * Every problem is the service's (RFC 9457), or `{ type: "network-error", status, detail }` where the service did not
 * answer: nobody did, or what stands in front of it.
 */

const BACKOFF_MS = 1000;
const BACKOFF_AT_MOST_MS = 30_000;
const WAIT_AT_MOST_MS = 3_600_000; // a browser's timer that is set for over 24 days goes off at once
const TIMEOUT_MS = 10_000;
const STOP_TRIES = 3;
const UNSURE_MS = 60_000; // a gateway keeps a call for half of it, and the next heartbeat comes within the rest
const RETRIED = [408, 425, 429];
const root = globalThis;

const encode = encodeURIComponent;
const tick = () => performance.now(); // a clock that nobody sets

let turns = 0; // of all clients, so that they may share one worker

export class StreamClient {
  #url;
  #options;
  // The slot's identity when the app gives no deviceId: a repeated start takes no second slot.
  #key = crypto.getRandomValues(new Uint32Array(4)).join("-");
  #wanted = null; // the last start: its request, what its promise waits for, and its stream once it is admitted
  #held = new Map(); // by id, the newest answer for each slot that a start of this player took and nothing freed
  #lostAt; // when a start was given up that may be on its way still, to take the slot over
  #isLeft = false;
  #turn = 0;
  #due = null; // when the next attempt is due, by two clocks
  #timer;
  #failures = 0;
  #busyUntil = 0; // the service asked to wait for so long with the next start

  constructor({ url, userId, on = {}, headers = () => ({}), fetch = (...args) => root.fetch(...args), worker }) {
    const user = userId == null ? "me" : `users/${encode(userId)}`;
    this.#url = `${url.replace(/\/+$/, "")}/${user}/streams`;
    this.#options = { on, headers, fetch, worker };
    worker?.addEventListener("message", ({ data }) => this.#wake(data));
    const when = (event, act) => root.addEventListener?.(event, act);
    // A tab that was asleep, throttled or offline catches up as soon as it can. The one clock may have stood still while
    // the computer slept, and the other may have been set.
    for (const event of ["online", "focus", "pageshow", "visibilitychange"]) {
      when(event, () => {
        const now = tick();
        const isOverdue = now >= this.#due?.tick || Date.now() >= this.#due?.date;
        if (isOverdue || (this.#failures && now >= this.#busyUntil)) this.#wake(this.#turn);
      });
    }
    when("pageshow", () => (this.#isLeft = false));
    when("pagehide", () => {
      this.#isLeft = true;
      this.stop();
    });
  }

  /** What the service last said of the stream, while this player holds one. */
  get stream() {
    return this.#wanted?.stream ?? null;
  }

  /** Whether it may play: true when admitted, false when denied, failed, or stopped or started anew meanwhile. */
  start(request) {
    this.#forget();
    return new Promise((settle) => {
      this.#wanted = { request: { ...request }, settle, stream: null, isStarting: true };
      const wait = this.#busyUntil - tick();
      if (wait > 0) this.#schedule(wait);
      else this.#attempt();
    });
  }

  /** Tells that the viewer has paused. The plan says for how long the slot is kept; then it is ended, `expired`. */
  pause(state = "paused") {
    if (!this.stream) return;
    this.#wanted.state = state;
    this.#attempt();
  }

  /** Tells that it goes on. */
  resume() {
    this.pause("playing");
  }

  /** Frees the slot at once, also when the page goes away. What a start on its way takes is freed when it is answered. */
  async stop() {
    const { stream } = this;
    this.#forget();
    if (stream) this.#tell("ended", "stopped", null);
    await this.#tidy();
  }

  /** The wanted start, or the heartbeat of its stream. */
  async #attempt() {
    const wanted = this.#wanted;
    const { request, stream, isStarting, state } = wanted;
    const turn = (this.#turn = ++turns);
    this.#rest();
    const { answer, status, wait, isStream, isRefusal } = isStarting
      ? await this.#send("", request)
      : await this.#send(`/${encode(stream.id)}/heartbeat`, { token: stream.token, state });
    if (isStream) {
      const epoch = this.#held.get(answer.id)?.epoch;
      if (isStarting ? !(epoch > answer.epoch) : epoch === answer.epoch) this.#held.set(answer.id, answer);
      if (isStarting) request.replace = undefined; // it is done; whoever starts there from now on stays
    } else if (isStarting && !isRefusal) {
      this.#lostAt = tick();
    }
    if (turn !== this.#turn) {
      // Stopped, or started anew, while the answer was on its way.
    } else if (isStream) {
      const wasOffline = this.#failures;
      Object.assign(wanted, { stream: answer, isStarting: false });
      this.#failures = 0;
      this.#schedule(answer.heartbeatSeconds * 1000);
      wanted.settle(true);
      if (!stream) this.#tell("admitted", answer);
      else if (wasOffline) this.#tell("online");
      if (!answer.isGrace !== !stream?.isGrace) this.#tell("grace", answer.isGrace);
    } else if (answer.reason === "taken-over" && tick() - this.#lostAt < UNSURE_MS) {
      this.#takeBack(); // from an earlier start of this player, as likely as not
    } else if (isRefusal && !(status === 401 && stream)) {
      wanted.isStarting = false;
      this.#forget();
      if (stream) {
        this.#held.delete(stream.id);
        this.#tell("ended", answer.reason ?? answer.type, answer);
      } else if (status === 409 && Array.isArray(answer.streams)) this.#tell("denied", answer.streams, answer);
      else this.#tell("failed", answer);
    } else {
      if (status === 429) this.#busyUntil = tick() + wait;
      this.#schedule(wait + Math.random() * Math.min(BACKOFF_AT_MOST_MS, BACKOFF_MS * 2 ** this.#failures));
      if (!this.#failures++) this.#tell("offline", answer);
    }
    await this.#tidy();
  }

  /** Frees every slot that is held for nothing. Takes the slot back from an earlier start that came after the last. */
  async #tidy() {
    const { stream, isStarting } = this.#wanted ?? {};
    const loose = [...this.#held.values()].filter(({ id }) => !this.#wanted || (stream && id !== stream.id));
    for (const { id } of loose) this.#held.delete(id);
    if (stream && !isStarting && this.#held.get(stream.id)?.epoch > stream.epoch) this.#takeBack();
    await Promise.all(loose.map((one) => this.#release(one)));
  }

  #takeBack() {
    this.#wanted.isStarting = true;
    this.#attempt();
  }

  async #release({ id, token }) {
    const path = `/${encode(id)}/stop`;
    for (let failures = 0; failures < STOP_TRIES; failures++) {
      // A beacon outlives its page, and as text it needs no preflight.
      if (this.#isLeft && root.navigator?.sendBeacon?.(this.#url + path, JSON.stringify({ token }))) return;
      const { status, wait, isRefusal } = await this.#send(path, { token }, true);
      if (status === 204 || isRefusal) return;
      await new Promise((done) => setTimeout(done, wait + Math.random() * BACKOFF_MS * 2 ** failures));
    }
  }

  async #send(path, body, keepalive = false) {
    const { headers, fetch } = this.#options;
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const exchange = async () => {
      const response = await fetch(this.#url + path, {
        method: "POST",
        keepalive,
        redirect: "error", // credentials are the service's only
        headers: { "Content-Type": "application/json", "Idempotency-Key": this.#key, ...(await headers()) },
        body: JSON.stringify(body),
        signal,
      });
      return read(response, await response.text());
    };
    try {
      // The app's `headers` and `fetch` may know nothing of the signal.
      const late = new Promise((_, fail) => (signal.onabort = () => fail(signal.reason)));
      return await Promise.race([exchange(), late]);
    } catch (error) {
      return { answer: { type: "network-error", detail: String(error) }, wait: 0 };
    }
  }

  #schedule(ms) {
    const turn = (this.#turn = ++turns);
    ms = Math.min(ms, WAIT_AT_MOST_MS);
    this.#due = { tick: tick() + ms, date: Date.now() + ms };
    this.#timer = setTimeout(() => this.#wake(turn), ms);
    this.#options.worker?.postMessage({ turn, ms });
  }

  #wake(turn) {
    if (turn === this.#turn && this.#due) this.#attempt();
  }

  #forget() {
    this.#wanted?.settle(false);
    if (this.#wanted?.isStarting) this.#lostAt = tick();
    this.#wanted = null;
    this.#turn = 0;
    this.#failures = 0;
    this.#rest();
  }

  #rest() {
    this.#due = null;
    clearTimeout(this.#timer);
  }

  /** What the app does with it, and what goes wrong there, is the app's. */
  async #tell(event, ...facts) {
    try {
      await this.#options.on[event]?.(...facts);
    } catch (error) {
      (root.reportError ?? console.error)(error);
    }
  }
}

/** An answer, and what it is: a stream, a refusal that no repeating mends, or neither. */
function read(response, text) {
  const { status, headers } = response;
  let answer;
  try {
    if (/\bjson\b/i.test(headers.get("Content-Type"))) answer = JSON.parse(text);
  } catch {
    // Not JSON, whatever it says it is.
  }
  const isStream = response.ok && answer?.id && answer.token && answer.heartbeatSeconds > 0;
  // An API refuses in JSON, or in no words. A page of HTML is from a portal, a proxy, a CDN, whatever its status.
  const isRefusal = status >= 400 && status < 500 && !RETRIED.includes(status) && (!text || Object(answer) === answer);
  if (!isStream && typeof answer?.type !== "string") {
    answer = { type: "network-error", status, detail: answer?.message ?? response.statusText };
  }
  return { answer, status, isStream, isRefusal, wait: waitOf(headers) };
}

/** Milliseconds to wait, from `Retry-After`: seconds, or a date, which the answer's own is subtracted from. */
function waitOf(headers) {
  const after = headers.get("Retry-After");
  const date = Date.parse(after) - (Date.parse(headers.get("Date")) || Date.now());
  return Math.max(0, (isNaN(after) ? date : after * 1000) || 0);
}
