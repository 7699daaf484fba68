/** A player to try the service with: it can crash, and its network can be cut. */

import { StreamClient } from "../client/streams-client.js";
import { api, exchange, explain, tell } from "./console-requests.js";
import { credentials } from "./credentials.js";
import { $, button, element, inWords, keepFocus, nameOf } from "./elements.js";

const ACTIVE_STATES = ["starting", "playing", "paused", "offline", "waiting"];
const UNLOGGED_STATES = ["idle", "starting", "denied"];
const timer = new Worker(document.body.dataset.timer);

export class Player {
  /** `onChange` runs after a change of its state, `onRemove` after its removal. */
  constructor({ user, device, title, onChange, onRemove }) {
    this.user = user;
    this.onChange = onChange;
    this.onRemove = onRemove;
    const random = crypto.getRandomValues(new Uint32Array(1))[0].toString(36);
    this.request = {
      streamId: title.toLowerCase().replaceAll(" ", "-"),
      title,
      deviceId: `console-${random}`,
      deviceName: device,
    };
    this.#build(device, `${title} on ${device}`);
    this.#open();
    this.#show("idle", "idle");
  }

  #build(device, name) {
    this.state = element("p", { className: "state", role: "status" });
    this.left = element("p", { className: "quiet" });
    this.choices = element("ul", { className: "holders" });
    this.network = element("input", { type: "checkbox", checked: true });

    const action = (text, act, properties) =>
      button(text, act, { ariaLabel: `${text} ${name}`, ...properties });
    this.play = action("Play", () => this.start(), { className: "main" });
    this.stop = action("Stop", () => this.#stop());
    this.crash = action("Crash", () => this.#crash());
    this.pause = action("Pause", () => this.#pause());
    this.resume = action("Resume", () => this.#resume());
    const buttons = [
      this.play,
      this.pause,
      this.resume,
      this.stop,
      this.crash,
      action("Remove", () => this.remove()),
    ];

    this.card = element(
      "article",
      { className: "card", ariaLabel: `Player ${device}`, tabIndex: -1 },
      element("h3", { textContent: name }),
      this.state,
      this.left,
      this.choices,
      element("label", {}, this.network, " Network"),
      element("div", { className: "row" }, ...buttons),
    );
    $("players").append(this.card);
  }

  /** Begin a process of the player. A crash ends it without a word to the service. */
  #open() {
    const process = { isAlive: true };
    this.process = process;
    const whileAlive = (listener) => (...details) =>
      process.isAlive && listener(...details);

    this.client = new StreamClient({
      url: api,
      userId: this.user,
      worker: timer,
      headers: credentials,
      fetch: (url, init) => this.#fetch(process, url, init),
      on: {
        admitted: whileAlive(() => this.#show("playing", "playing")),
        denied: whileAlive((holders, problem) => this.#choose(holders, problem)),
        ended: whileAlive((reason) => this.#show("ended", `ended: ${reason}`)),
        offline: whileAlive((problem) => this.#troubled("offline", problem)),
        waiting: whileAlive((problem) => this.#troubled("waiting", problem)),
        online: whileAlive(() => this.#show("playing", "playing again")),
        grace: whileAlive((isGrace) => this.#grace(isGrace)),
        failed: whileAlive((problem) => this.#troubled("failed", problem)),
      },
    });
  }

  #fetch(process, url, init) {
    if (!process.isAlive) return new Promise(() => {});
    if (this.network.checked) return exchange(url, init);
    return Promise.reject(new TypeError("The network is cut."));
  }

  async start(replace) {
    if (!this.process.isAlive) this.#open();
    this.#show("starting", "starting");
    await this.client.start({ ...this.request, ...(replace && { replace }) });
    this.onChange();
  }

  async #stop() {
    await this.client.stop();
    this.#show("idle", "stopped");
  }

  #pause() {
    this.client.pause();
    this.#show("paused", "paused");
  }

  #resume() {
    this.client.resume();
    this.#show("playing", "playing");
  }

  #crash() {
    this.process.isAlive = false;
    this.#show("crashed", "crashed: its slot is free when its lease ends");
  }

  async remove() {
    await this.client.close();
    const next = this.card.nextElementSibling ?? this.card.previousElementSibling;
    keepFocus(
      () => this.card.remove(),
      () => [next?.querySelector("button:enabled"), $("device")],
    );
    this.onRemove(this);
  }

  /** Offer to end one of the streams that hold the slots. */
  #choose(holders, { rule }) {
    const reason = rule ? (rule.message ?? `the rule ${rule.name}`) : "every slot is taken";
    this.#show("denied", `denied: ${reason}`);

    const names = holders.map(nameOf).join("; ") || "no stream";
    tell(`${this.request.deviceName} was denied. The slots are held by ${names}.`);

    const items = holders.map((holder) => {
      const { id, epoch } = holder;
      const text = `End ${nameOf(holder)} and play here`;
      return element("li", {}, button(text, () => this.start([{ id, epoch }])));
    });
    this.choices.replaceChildren(...items);
  }

  #troubled(state, problem) {
    this.#show(state, `${state}: ${explain(problem)}`);
  }

  #grace(isGrace) {
    const text = isGrace
      ? "playing on a grace lease: the database does not answer"
      : "playing: it has a slot again";
    this.#show("playing", text);
  }

  #show(state, text) {
    keepFocus(
      () => this.#apply(state, text),
      () => [this.play, this.pause, this.resume, this.card],
    );
    if (!UNLOGGED_STATES.includes(state)) tell(`${this.request.deviceName} ${text}.`);
    if (state !== "starting") this.onChange();
  }

  #apply(state, text) {
    this.state.className = `state ${state}`;
    this.state.textContent = text;
    this.choices.replaceChildren();

    const isActive = ACTIVE_STATES.includes(state);
    this.play.disabled = isActive;
    this.stop.disabled = this.crash.disabled = !isActive;
    this.pause.disabled = state !== "playing";
    this.resume.disabled = state !== "paused";
  }

  /** Show the remaining time of the lease. */
  drain() {
    const { stream } = this.client;
    if (stream !== this.stream) {
      this.stream = stream;
      this.since = performance.now();
    }

    const elapsed = (performance.now() - this.since) / 1000;
    const isShown = stream && this.process.isAlive;
    this.left.textContent = isShown
      ? `lease: ${inWords(Math.max(0, stream.leaseSeconds - elapsed))} left`
      : "";
  }
}
