// Plays with a lease. It keeps on fetching when the service says that the lease is
// over, so that the edge must cut it off.
import { StreamClient } from "./streams-client.js";

const SOURCE = "/media/film/live.m3u8";
const RETRY_MS = 500;
const TOKEN_DISPLAY_MS = 100;
const MAX_DEVICE_ID = 64;

const find = (selector) => document.querySelector(selector);
const video = find("video");
const form = find("form");
const status = find("#status");
const holderList = find("#holders");
const stopButton = find("#stop");
const edgeDisplay = find("#edge");
const tokenDisplay = find("#token");

let client;
let hls;
let lastToken;
let endReason; // a sentence for the viewer, once the stream has ended

function showState(name, text) {
  document.body.dataset.state = name;
  status.textContent = text;
  stopButton.hidden = name !== "playing";
}

/** Returns the newest token, or the last one after the stream has ended. */
function newestToken() {
  lastToken = client.stream?.edgeToken ?? lastToken;
  return lastToken;
}

function play() {
  hls?.destroy();
  hls = new Hls({
    enableWorker: false,
    liveSyncDurationCount: 2,
    maxBufferLength: 3, // a short buffer shows soon that no more segments arrive
    xhrSetup: (request) => request.setRequestHeader("X-Edge-Token", newestToken()),
  });

  hls.on(Hls.Events.FRAG_LOADED, (_, { frag }) => {
    edgeDisplay.textContent = `segment ${frag.sn}: let through`;
  });
  hls.on(Hls.Events.ERROR, handleError);
  hls.loadSource(SOURCE);
  hls.attachMedia(video);
  video.play().catch(() => {});
}

function handleError(_, { fatal, response, networkDetails }) {
  if (response?.code === 403) {
    const reason = networkDetails.getResponseHeader("X-Edge-Token-Refused");
    edgeDisplay.textContent = `403: ${reason}`;
    if (endReason) {
      hls.destroy();
      showState("cut-off", `Cut off by the edge. ${endReason}`);
      return;
    }
  }
  if (fatal) setTimeout(() => hls.startLoad(), RETRY_MS);
}

const listeners = {
  admitted() {
    showState("playing", "Playing, with a lease.");
    play();
  },
  denied(holders) {
    showState("denied", "Another device uses the only slot.");
    holderList.replaceChildren(...holders.map(choiceOf));
  },
  ended(reason, problem) {
    const isOwnStop = reason === "stopped" && !problem;
    if (isOwnStop) return;

    const name = problem?.endedByName;
    endReason = name ? `${name} took its place.` : `The stream has ended: ${reason}.`;
    showState("replaced", `The service said stop. The player goes on. ${endReason}`);
  },
  failed(problem) {
    showState("denied", problem.title ?? problem.type);
  },
};

function start(options = {}) {
  const { user, device } = Object.fromEntries(new FormData(form));
  endReason = lastToken = undefined;
  holderList.replaceChildren();

  client?.stop();
  client = new StreamClient({
    url: document.body.dataset.service,
    userId: user,
    on: listeners,
  });
  showState("starting", "Starting …");
  client.start({
    streamId: "film",
    deviceId: device.replace(/[^\w-]+/g, "-").slice(0, MAX_DEVICE_ID),
    deviceName: device,
    title: "The demo",
    ...options,
  });
}

/** Returns a list item with a button that ends a stream and starts here. */
function choiceOf({ id, epoch, deviceName }) {
  const button = document.createElement("button");
  button.textContent = `End ${deviceName ?? id} and play here`;
  button.onclick = () => start({ replace: [{ id, epoch }] });

  const item = document.createElement("li");
  item.append(button);
  return item;
}

/** Shows how long the newest token is still valid. */
function showToken() {
  if (!lastToken && !client?.stream) return;

  const [, payload] = newestToken().split(".");
  const base64 = payload.replace(/-/g, "+").replace(/_/g, "/");
  const { exp } = JSON.parse(atob(base64));
  const seconds = exp - Date.now() / 1000;
  tokenDisplay.textContent =
    seconds > 0
      ? `valid for ${seconds.toFixed(1)} s`
      : `expired ${(-seconds).toFixed(1)} s ago`;
}

form.onsubmit = (event) => {
  event.preventDefault();
  start();
};
stopButton.onclick = () => {
  client.stop();
  hls?.destroy();
  showState("idle", "Stopped.");
};

const parameters = new URLSearchParams(location.search);
for (const name of ["user", "device"]) {
  if (parameters.has(name)) form.elements[name].value = parameters.get(name);
}
setInterval(showToken, TOKEN_DISPLAY_MS);
