/**
 * Keeps one player within its user's stream limit: starts, heartbeats, stops. It has no
 * dependencies.
 *
 *   const headers = () => ({ Authorization: `Bearer ${token}` });
 *   const client = new StreamClient({ url, userId, headers, on: { … } });
 *   if (await client.start({ streamId: "456", deviceId, title })) video.play();
 *   …
 *   client.pause();             // the plan says how long the slot is kept
 *   client.resume();
 *   await client.stop();
 *
 * A client is one player. The next start, such as the next episode, keeps its slot. The
 * last start is the one that plays, in any order of the answers. The client calls these
 * listeners:
 *
 *   admitted(stream)          The player may play. The client sends the heartbeats.
 *   denied(holders, problem)  The user has reached the limit, or `problem.rule` of the
 *                             plan refused; its `message` is for the viewer. `holders`
 *                             are the streams from which the viewer can choose one to
 *                             end: start({ …, replace: [id] })
 *   ended(reason, problem)    The player must stop: stopped, evicted, replaced,
 *                             taken-over, expired, suspended, …
 *   offline(problem)          The service does not answer or asks to wait. The client
 *                             tries again.
 *   online()                  The service answers again.
 *   grace(isGrace)            With true, the stream plays although the service's store
 *                             is down. The service decides about it afterwards.
 *   failed(problem)           A repeat of the start would get the same answer: a bad
 *                             request, bad credentials.
 *
 * A problem has the fields of the service's answer (RFC 9457). When the service did not
 * answer, or a proxy answered in its place, it is `{ type: "network-error", status,
 * detail }`.
 */

const BACKOFF_MS = 1000;
const MAX_BACKOFF_MS = 30_000;
const MAX_WAIT_MS = 3_600_000; // a browser's timer of more than 24 days fires at once
const TIMEOUT_MS = 10_000;
const STOP_TRIES = 3;
const RETRIED_STATUSES = [408, 425, 429];

/**
 * How long a start that got no answer can still take over the slot. A gateway keeps a
 * call for up to half of this time. The next heartbeat follows within the rest.
 */
const UNCERTAIN_MS = 60_000;

const WAKING_EVENTS = ["online", "focus", "pageshow", "visibilitychange"];
const root = globalThis;
const encode = encodeURIComponent;
const monotonicNow = () => performance.now();

/** Counts the attempts of all clients, so that they can share one worker. */
let attempts = 0;

export class StreamClient {
  #url;
  #options;
  /** Identifies the slot when the app gives no deviceId. */
  #idempotencyKey = crypto.getRandomValues(new Uint32Array(4)).join("-");
  /** The last start: its request, the stream once it is admitted, and its promise. */
  #current = null;
  /** By id, the newest answer for each slot that this player took and did not free. */
  #held = new Map();
  /** When a start was given up that may still reach the service and take the slot. */
  #lostAt;
  #hasLeftPage = false;
  /** The attempt whose answer counts. */
  #attemptNumber = 0;
  /** When the next attempt is due, by two clocks. */
  #due = null;
  #timer;
  #failures = 0;
  /** The service asked to wait until then with the next start. */
  #startNotBefore = 0;

  constructor({
    url,
    userId,
    on = {},
    headers = () => ({}),
    fetch = (...args) => root.fetch(...args),
    worker,
  }) {
    const user = userId == null ? "me" : `users/${encode(userId)}`;
    this.#url = `${url.replace(/\/+$/, "")}/${user}/streams`;
    this.#options = { on, headers, fetch, worker };
    worker?.addEventListener("message", ({ data }) => this.#wake(data));
    this.#listenToPage();
  }

  /** The service's latest answer about the stream, null when it is over. */
  get stream() {
    return this.#current?.stream ?? null;
  }

  /**
   * Resolves to true when the stream is admitted. False means that it was denied, that
   * it failed, or that the player was stopped or started again.
   */
  start(request) {
    this.#forget();
    return new Promise((settle) => {
      this.#current = {
        request: { ...request },
        settle,
        stream: null,
        isStarting: true,
      };
      const waitMs = this.#startNotBefore - monotonicNow();
      if (waitMs > 0) this.#schedule(waitMs);
      else this.#attempt();
    });
  }

  /** Reports a pause. The plan says how long the slot is kept until it is `expired`. */
  pause() {
    this.#setState("paused");
  }

  /** Reports that playback continues. */
  resume() {
    this.#setState("playing");
  }

  /**
   * Frees the slot, also when the page is left. The slot of a start that is in progress
   * is freed as soon as the start is answered.
   */
  async stop() {
    const { stream } = this;
    this.#forget();
    if (stream) this.#notify("ended", "stopped", null);
    await this.#tidy();
  }

