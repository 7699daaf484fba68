/** The form of a user's limit. Only "Set" sends what it contains. */

import { call, readPlans, tell } from "./console-requests.js";
import { $, confirmed, nameOf } from "./elements.js";

export class LimitForm {
  /** `streams` returns the streams that are shown. `onChange` runs after a change. */
  constructor(user, { streams, onChange }) {
    this.user = user;
    this.streams = streams;
    this.onChange = onChange;
    this.plans = new Map();

    const form = $("limit-form");
    form.onsubmit = (event) => {
      event.preventDefault();
      this.#set();
    };
    $("plan").onchange = () => this.#suggest();
    $("clear-limit").onclick = () => this.#clear();
    $("suspend").onclick = () => this.#suspend();
  }

  /** Read the plans, if the caller may, and the limit. */
  async load() {
    const plans = await readPlans();
    this.plans = new Map(plans.map((plan) => [plan.name, plan]));
    $("plan").replaceChildren(...plans.map(({ name }) => new Option(name)));

    const limit = await call(this.user, "GET", "/limit");
    if (limit) this.#show(limit);
  }

  #show({ plan, limit, whenFull }) {
    const names = [...$("plan").options].map((option) => option.value);
    if (!names.includes(plan)) $("plan").append(new Option(plan));
    $("plan").value = plan;
    $("limit").value = limit;
    $("when-full").value = whenFull;
  }

  /** Show what a plan would set. */
  #suggest() {
    const plan = this.plans.get($("plan").value);
    if (!plan) return;
    $("limit").value = plan.limit;
    $("when-full").value = plan.whenFull;
  }

  /** The values that differ from those of the plan, and the plan unless it is the default. */
  #changes() {
    const name = $("plan").value;
    const plan = this.plans.get(name);
    const changes = {};
    if (name && name !== "default") changes.plan = name;

    const limit = Number($("limit").value);
    const whenFull = $("when-full").value;
    const needsLimit = !changes.plan && whenFull !== plan?.whenFull;
    if (limit !== plan?.limit || needsLimit) changes.limit = limit;
    if (whenFull !== plan?.whenFull) changes.whenFull = whenFull;
    return changes;
  }

  async #set() {
    const changes = this.#changes();
    if (Object.keys(changes).length === 0) return this.#clear();

    const answer = await call(this.user, "PUT", "/limit", changes);
    if (!answer) return;
    this.#show(answer);
    const { plan, limit, whenFull } = answer;
    tell(`The limit is ${limit}, by the plan ${plan}. When full: ${whenFull}.`);
    this.onChange();
  }

  async #clear() {
    if (!(await call(this.user, "DELETE", "/limit"))) return;
    const limit = await call(this.user, "GET", "/limit");
    if (limit) this.#show(limit);
    tell("The default limit applies.");
    this.onChange();
  }

  async #suspend() {
    const streams = this.streams().map(nameOf);
    const question = `Suspend ${this.user}? No stream can start, and these end now:`;
    if (!(await confirmed(question, streams.length ? streams : ["no stream"]))) return;

    const body = { limit: 0, endSurplus: true };
    const answer = await call(this.user, "PUT", "/limit", body);
    if (!answer) return;
    this.#show(answer);
    tell(`Suspended. Ended: ${answer.ended.join(", ") || "none"}.`);
    this.onChange();
  }
}
