/** The credentials of this tab, shared by the console and the pages of the API. */

const FIELDS = ["bearer", "api-key"];
const input = (name) => document.getElementById(name);

/** The headers of a request with these credentials. */
export function credentials() {
  const headers = {};
  const bearer = input("bearer").value;
  const key = input("api-key").value;
  if (bearer) headers.Authorization = `Bearer ${bearer}`;
  if (key) headers["X-API-Key"] = key;
  return headers;
}

/** Fill the form with what the tab remembers, and call `onUse` when it is submitted. */
export function openCredentials(onUse) {
  for (const name of FIELDS) input(name).value = sessionStorage.getItem(name) ?? "";

  document.getElementById("credentials-form").addEventListener("submit", (event) => {
    event.preventDefault();
    for (const name of FIELDS) sessionStorage.setItem(name, input(name).value);
    onUse();
  });
}
