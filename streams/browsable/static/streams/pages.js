/** The pages of the API. Forms send JSON with the credentials of the tab, and the page of
 * the answer replaces the page that sent it. */

import { credentials, openCredentials } from "./credentials.js";
import { $, confirmed } from "./elements.js";

const canonical = document.querySelector("link[rel=canonical]");

/** Show the page of an answer. If the service cannot be reached, this page remains. */
async function show(url, { method = "GET", body, isBack = false } = {}) {
  const headers = { Accept: "text/html", ...credentials() };
  if (body) headers["Content-Type"] = "application/json";
  $("alert").hidden = true;

  try {
    const response = await fetch(url, { method, headers, body: body || undefined, cache: "no-store" });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    replacePage(page, response);
    if (!isBack && canonical.href !== location.href) history.pushState(null, "", canonical.href);
    prepare();
    $("answer").focus();
    return response.ok;
  } catch (error) {
    $("alert").textContent = `The service did not answer with a page: ${error.message}.`;
    $("alert").hidden = false;
    return false;
  }
}

function replacePage(page, response) {
  const main = page.querySelector("main[data-status]");
  if (!main) throw new Error(`${response.status} ${response.statusText}`);

  document.querySelector("main").replaceWith(main);
  document.title = page.title;
  canonical.href = page.querySelector("link[rel=canonical]").getAttribute("href");
}

/** Remember the token of an answer, fill it into the forms that require it, and show
 * times in the viewer's time zone. */
function prepare() {
  const answer = $("body") ? JSON.parse($("body").textContent) : null;
  if (answer?.token) sessionStorage.setItem(canonical.href, answer.token);

  const token = sessionStorage.getItem(canonical.href);
  const bodies = document.querySelectorAll("textarea[data-token]");
  if (token) for (const body of bodies) body.value = JSON.stringify({ token });
  for (const button of document.querySelectorAll("button.quick")) button.disabled = !token;
  $("no-token").hidden = Boolean(token) || bodies.length === 0;

  for (const time of document.querySelectorAll("time")) {
    const local = new Date(time.dateTime).toLocaleString();
    if (time.closest("pre")) time.title = local; // the JSON remains as it was sent
    else time.textContent = local;
  }
}

/** The body of a form: its raw data, or a JSON object of its fields that are filled in. */
function bodyOf(form) {
  const raw = form.elements._content;
  if (raw) return raw.value.trim();

  const fields = [...form.elements].filter((field) => field.name);
  const values = fields.map((field) => [field.name, valueOf(field)]);
  const given = values.filter(([, value]) => value !== undefined);
  return fields.length ? JSON.stringify(Object.fromEntries(given)) : undefined;
}

function valueOf(field) {
  if (field.type === "checkbox") return field.checked || undefined;
  if (field.value === "") return undefined;
  if (field.type === "number") return Number(field.value);
  if (!/^[[{]/.test(field.value)) return field.value;

  try {
    return JSON.parse(field.value); // a list or an object
  } catch {
    return field.value;
  }
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  const { method } = form.dataset;
  if (!method) return;

  event.preventDefault();
  const label = event.submitter.textContent.trim();
  const question = `${label}? DELETE ${new URL(form.action).pathname}`;
  if (method === "DELETE" && !(await confirmed(question))) return;

  const body = bodyOf(form);
  const isDone = await show(form.action, { method, body });
  const raw = form.id && $(form.id)?.elements._content;
  if (!isDone && raw) raw.value = body; // to be corrected
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("main a[href]");
  const isPlain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
  const hasCredentials = Object.keys(credentials()).length > 0;
  if (!link || !isPlain || !hasCredentials || link.search) return;

  event.preventDefault(); // the browser would send the link without credentials
  show(link.href);
});

const reload = () => show(location.href, { isBack: true });
addEventListener("popstate", reload);
openCredentials(reload);
prepare();

const isRejected = document.querySelector("main").dataset.status === "401";
if (isRejected && Object.keys(credentials()).length > 0) reload();