  #setState(state) {
    if (!this.stream) return;
    this.#current.state = state;
    this.#attempt();
  }

  /** Sends the current start or the heartbeat of its stream. Applies the answer. */
  async #attempt() {
    const current = this.#current;
    const { stream, isStarting } = current;
    const number = (this.#attemptNumber = ++attempts);
    this.#clearTimer();

    const answer = isStarting
      ? await this.#send("", current.request)
      : await this.#sendHeartbeat(current);
    this.#recordSlot(answer, current, isStarting);

    // Otherwise the player was stopped or started again in the meantime.
    const isLatest = number === this.#attemptNumber;
    if (isLatest) this.#apply(answer, current, stream);
    await this.#tidy();
  }

  #sendHeartbeat({ stream, state }) {
    const { id, token } = stream;
    return this.#send(`/${encode(id)}/heartbeat`, { token, state });
  }

  /** Records the slot that an answer took or kept, even if it is no longer wanted. */
  #recordSlot({ body, isStream, isRefusal }, current, isStarting) {
    if (isStream) {
      const heldEpoch = this.#held.get(body.id)?.epoch;
      const isOlderStart = isStarting && heldEpoch > body.epoch;
      const isOlderHeartbeat = !isStarting && heldEpoch !== body.epoch;
      if (!isOlderStart && !isOlderHeartbeat) this.#held.set(body.id, body);
      // The replacement is done. A repeat must not end streams that started since.
      if (isStarting) current.request.replace = undefined;
    } else if (isStarting && !isRefusal) {
      this.#lostAt = monotonicNow();
    }
  }

  /** Continues, ends or repeats the current start or stream. */
  #apply(answer, current, stream) {
    const isTakenOver = answer.body?.reason === "taken-over";
    const isUncertain = monotonicNow() - this.#lostAt < UNCERTAIN_MS;
    const needsCredentials = answer.status === 401 && stream;

    if (answer.isStream) this.#continue(answer.body, current, stream);
    // An earlier start of this player has probably taken the slot.
    else if (isTakenOver && isUncertain) this.#takeBack();
    else if (answer.isRefusal && !needsCredentials) this.#end(answer, current, stream);
    else this.#retry(answer);
  }

  #continue(body, current, stream) {
    const wasOffline = this.#failures > 0;
    const wasGrace = Boolean(stream?.isGrace);
    current.stream = body;
    current.isStarting = false;
    this.#failures = 0;
    this.#schedule(body.heartbeatSeconds * 1000);
    current.settle(true);

    if (!stream) this.#notify("admitted", body);
    else if (wasOffline) this.#notify("online");
    const isGrace = Boolean(body.isGrace);
    if (isGrace !== wasGrace) this.#notify("grace", isGrace);
  }

  #end({ body, status }, current, stream) {
    current.isStarting = false;
    this.#forget();

    const isDenial = status === 409 && Array.isArray(body.streams);
    if (stream) {
      this.#held.delete(stream.id);
      this.#notify("ended", body.reason ?? body.type, body);
    } else if (isDenial) {
      this.#notify("denied", body.streams, body);
    } else {
      this.#notify("failed", body);
    }
  }

  #retry({ body, status, waitMs }) {
    if (status === 429) this.#startNotBefore = monotonicNow() + waitMs;
    this.#schedule(waitMs + backoffMs(this.#failures));
    this.#failures++;
    if (this.#failures === 1) this.#notify("offline", body);
  }

  /** Frees unneeded slots, and takes the slot back if an earlier start overtook it. */
  async #tidy() {
    const { stream, isStarting } = this.#current ?? {};
    const unneeded = [...this.#held.values()].filter(({ id }) => {
      const isOtherSlot = stream && id !== stream.id;
      return !this.#current || isOtherSlot;
    });
    for (const { id } of unneeded) this.#held.delete(id);

    const wasOvertaken = stream && this.#held.get(stream.id)?.epoch > stream.epoch;
    if (wasOvertaken && !isStarting) this.#takeBack();
    await Promise.all(unneeded.map((slot) => this.#release(slot)));
  }

  #takeBack() {
    this.#current.isStarting = true;
    this.#attempt();
  }

  /** Frees a slot, with a few tries. */
  async #release({ id, token }) {
    const path = `/${encode(id)}/stop`;
    for (let failures = 0; failures < STOP_TRIES; failures++) {
      if (this.#hasLeftPage && this.#sendBeacon(path, { token })) return;

      const { status, waitMs, isRefusal } = await this.#send(path, { token }, true);
      if (status === 204 || isRefusal) return;
      const backoff = Math.random() * BACKOFF_MS * 2 ** failures;
      await new Promise((resolve) => setTimeout(resolve, waitMs + backoff));
    }
  }

  /** Sends a call that outlives the page. As text, it needs no preflight. */
  #sendBeacon(path, body) {
    return root.navigator?.sendBeacon?.(this.#url + path, JSON.stringify(body));
  }

  /** Sends a call and returns its answer. A failure of any kind is an answer too. */
  async #send(path, body, keepalive = false) {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    // The app's `headers` and `fetch` may ignore the signal.
    const timeout = new Promise((_, reject) => {
      signal.onabort = () => reject(signal.reason);
    });
    try {
      const response = this.#fetch(path, body, { keepalive, signal });
      return await Promise.race([response, timeout]);
    } catch (error) {
      return { body: { type: "network-error", detail: String(error) }, waitMs: 0 };
    }
  }

  async #fetch(path, body, { keepalive, signal }) {
    const { headers, fetch } = this.#options;
    const response = await fetch(this.#url + path, {
      method: "POST",
      keepalive,
      redirect: "error", // the credentials are for this service only
      headers: {
        "Content-Type": "application/json",
        "Idempotency-Key": this.#idempotencyKey,
        ...(await headers()),
      },
      body: JSON.stringify(body),
      signal,
    });
    return read(response, await response.text());
  }

  #schedule(ms) {
    const number = (this.#attemptNumber = ++attempts);
    const waitMs = Math.min(ms, MAX_WAIT_MS);
    this.#due = { monotonic: monotonicNow() + waitMs, date: Date.now() + waitMs };
    this.#timer = setTimeout(() => this.#wake(number), waitMs);
    this.#options.worker?.postMessage({ turn: number, ms: waitMs });
  }

  #wake(number) {
    if (number === this.#attemptNumber && this.#due) this.#attempt();
  }

  #listenToPage() {
    const listen = (event, act) => root.addEventListener?.(event, act);
    for (const event of WAKING_EVENTS) listen(event, () => this.#catchUp());
    listen("pageshow", () => {
      this.#hasLeftPage = false;
    });
    listen("pagehide", () => {
      this.#hasLeftPage = true;
      this.stop();
    });
  }

  /**
   * Sends an attempt that is overdue because the tab slept, was throttled or was
   * offline. The monotonic clock may have stopped while the computer slept. The date may
   * have been changed.
   */
  #catchUp() {
    const now = monotonicNow();
    const isOverdue = now >= this.#due?.monotonic || Date.now() >= this.#due?.date;
    const mayRetry = this.#failures > 0 && now >= this.#startNotBefore;
    if (isOverdue || mayRetry) this.#wake(this.#attemptNumber);
  }

  /** Gives up the current start or stream. Its slot stays recorded in `#held`. */
  #forget() {
    this.#current?.settle(false);
    if (this.#current?.isStarting) this.#lostAt = monotonicNow();
    this.#current = null;
    this.#attemptNumber = 0;
    this.#failures = 0;
    this.#clearTimer();
  }

  #clearTimer() {
    this.#due = null;
    clearTimeout(this.#timer);
  }

  /** Calls a listener. Its errors are reported and have no effect on the client. */
  async #notify(event, ...facts) {
    try {
      await this.#options.on[event]?.(...facts);
    } catch (error) {
      (root.reportError ?? console.error)(error);
    }
  }
}

