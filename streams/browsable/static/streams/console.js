/**
 * The console: a user's slots as they are, and players to try the service with. It uses
 * only the public API.
 */

import { addPoint, clear } from "./console-chart.js";
import { LimitForm } from "./console-limit.js";
import { Player } from "./console-player.js";
import { call } from "./console-requests.js";
import { Slots } from "./console-slots.js";
import { openCredentials } from "./credentials.js";
import { $ } from "./elements.js";

const POLL_MS = 2000;
const DRAIN_MS = 250;
const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC";

const players = new Set();
let user = new URLSearchParams(location.search).get("user") || $("user").value;
let slots = null;

/** Show a user's slots, plan and limit. */
async function show(name) {
  user = name;
  slots = new Slots(user, refresh);
  clear();
  $("user").value = $("whose").textContent = user;

  const query = `?user=${encodeURIComponent(user)}`;
  history.replaceState(null, "", query);
  if ($("why")) $("why").search = `${query}&zone=${encodeURIComponent(ZONE)}`;

  const streams = () => slots.latest?.streams ?? [];
  const form = new LimitForm(user, { streams, onChange: refresh });
  await Promise.all([form.load(), refresh()]);
}

/** Read the streams of the user, and show them if no other user was selected since. */
async function refresh() {
  const requested = slots;
  const options = { isPoll: true };
  const listing = await call(user, "GET", "/streams", undefined, options);
  if (!listing || requested !== slots) return;

  slots.show(listing);
  addPoint(listing);
}

function drain() {
  slots.drain();
  for (const player of players) player.drain();
}

function addPlayer(device, title) {
  const player = new Player({
    user,
    device,
    title,
    onChange: refresh,
    onRemove: (removed) => {
      players.delete(removed);
      refresh();
    },
  });
  players.add(player);
  player.start();
}

$("user-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  await Promise.all([...players].map((player) => player.remove()));
  show($("user").value.trim());
});

$("player-form").addEventListener("submit", (event) => {
  event.preventDefault();
  addPlayer($("device").value, $("title").value);
});

$("show-polls").addEventListener("change", () => {
  $("requests").classList.toggle("without-polls");
});
$("requests").classList.add("without-polls");

openCredentials(() => show(user));
setInterval(() => document.hidden || refresh(), POLL_MS);
setInterval(drain, DRAIN_MS);
show(user);
