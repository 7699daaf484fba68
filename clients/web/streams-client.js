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
 *   offline(problem)          The service does not answer. The client tries again.
 *   waiting(problem, seconds) The service answers 429: it is busy, or the user starts
 *                             streams too quickly. The client tries again after this
 *                             time. A stream that plays goes on.
 *   online()                  The service answers a heartbeat again. After `offline` or
 *                             `waiting`, a start ends in one of the other events.
 *   grace(isGrace)            With true, the stream plays although the service's store
 *                             is down. The service decides about it afterwards.
 *   failed(problem)           A repeat of the start would get the same answer: a bad
 *                             request, bad credentials.
 *
 * A problem has the fields of the service's answer (RFC 9457), and `retryAfter` in
 * seconds if the answer has a `Retry-After`. When the service did not answer, or a
 * proxy answered in its place, it is `{ type: "network-error", status, detail }`.
 *
 * Call `close()` when the app no longer needs a client, such as in the cleanup of a
 * React effect.
 */

/**
 * A stream. Instants are RFC 3339. Each also has a relative value, in seconds.
 *
 * @typedef {object} Stream
 * @property {string} id
 * @property {string} userId
 * @property {string} streamId
 * @property {string | null} deviceId
 * @property {string | null} deviceName
 * @property {string | null} deviceType
 * @property {string | null} title
 * @property {Record<string, string | number | boolean>} metadata
 * @property {string} startedAt
 * @property {string} expiresAt
 * @property {number} leaseSeconds
 * @property {number} heartbeatSeconds
 * @property {"playing" | "paused"} state
 * @property {string | null} pausedAt
 * @property {number} epoch Increases each time the slot changes hands.
 */

/**
 * A stream of this player.
 *
 * @typedef {Stream & OwnFields} OwnStream
 *
 * @typedef {object} OwnFields
 * @property {string} token The opaque credential for its heartbeats and its stop.
 * @property {boolean} isGrace Whether it plays although the service's store is down.
 *   Afterwards the service may end it, with the reason `over-limit`.
 * @property {string} [edgeToken] The token for the CDN and the licence server, if the
 *   service issues edge tokens. Always use the newest: `client.stream.edgeToken`.
 */

/**
 * @typedef {object} StartRequest
 * @property {string} streamId The content that is watched.
 * @property {string} [deviceId] A device that starts again keeps its slot.
 * @property {string} [deviceName]
 * @property {string} [deviceType]
 * @property {string} [title]
 * @property {Record<string, string | number | boolean>} [metadata] Attributes of your
 *   own, which the rules of a plan can examine.
 * @property {(string | Pick<Stream, "id" | "epoch">)[]} [replace] Streams to end in the
 *   same write: any playback with an id, or exactly the playback that the viewer saw.
 */

/**
 * @typedef {"stopped" | "evicted" | "replaced" | "taken-over" | "expired" | "suspended"
 *   | "over-limit"} Reason
 */

/** @typedef {Reason | (string & {})} EndReason */

/**
 * A problem of the service (RFC 9457), or `type: "network-error"` when the service did
 * not answer or a proxy answered in its place.
 *
 * @typedef {object} Problem
 * @property {string} type
 * @property {string} [title]
 * @property {number} [status]
 * @property {string | null} [detail]
 * @property {number} [retryAfter] Seconds, from `Retry-After`.
 * @property {Record<string, unknown>} [errors] The faulty fields of a start.
 * @property {number} [limit]
 * @property {string} [plan]
 * @property {{ name: string, message: string | null }} [rule] The plan's rule that
 *   refused, unless it was the limit. `message` is for the viewer.
 * @property {Stream[]} [streams] The streams that hold the slots.
 * @property {Reason} [reason]
 * @property {string} [endedAt]
 * @property {string | null} [endedBy] The id of the stream that took the place.
 * @property {string | null} [endedByName] Its device's name.
 * @property {string | null} [endedByTitle] Its title.
 */

/**
 * The client's listeners. Their errors are reported and have no effect on the client.
 * `ended` gets a `Reason` or the problem's type; the problem is null if this player
 * stopped the stream.
 *
 * @typedef {object} Listeners
 * @property {(stream: OwnStream) => unknown} [admitted]
 * @property {(holders: Stream[], problem: Problem) => unknown} [denied]
 * @property {(reason: EndReason, problem: Problem | null) => unknown} [ended]
 * @property {(problem: Problem) => unknown} [offline]
 * @property {(problem: Problem, seconds: number) => unknown} [waiting]
 * @property {() => unknown} [online]
 * @property {(isGrace: boolean) => unknown} [grace]
 * @property {(problem: Problem) => unknown} [failed]
 */