/** Returns a random wait below a bound that doubles with each failure. */
function backoffMs(failures) {
  return Math.random() * Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** failures);
}

/**
 * Reads an answer. `isStream` means success. `isRefusal` means that a repeat would get
 * the same answer. With neither, the call can be repeated after `waitMs`.
 */
function read(response, text) {
  const { ok, status, statusText, headers } = response;
  let body = parse(text, headers);
  const isStream = ok && body?.id && body.token && body.heartbeatSeconds > 0;

  // An API refuses with a JSON object or an empty body. An HTML page comes from a
  // portal, a proxy or a CDN, with any status.
  const isOfApi = text === "" || Object(body) === body;
  const isClientError = status >= 400 && status < 500;
  const isRefusal = isClientError && !RETRIED_STATUSES.includes(status) && isOfApi;

  if (!isStream && typeof body?.type !== "string") {
    body = { type: "network-error", status, detail: body?.message ?? statusText };
  }
  return { body, status, isStream, isRefusal, waitMs: waitMsOf(headers) };
}

/** Returns the content of a JSON answer. Any other answer has none. */
function parse(text, headers) {
  try {
    if (/\bjson\b/i.test(headers.get("Content-Type"))) return JSON.parse(text);
  } catch {
    // The content is not JSON, although its type says so.
  }
  return undefined;
}

/**
 * Returns the time that `Retry-After` asks to wait. It contains seconds or a date. A
 * date is compared with the answer's own `Date`, so that a wrong local clock makes no
 * difference.
 */
function waitMsOf(headers) {
  const retryAfter = headers.get("Retry-After");
  const now = Date.parse(headers.get("Date")) || Date.now();
  const ms = isNaN(retryAfter) ? Date.parse(retryAfter) - now : retryAfter * 1000;
  return Math.max(0, ms || 0);
}
