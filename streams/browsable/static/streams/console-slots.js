/** The slots of a user: a card for each stream and for each free slot. */

import { call, tell } from "./console-requests.js";
import { $, button, element, inWords, keepFocus, nameOf, quietText } from "./elements.js";

const keyOf = ({ id, epoch }) => `${id} ${epoch}`;

export class Slots {
  /** `onChange` runs after a stream was ended here. */
  constructor(user, onChange) {
    this.user = user;
    this.onChange = onChange;
    this.latest = null;
    this.latestAt = 0;
    $("slots").replaceChildren();
  }

  /** Show a list of streams, and log what has changed since the last one. */
  show(listing) {
    if (this.latest) this.#logChanges(this.latest.streams, listing.streams);
    this.latest = listing;
    this.latestAt = performance.now();

    const plan = listing.plan === "default" ? "" : `, plan ${listing.plan}`;
    $("count").textContent = `${listing.active} of ${listing.limit} in use${plan}`;
    keepFocus(() => this.#draw(listing), () => [$("slots-title")]);
    this.drain();
  }

  /**
   * Show the remaining times, by the service's answer and the time since then. The
   * clocks of this machine and of the service may differ.
   */
  drain() {
    for (const [index, stream] of (this.latest?.streams ?? []).entries()) {
      const card = $("slots").children[index];
      const elapsed = (performance.now() - this.latestAt) / 1000;
      const left = Math.max(0, stream.leaseSeconds - elapsed);
      const whole = Math.max(stream.leaseSeconds, stream.heartbeatSeconds * 3);
      const state = stream.state === "paused" ? "paused, " : "";

      card.querySelector("progress").value = left / whole;
      card.querySelector(".left").textContent = left
        ? `${state}${inWords(left)} left`
        : "expired";
    }
  }

  #logChanges(before, now) {
    const held = new Set(now.map(keyOf));
    const known = new Set(before.map(keyOf));
    for (const stream of now) {
      if (!known.has(keyOf(stream))) tell(`${nameOf(stream)} holds a slot.`);
    }
    for (const stream of before) {
      if (!held.has(keyOf(stream))) tell(`${nameOf(stream)} no longer holds a slot.`);
    }
  }

  /** Cards that stay are not touched, so that they keep the focus. */
  #draw({ streams, active, limit }) {
    const list = $("slots");
    const shown = new Map([...list.children].map((card) => [card.dataset.key, card]));
    const cards = streams.map((stream) => {
      return shown.get(keyOf(stream)) ?? this.#cardOf(stream);
    });
    for (let slot = active; slot < limit; slot++) {
      cards.push(shown.get(`free ${slot}`) ?? freeCard(`free ${slot}`));
    }

    const isSame =
      cards.length === shown.size &&
      cards.every((card, index) => card === list.children[index]);
    if (!isSame) list.replaceChildren(...cards);
  }

  #cardOf(stream) {
    const device = [stream.deviceName, stream.deviceType].filter(Boolean).join(" · ");
    const metadata = Object.entries(stream.metadata)
      .map(([name, value]) => `${name}: ${value}`)
      .join(" · ");

    const card = element(
      "article",
      { className: "card" },
      element("h3", { textContent: stream.title ?? stream.streamId }),
      quietText(device || stream.id),
      ...(metadata ? [quietText(metadata)] : []),
      element("progress", { max: 1, value: 1, ariaLabel: "Time left of the lease" }),
      element("p", { className: "quiet left" }),
      element(
        "div",
        { className: "row" },
        button("End", () => this.#end(stream), { ariaLabel: `End ${nameOf(stream)}` }),
      ),
    );
    card.dataset.key = keyOf(stream);
    return card;
  }

  /** End the playback that is shown, and not one that has started in its slot since. */
  async #end(stream) {
    const path = `/streams/${encodeURIComponent(stream.id)}?epoch=${stream.epoch}`;
    if (await call(this.user, "DELETE", path)) tell(`You ended ${nameOf(stream)}.`);
    this.onChange();
  }
}

function freeCard(key) {
  const card = element("div", { className: "card free", textContent: "Free" });
  card.dataset.key = key;
  return card;
}