/**
 * @typedef {object} Options
 * @property {string} url The service's address, with a stage if it has one:
 *   `https://streams.example.com`.
 * @property {string} [userId] By default, the user of the bearer token (`/me`).
 * @property {Listeners} [on]
 * @property {() => HeadersInit | Promise<HeadersInit>} [headers] Called for each
 *   request, so that it can renew a credential.
 * @property {typeof globalThis.fetch} [fetch]
 * @property {Pick<Worker, "postMessage" | "addEventListener">} [worker] See
 *   `timerWorker`. Clients can share one.
 */

const BACKOFF_MS = 1000;
const MAX_BACKOFF_MS = 30_000;
const MAX_WAIT_MS = 3_600_000; // a browser's timer of more than 24 days fires at once
const TIMEOUT_MS = 10_000;
const STOP_TRIES = 3;
const RETRIED_STATUSES = [408, 425, 429];
const TEXT_HEADERS = { "Content-Type": "text/plain;charset=UTF-8" };

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

/**
 * By slot, the start that is in flight. A component that is mounted twice in a row, as
 * React's StrictMode does, has two clients for one slot. If both starts were in flight,
 * the first could arrive last, and its stop would free the successor's slot.
 */
const startsInFlight = new Map();

/** By slot, when a start was given up that may still reach the service. */
const lostStarts = new Map();

export class StreamClient {
  #url;
  #options;
  /** Identifies the slot when the app gives no deviceId. */
  #idempotencyKey = randomId();
  /** The last start: its request, the stream once it is admitted, and its promise. */
  #current = null;
  /** By id, the newest answer for each slot that this player took and did not free. */
  #held = new Map();
  #hasLeftPage = false;
  /** The attempt whose answer counts. */
  #attemptNumber = 0;
  /** When the next attempt is due, by two clocks. */
  #due = null;
  #timer;
  #failures = 0;
  /** The trouble that the app knows of: "offline", "waiting" or null. */
  #trouble = null;
  /** The listeners that `close` removes. */
  #subscriptions = [];
  /** The service asked to wait until then with the next start. */
  #startNotBefore = 0;

