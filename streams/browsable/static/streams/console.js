/** The console: one user's slots as they are, and players to try the service with. Uses only the public API. */

import { StreamClient } from "../client/streams-client.js";
import { credentials, openCredentials } from "./credentials.js";

const LOOK_EVERY_MS = 2000;
const CHART_MS = 300_000;
const KEPT_LINES = 200;

const $ = (id) => document.getElementById(id);
const api = new URL(document.body.dataset.api, location.href).href.replace(/\/$/, "");
const timer = new Worker(document.body.dataset.timer);
const players = [];
const history = [];
let user = new URLSearchParams(location.search).get("user") || $("user").value;
let seen = null; // the last list of streams, and when it came

/** An element. Text is only ever text: nothing that a user named can become markup. */
function el(tag, { on = {}, ...properties } = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  for (const [event, listener] of Object.entries(on)) node.addEventListener(event, listener);
  node.append(...children);
  return node;
}

function button(text, act, properties = {}) {
  return el("button", { type: "button", textContent: text, on: { click: act }, ...properties });
}

const named = (stream) => `${stream.title ?? stream.streamId} on ${stream.deviceName ?? stream.id}`;

// --- requests -------------------------------------------------------------------------------------------------------

/** `fetch`, and a line for what was sent and answered. */
async function exchange(url, init = {}, { isPoll = false } = {}) {
  const began = performance.now();
  const [method, path] = [init.method ?? "GET", url.slice(api.length)];
  const line = el("details", { className: isPoll ? "poll" : "" });
  const show = (status, answer) => {
    const ms = Math.round(performance.now() - began);
    line.replaceChildren(
      el("summary", { textContent: `${status} ${method} ${path} · ${ms} ms` }),
      ...(init.body ? [el("pre", { textContent: pretty(init.body) })] : []),
      el("pre", { textContent: answer }),
    );
    $("requests").prepend(line);
    if ($("requests").childElementCount > KEPT_LINES) $("requests").lastElementChild.remove();
  };
  try {
    const response = await fetch(url, init);
    show(response.status, pretty(await response.clone().text()) || "(no body)");
    return response;
  } catch (error) {
    show("—", String(error));
    throw error;
  }
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** A call of this page's own. A problem stands in the alert line, and null is the answer. */
async function call(method, path, body, options) {
  const headers = { Accept: "application/json", ...(body && { "Content-Type": "application/json" }), ...credentials() };
  try {
    const url = `${api}/users/${encodeURIComponent(user)}${path}`;
    const response = await exchange(url, { method, headers, body: body && JSON.stringify(body) }, options);
    const answer = response.status === 204 ? {} : await response.json();
    if (!response.ok) throw new Error(explain(answer));
    $("alert").hidden = true;
    return answer;
  } catch (error) {
    $("alert").textContent = error.message;
    $("alert").hidden = false;
    return null;
  }
}

function explain(problem) {
  const fields = Object.entries(problem.errors ?? {}).map(([field, why]) => `${field}: ${[why].flat().join(" ")}`);
  return [problem.title ?? problem.type, problem.detail, ...fields].filter(Boolean).join(" ");
}

function tell(text) {
  const time = new Date().toLocaleTimeString();
  $("log").prepend(el("p", {}, el("span", { className: "quiet", textContent: `${time} ` }), text));
  if ($("log").childElementCount > KEPT_LINES) $("log").lastElementChild.remove();
}

// --- slots ----------------------------------------------------------------------------------------------------------

async function look() {
  const whose = user;
  const answer = await call("GET", "/streams", undefined, { isPoll: true });
  if (!answer || whose !== user) return;
  if (seen) {
    const held = new Set(answer.streams.map(({ id, epoch }) => `${id} ${epoch}`));
    const before = new Set(seen.streams.map(({ id, epoch }) => `${id} ${epoch}`));
    for (const one of answer.streams) if (!before.has(`${one.id} ${one.epoch}`)) tell(`${named(one)} holds a slot.`);
    for (const one of seen.streams) if (!held.has(`${one.id} ${one.epoch}`)) tell(`${named(one)} gave its slot up.`);
  }
  seen = { ...answer, at: performance.now() };
  history.push({ at: Date.now(), active: answer.active, limit: answer.limit });
  drawSlots();
  drawChart();
}

function drawSlots() {
  const plan = seen.plan === "default" ? "" : `, plan ${seen.plan}`;
  $("count").textContent = `${seen.active} of ${seen.limit} in use${plan}`;
  const kept = new Map([...$("slots").children].map((card) => [card.dataset.key, card]));
  const cards = seen.streams.map((stream) => {
    const key = `${stream.id} ${stream.epoch}`;
    return kept.get(key) ?? slotCard(stream, key);
  });
  for (let free = seen.active; free < seen.limit; free++) {
    cards.push(kept.get(`free ${free}`) ?? freeCard(`free ${free}`));
  }
  // Cards that stay are not touched, so that the focus on a button of theirs stays too.
  if (cards.length !== kept.size || cards.some((card, place) => card !== $("slots").children[place])) {
    $("slots").replaceChildren(...cards);
  }
  drain();
}

function freeCard(key) {
  const card = el("div", { className: "card free", textContent: "Free" });
  card.dataset.key = key;
  return card;
}

/** The operator's own facts of a stream. */
function facts(metadata) {
  const text = Object.entries(metadata).map(([name, value]) => `${name}: ${value}`).join(" · ");
  return text ? [el("p", { className: "quiet", textContent: text })] : [];
}

function slotCard(stream, key) {
  const end = async () => {
    // The epoch: what is ended is the playback that is shown, and not one that has started in its slot since.
    const path = `/streams/${encodeURIComponent(stream.id)}?epoch=${stream.epoch}`;
    if (await call("DELETE", path)) tell(`You ended ${named(stream)}.`);
    look();
  };
  const card = el(
    "article",
    { className: "card" },
    el("h3", { textContent: stream.title ?? stream.streamId }),
    el("p", { className: "quiet", textContent: [stream.deviceName, stream.deviceType].filter(Boolean).join(" · ") || stream.id }),
    ...facts(stream.metadata),
    el("progress", { max: 1, value: 1, ariaLabel: "Time left of the lease" }),
    el("p", { className: "quiet left" }),
    el("div", { className: "row" }, button("End", end, { ariaLabel: `End ${named(stream)}` })),
  );
  card.dataset.key = key;
  return card;
}

/** As people say it: 42 s, 3 min. */
const inWords = (seconds) => (seconds < 120 ? `${Math.ceil(seconds)} s` : `${Math.round(seconds / 60)} min`);

/** Time left, from what the service said and how long ago: no clock has to agree with its. */
function drain() {
  if (!seen) return;
  seen.streams.forEach((stream, place) => {
    const card = $("slots").children[place];
    const left = Math.max(0, stream.leaseSeconds - (performance.now() - seen.at) / 1000);
    card.querySelector("progress").value = left / Math.max(stream.leaseSeconds, stream.heartbeatSeconds * 3);
    const paused = stream.state === "paused" ? "paused, " : "";
    card.querySelector(".left").textContent = left ? `${paused}${inWords(left)} left` : "expired";
  });
  for (const player of players) player.drain();
}

function drawChart() {
  const now = Date.now();
  while (history[1]?.at < now - CHART_MS) history.shift();
  const highest = Math.max(1, ...history.map(({ active, limit }) => Math.max(active, limit)));
  const steps = (value) =>
    history
      .map((point, place) => {
        const x = Math.max(0, 300 * (1 - (now - point.at) / CHART_MS));
        const y = 56 - (52 * value(point)) / highest;
        return place ? `H${x.toFixed(1)}V${y.toFixed(1)}` : `M${x.toFixed(1)} ${y.toFixed(1)}`;
      })
      .join("") + "H300";
  $("chart").querySelector(".active").setAttribute("d", steps(({ active }) => active));
  $("chart").querySelector(".limit").setAttribute("d", steps(({ limit }) => limit));
}

// --- players --------------------------------------------------------------------------------------------------------

/** A player to try the service with: it can crash, and its network can be cut. */
class Player {
  constructor(device, title) {
    this.request = {
      streamId: title.toLowerCase().replaceAll(" ", "-"),
      title,
      deviceId: `console-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`,
      deviceName: device,
    };
    this.state = el("p", { className: "state", role: "status" });
    this.left = el("p", { className: "quiet" });
    this.choices = el("ul", { className: "holders" });
    this.play = button("Play", () => this.start(), { className: "main" });
    this.stop = button("Stop", () => this.client.stop().then(look));
    this.crash = button("Crash", () => this.die());
    this.pause = button("Pause", () => this.hold());
    this.network = el("input", { type: "checkbox", checked: true });
    this.card = el(
      "article",
      { className: "card", ariaLabel: `Player ${device}` },
      el("h3", { textContent: `${title} on ${device}` }),
      this.state,
      this.left,
      this.choices,
      el("label", {}, this.network, " Network"),
      el("div", { className: "row" }, this.play, this.pause, this.stop, this.crash, button("Remove", () => this.remove())),
    );
    $("players").append(this.card);
    players.push(this);
    this.open();
    this.show("idle", "idle");
  }

  open() {
    const process = { isAlive: true };
    this.process = process;
    const told = (listener) => (...facts) => process.isAlive && listener(...facts);
    this.client = new StreamClient({
      url: api,
      userId: user,
      worker: timer,
      headers: credentials,
      fetch: (url, init) => {
        if (!process.isAlive) return new Promise(() => {});
        return this.network.checked ? exchange(url, init) : Promise.reject(new TypeError("The network is cut."));
      },
      on: {
        admitted: told((stream) => this.show("playing", "plays", stream)),
        denied: told((holders, problem) => this.choose(holders, problem)),
        ended: told((reason) => this.show("ended", `ended: ${reason}`)),
        offline: told((problem) => this.show("offline", `offline: ${explain(problem)}`)),
        waiting: told((problem) => this.show("offline", `waits: ${explain(problem)}`)),
        online: told(() => this.show("playing", "plays again")),
        grace: told((isGrace) => this.show("playing", isGrace ? "plays by grace: the store is down" : "has its slot")),
        failed: told((problem) => this.show("failed", `failed: ${explain(problem)}`)),
      },
    });
  }

  async start(replace) {
    if (!this.process.isAlive) this.open();
    this.show("starting", "starts");
    await this.client.start({ ...this.request, ...(replace && { replace }) });
    look();
  }

  choose(holders, { rule }) {
    this.show("denied", `denied: ${rule ? rule.message ?? `the rule ${rule.name}` : "every slot is taken"}`);
    tell(`${this.request.deviceName} was denied. The slots are held by ${holders.map(named).join("; ") || "nobody"}.`);
    const items = holders.map((holder) =>
      el("li", {}, button(`End ${named(holder)} and play here`, () => this.start([{ id: holder.id, epoch: holder.epoch }]))),
    );
    this.choices.replaceChildren(...items);
  }

  hold() {
    const isPaused = this.pause.textContent === "Pause";
    if (isPaused) this.client.pause();
    else this.client.resume();
    this.show("playing", isPaused ? "pauses" : "plays on");
    this.pause.textContent = isPaused ? "Resume" : "Pause";
  }

  die() {
    this.process.isAlive = false;
    this.show("crashed", "crashed: its slot frees when its lease ends");
  }

  async remove() {
    await this.client.stop();
    players.splice(players.indexOf(this), 1);
    this.card.remove();
    look();
  }

  show(state, text) {
    this.state.className = `state ${state}`;
    this.state.textContent = text;
    this.choices.replaceChildren();
    const isOn = ["starting", "playing", "offline"].includes(state);
    this.play.disabled = isOn;
    this.stop.disabled = this.crash.disabled = !isOn;
    this.pause.disabled = state !== "playing";
    if (state !== "playing" && state !== "offline") this.pause.textContent = "Pause";
    if (!["idle", "starting", "denied"].includes(state)) tell(`${this.request.deviceName} ${text}.`);
    if (state !== "starting" && seen) look();
  }

  drain() {
    const { stream } = this.client;
    if (stream !== this.stream) [this.stream, this.since] = [stream, performance.now()];
    const left = stream && stream.leaseSeconds - (performance.now() - this.since) / 1000;
    this.left.textContent = stream && this.process.isAlive ? `lease: ${inWords(Math.max(0, left))} left` : "";
  }
}

// --- the page -------------------------------------------------------------------------------------------------------

async function show(name) {
  user = name;
  seen = null;
  history.length = 0;
  $("user").value = $("whose").textContent = name;
  $("slots").replaceChildren();
  window.history.replaceState(null, "", `?user=${encodeURIComponent(name)}`);
  await offerPlans();
  const [limit] = await Promise.all([call("GET", "/limit"), look()]);
  if (limit) showLimit(limit);
}

function showLimit({ plan, limit, whenFull }) {
  if (![...$("plan").options].some((option) => option.value === plan)) $("plan").append(new Option(plan));
  $("plan").value = plan;
  $("limit").value = limit;
  $("when-full").value = whenFull;
}

/** The plans there are, for whoever may know. */
async function offerPlans() {
  const response = await fetch(`${api}/plans`, { headers: { Accept: "application/json", ...credentials() } });
  if (response.ok) $("plan").replaceChildren(...(await response.json()).plans.map(({ name }) => new Option(name)));
}

$("user-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  await Promise.all(players.slice().map((player) => player.remove()));
  show($("user").value.trim());
});
$("limit-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const wanted = { limit: Number($("limit").value), whenFull: $("when-full").value };
  const plan = $("plan").value;
  if (plan && plan !== "default") wanted.plan = plan;
  if (await call("PUT", "/limit", wanted)) tell(`The limit is ${wanted.limit}; when full: ${wanted.whenFull}.`);
  look();
});
$("plan").addEventListener("change", async () => {
  const answer = await call("PUT", "/limit", { plan: $("plan").value });
  if (!answer) return;
  showLimit(answer);
  tell(`The plan is ${answer.plan}: ${answer.limit} streams.`);
  look();
});
$("suspend").addEventListener("click", async () => {
  const answer = await call("PUT", "/limit", { limit: 0, endSurplus: true });
  if (!answer) return;
  showLimit(answer);
  tell(`Suspended. Ended: ${answer.ended.join(", ") || "none"}.`);
  look();
});
$("clear-limit").addEventListener("click", async () => {
  if (await call("DELETE", "/limit")) {
    showLimit(await call("GET", "/limit"));
    tell("The default limit holds.");
  }
  look();
});
$("player-form").addEventListener("submit", (event) => {
  event.preventDefault();
  new Player($("device").value, $("title").value).start();
});
$("show-polls").addEventListener("change", () => $("requests").classList.toggle("only-deeds"));
$("requests").classList.add("only-deeds");
openCredentials(() => show(user));

setInterval(() => document.hidden || look(), LOOK_EVERY_MS);
setInterval(drain, 250);
show(user);
