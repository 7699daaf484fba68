/** The requests of the console: each is shown with its answer. */

import { credentials } from "./credentials.js";
import { $, element } from "./elements.js";

const MAX_LINES = 200;

export const api = new URL(document.body.dataset.api, location.href).href.replace(
  /\/$/,
  "",
);

/** `fetch`, and a line that shows the request and its answer. */
export async function exchange(url, init = {}, { isPoll = false } = {}) {
  const began = performance.now();
  const line = element("details", { className: isPoll ? "poll" : "" });
  const show = (status, answer) => {
    const ms = Math.round(performance.now() - began);
    const path = url.slice(api.length);
    const textContent = `${status} ${init.method ?? "GET"} ${path} · ${ms} ms`;
    line.append(element("summary", { textContent }));
    if (init.body) line.append(element("pre", { textContent: pretty(init.body) }));
    line.append(element("pre", { textContent: answer }));
    prepend($("requests"), line);
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

/**
 * Send a request of this page about a user. Return the answer, or null after a problem,
 * which the alert line shows.
 */
export async function call(user, method, path, body, options) {
  const headers = { Accept: "application/json", ...credentials() };
  if (body) headers["Content-Type"] = "application/json";

  try {
    const url = `${api}/users/${encodeURIComponent(user)}${path}`;
    const init = { method, headers, body: body && JSON.stringify(body) };
    const response = await exchange(url, init, options);
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

/** Return the plans, or an empty list for a caller that may not read them. */
export async function readPlans() {
  const headers = { Accept: "application/json", ...credentials() };
  const response = await fetch(`${api}/plans`, { headers });
  return response.ok ? (await response.json()).plans : [];
}

/** The text of a problem. */
export function explain(problem) {
  const fields = Object.entries(problem.errors ?? {}).map(
    ([field, messages]) => `${field}: ${[messages].flat().join(" ")}`,
  );
  const parts = [problem.title ?? problem.type, problem.detail, ...fields];
  return parts.filter(Boolean).join(" ");
}

/** Add a line to the log. */
export function tell(text) {
  const time = new Date().toLocaleTimeString();
  const clock = element("span", { className: "quiet", textContent: `${time} ` });
  prepend($("log"), element("p", {}, clock, text));
}

function prepend(list, line) {
  list.prepend(line);
  if (list.childElementCount > MAX_LINES) list.lastElementChild.remove();
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