  /** @param {Options} options */
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
    this.#listen();
  }

  /**
   * The service's latest answer about the stream, null when it is over.
   *
   * @returns {OwnStream | null}
   */
  get stream() {
    return this.#current?.stream ?? null;
  }

  /**
   * Resolves to true when the stream is admitted. False means that it was denied, that
   * it failed, or that the player was stopped or started again.
   *
   * @param {StartRequest} request
   * @returns {Promise<boolean>}
   */
  start(request) {
    this.#listen();
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
   *
   * @returns {Promise<void>}
   */
  async stop() {
    const isKnownToApp = this.stream !== null || this.#trouble !== null;
    this.#forget();
    if (isKnownToApp) this.#notify("ended", "stopped", null);
    await this.#tidy();
  }

  /**
   * Stops, and removes the client's listeners from the page and the worker. A later
   * start adds them again.
   *
   * @returns {Promise<void>}
   */
  async close() {
    for (const [target, event, act] of this.#subscriptions.splice(0)) {
      target.removeEventListener?.(event, act);
    }
    await this.stop();
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
      ? await this.#sendStart(current)
      : await this.#sendHeartbeat(current);
    this.#recordSlot(answer, current, isStarting);

    // Otherwise the player was stopped or started again in the meantime.
    const isLatest = number === this.#attemptNumber;
    if (isLatest) this.#apply(answer, current, stream);
    await this.#tidy();
  }

  /** Sends a start after the start of another client in the same slot is answered. */
  async #sendStart(current) {
    const slot = this.#slotOf(current.request);
    for (;;) {
      const other = startsInFlight.get(slot);
      if (!other || other.client === this) break;
      await other.answered;
    }
    const isGivenUp = this.#current !== current;
    if (isGivenUp) return { body: { type: "superseded" }, waitMs: 0, isRefusal: true };

    const answered = this.#send("", current.request);
    startsInFlight.set(slot, { client: this, answered });
    const answer = await answered;
    if (startsInFlight.get(slot)?.answered === answered) startsInFlight.delete(slot);
    return answer;
  }

  /** Returns what identifies a slot for all clients of the page. */
  #slotOf({ deviceId }) {
    return `${this.#url} ${deviceId || this.#idempotencyKey}`;
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
      this.#recordLostStart(current);
    }
  }

  #recordLostStart({ request }) {
    lostStarts.set(this.#slotOf(request), monotonicNow());
  }

  /** Continues, ends or repeats the current start or stream. */
  #apply(answer, current, stream) {
    const isTakenOver = answer.body?.reason === "taken-over";
    const lostAt = lostStarts.get(this.#slotOf(current.request));
    const isUncertain = monotonicNow() - lostAt < UNCERTAIN_MS;
    const needsCredentials = answer.status === 401 && stream;
    const isToken = answer.status === 400 && answer.body?.errors?.token;
    const isTokenRefused = isToken && stream && !current.isStarting;

    if (answer.isStream) this.#continue(answer.body, current, stream);
    // An earlier start from this page has probably taken the slot.
    else if (isTakenOver && isUncertain) this.#takeBack();
    // Another release of the service wrote the token.
    else if (isTokenRefused) this.#takeBack();
    else if (answer.isRefusal && !needsCredentials) this.#end(answer, current, stream);
    else this.#retry(answer);
  }

  #continue(body, current, stream) {
    const hadTrouble = this.#trouble !== null;
    const wasGrace = Boolean(stream?.isGrace);
    current.stream = body;
    current.isStarting = false;
    this.#failures = 0;
    this.#trouble = null;
    this.#schedule(body.heartbeatSeconds * 1000);
    current.settle(true);

    if (!stream) this.#notify("admitted", body);
    else if (hadTrouble) this.#notify("online");
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
    const isBusy = status === 429;
    if (isBusy) this.#startNotBefore = monotonicNow() + waitMs;
    const retryMs = waitMs + backoffMs(this.#failures);
    this.#schedule(retryMs);
    this.#failures++;

    const trouble = isBusy ? "waiting" : "offline";
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    if (isBusy) this.#notify("waiting", body, retryMs / 1000);
    else this.#notify("offline", body);
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
      // A blocker can drop a beacon that the browser has accepted. So the call follows.
      if (this.#hasLeftPage && failures === 0) this.#sendBeacon(path, { token });

      const answer = await this.#send(path, { token }, { isStop: true });
      const { status, waitMs, isRefusal } = answer;
      if (status === 204 || isRefusal) return;
      const backoff = Math.random() * BACKOFF_MS * 2 ** failures;
      await new Promise((resolve) => setTimeout(resolve, waitMs + backoff));
    }
  }

  /** Sends a call that outlives the page. As text, it needs no preflight. */
  #sendBeacon(path, body) {
    try {
      root.navigator?.sendBeacon?.(this.#url + path, JSON.stringify(body));
    } catch {
      // The browser does not allow the beacon.
    }
  }

  /** Sends a call and returns its answer. A failure of any kind is an answer too. */
  async #send(path, body, { isStop = false } = {}) {
    try {
      const signal = timeoutSignal(TIMEOUT_MS);
      // The app's `headers` and `fetch` may ignore the signal.
      const timeout = new Promise((_, reject) => {
        signal.onabort = () => reject(signal.reason ?? new Error("TimeoutError"));
      });
      const response = this.#fetch(path, body, { isStop, signal });
      return await Promise.race([response, timeout]);
    } catch (error) {
      return { body: { type: "network-error", detail: String(error) }, waitMs: 0 };
    }
  }

  async #fetch(path, body, { isStop, signal }) {
    // A page that is left has no time for a preflight. A stop needs only its token.
    const isLastCall = isStop && this.#hasLeftPage;
    const headers = isLastCall ? TEXT_HEADERS : await this.#jsonHeaders();
    const response = await this.#options.fetch(this.#url + path, {
      method: "POST",
      keepalive: isStop,
      redirect: "error", // the credentials are for this service only
      headers,
      body: JSON.stringify(body),
      signal,
    });
    return read(response, await response.text());
  }

  async #jsonHeaders() {
    const headers = await this.#options.headers();
    const isIterable = typeof headers?.[Symbol.iterator] === "function";
    return {
      "Content-Type": "application/json",
      "Idempotency-Key": this.#idempotencyKey,
      ...(isIterable ? Object.fromEntries(headers) : headers),
    };
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

  /** Adds the listeners of the page and the worker, unless they exist. */
  #listen() {
    if (this.#subscriptions.length > 0) return;

    const listen = (target, event, act) => {
      target?.addEventListener?.(event, act);
      this.#subscriptions.push([target ?? {}, event, act]);
    };
    listen(this.#options.worker, "message", ({ data }) => this.#wake(data));
    for (const event of WAKING_EVENTS) listen(root, event, () => this.#catchUp());
    listen(root, "pageshow", () => {
      this.#hasLeftPage = false;
    });
    listen(root, "pagehide", () => {
      this.#hasLeftPage = true;
      this.stop();
    });
  }

  /**
   * Sends an attempt that is overdue because the tab slept, was throttled or was
   * offline. The monotonic clock may have stopped while the computer slept. The date
   * may have been changed.
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
    if (this.#current?.isStarting) this.#recordLostStart(this.#current);
    this.#current = null;
    this.#attemptNumber = 0;
    this.#failures = 0;
    this.#trouble = null;
    this.#clearTimer();
  }

  #clearTimer() {
    this.#due = null;
    clearTimeout(this.#timer);
  }

  /** Calls a listener. Its errors are reported and have no effect on the client. */
  async #notify(event, ...facts) {
    const { on } = this.#options;
    try {
      // Not `on[event]?.(...facts)`: Chromium before 91 has faults in such calls.
      if (on[event]) await on[event](...facts);
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
  const waitMs = waitMsOf(headers);
  if (!isStream && waitMs > 0) body.retryAfter = Math.ceil(waitMs / 1000);
  return { body, status, isStream, isRefusal, waitMs };
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

/** Returns a signal that aborts after a time, also without `AbortSignal.timeout`. */
function timeoutSignal(ms) {
  if (AbortSignal.timeout) return AbortSignal.timeout(ms);
  const controller = new AbortController();
  setTimeout(() => controller.abort(), ms);
  return controller.signal;
}

/** Returns a random id. React Native has no `crypto`. */
function randomId() {
  const numbers = new Uint32Array(4);
  if (root.crypto?.getRandomValues) root.crypto.getRandomValues(numbers);
  else numbers.forEach((_, index) => (numbers[index] = Math.random() * 2 ** 32));
  return numbers.join("-");
}

const TIMER_SOURCE =
  "onmessage = ({ data: { turn, ms } }) => setTimeout(postMessage, ms, turn);";

/**
 * Returns a worker for the option `worker`, with which heartbeats continue in a hidden,
 * silent tab. There, browsers run a page's own timers once a minute at most.
 *
 * The worker's source is part of this file, because browsers refuse workers from
 * another origin. A Content-Security-Policy must contain `worker-src blob:`. Without
 * workers the result is undefined, and the client uses the page's own timers.
 *
 * @returns {Worker | undefined}
 */
export function timerWorker() {
  try {
    const source = new Blob([TIMER_SOURCE], { type: "text/javascript" });
    return new Worker(URL.createObjectURL(source));
  } catch {
    return undefined;
  }
}

const TAB_KEY = "streams-tab";
let tab;

/**
 * Returns an id of this tab, for the option `deviceId` of a start. A reload keeps it.
 *
 * `sessionStorage` alone does not suffice: `window.open` and "Duplicate tab" copy it.
 * So the stored id is marked while its page is open. A page that finds the mark is a
 * copy and takes a new id.
 *
 * @returns {string}
 */
export function tabId() {
  if (!tab) tab = claimTabId();
  return tab;
}

function claimTabId() {
  const newId = randomId();
  try {
    const storage = root.sessionStorage;
    const stored = JSON.parse(storage.getItem(TAB_KEY)) ?? {};
    const id = stored.id && !stored.isOpen ? stored.id : newId;
    const save = (isOpen) => storage.setItem(TAB_KEY, JSON.stringify({ id, isOpen }));

    save(true);
    root.addEventListener("pagehide", () => save(false));
    root.addEventListener("pageshow", () => save(true));
    return id;
  } catch {
    return newId; // the browser does not allow storage
  }
}
