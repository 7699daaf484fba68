/** The pages of the API: their forms send JSON, with this tab's credentials, and the answer's page takes the place of the
 * one that asked. */

const $ = (id) => document.getElementById(id);
const canonical = document.querySelector("link[rel=canonical]");

function credentials() {
  const headers = {};
  const [bearer, key] = [sessionStorage.getItem("bearer"), sessionStorage.getItem("api-key")];
  if (bearer) headers.Authorization = `Bearer ${bearer}`;
  if (key) headers["X-API-Key"] = key;
  return headers;
}

/** The page of an answer, in place of this one. A service that cannot be reached leaves this one. */
async function show(url, { method = "GET", body, isBack = false } = {}) {
  const headers = { Accept: "text/html", ...credentials() };
  if (body) headers["Content-Type"] = "application/json";
  $("alert").hidden = true;
  try {
    const response = await fetch(url, { method, headers, body: body || undefined, cache: "no-store" });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const main = page.querySelector("main[data-status]");
    if (!main) throw new Error(`${response.status} ${response.statusText}`);
    document.querySelector("main").replaceWith(main);
    document.title = page.title;
    canonical.href = page.querySelector("link[rel=canonical]").getAttribute("href");
    if (!isBack && canonical.href !== location.href) history.pushState(null, "", canonical.href);
    prepare();
    $("answer").focus();
    return response.ok;
  } catch (error) {
    $("alert").textContent = `There was no page in answer: ${error.message}.`;
    $("alert").hidden = false;
    return false;
  }
}

/** Remember the token that an answer carries, and have it ready where a heartbeat or a stop needs it. */
function prepare() {
  const answer = $("body") ? JSON.parse($("body").textContent) : null;
  if (answer?.token) sessionStorage.setItem(canonical.href, answer.token);
  const token = sessionStorage.getItem(canonical.href);
  if ($("quick-heartbeat") && token) {
    for (const call of ["renewStream", "stopStream"]) {
      const body = $(`${call}-body`);
      if (body) body.value = JSON.stringify({ token });
    }
    $("quick-heartbeat").disabled = false;
    $("no-token").hidden = true;
  }
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.dataset.method) return;
  event.preventDefault();
  const body = form.elements._content?.value.trim();
  const isDone = await show(form.action, { method: form.dataset.method, body });
  if (!isDone && body && form.id && $(form.id)) $(form.id).elements._content.value = body; // to be put right
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("main a[href]");
  const isPlain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
  if (!link || !isPlain || !Object.keys(credentials()).length) return;
  event.preventDefault(); // a link by itself would go without the credentials
  show(link.href);
});

addEventListener("popstate", () => show(location.href, { isBack: true }));

for (const name of ["bearer", "api-key"]) $(name).value = sessionStorage.getItem(name) ?? "";
$("credentials-form").addEventListener("submit", (event) => {
  event.preventDefault();
  for (const name of ["bearer", "api-key"]) sessionStorage.setItem(name, $(name).value);
  show(location.href, { isBack: true });
});

prepare();
if (document.querySelector("main").dataset.status === "401" && Object.keys(credentials()).length) {
  show(location.href, { isBack: true });
}
