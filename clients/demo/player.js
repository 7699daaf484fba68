// Plays with a lease; and does not stop when it is told that the lease is over, so that the edge has to.
import { StreamClient } from "./streams-client.js";

const SOURCE = "/media/film/live.m3u8";
const RETRY_MS = 500;

const $ = (selector) => document.querySelector(selector);
const video = $("video");
const [form, say, holders, stop] = [$("form"), $("#status"), $("#holders"), $("#stop")];
let client, hls, token, who;

function state(name, text) {
  document.body.dataset.state = name;
  say.textContent = text;
  stop.hidden = name !== "playing";
}

/** The newest token; when the stream is over, the last one that there was. */
function newest() {
  token = client.stream?.edgeToken ?? token;
  return token;
}

function play() {
  hls?.destroy();
  hls = new Hls({
    enableWorker: false,
    liveSyncDurationCount: 2,
    maxBufferLength: 3, // little, so that it is seen when nothing comes any more
    xhrSetup: (request) => request.setRequestHeader("X-Edge-Token", newest()),
  });
  hls.on(Hls.Events.FRAG_LOADED, (_, { frag }) => {
    $("#edge").textContent = `segment ${frag.sn}: let through`;
  });
  hls.on(Hls.Events.ERROR, (_, { fatal, response, networkDetails }) => {
    if (response?.code === 403) {
      $("#edge").textContent = `403: ${networkDetails.getResponseHeader("X-Edge-Token-Refused")}`;
      if (who) {
        hls.destroy();
        state("cut-off", `Cut off by the edge. ${who}`);
        return;
      }
    }
    if (fatal) setTimeout(() => hls.startLoad(), RETRY_MS);
  });
  hls.loadSource(SOURCE);
  hls.attachMedia(video);
  video.play().catch(() => {});
}

function start(more = {}) {
  const { user, device } = Object.fromEntries(new FormData(form));
  who = token = undefined;
  holders.replaceChildren();
  client?.stop();
  client = new StreamClient({
    url: document.body.dataset.service,
    userId: user,
    on: {
      admitted: () => {
        state("playing", "Plays, with a lease.");
        play();
      },
      denied: (streams) => {
        state("denied", "Every place is taken.");
        holders.replaceChildren(...streams.map(choice));
      },
      ended: (reason, problem) => {
        if (reason === "stopped" && !problem) return;
        who = problem?.endedByName ? `${problem.endedByName} took its place.` : `The stream is over: ${reason}.`;
        state("replaced", `Told to stop, and fetches on. ${who}`);
      },
      failed: (problem) => state("denied", problem.title ?? problem.type),
    },
  });
  state("starting", "Starts …");
  const deviceId = device.replace(/[^\w-]+/g, "-").slice(0, 64);
  client.start({ streamId: "film", deviceId, deviceName: device, title: "The demo", ...more });
}

function choice({ id, epoch, deviceName }) {
  const button = document.createElement("button");
  button.textContent = `End ${deviceName ?? id} and play here`;
  button.onclick = () => start({ replace: [{ id, epoch }] });
  const item = document.createElement("li");
  item.append(button);
  return item;
}

form.onsubmit = (event) => {
  event.preventDefault();
  start();
};
stop.onclick = () => {
  client.stop();
  hls?.destroy();
  state("idle", "Stopped.");
};
const asked = new URLSearchParams(location.search);
for (const name of ["user", "device"]) if (asked.has(name)) form.elements[name].value = asked.get(name);

setInterval(() => {
  if (!token && !client?.stream) return;
  const { exp } = JSON.parse(atob(newest().split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
  const left = exp - Date.now() / 1000;
  $("#token").textContent = left > 0 ? `good for ${left.toFixed(1)} s` : `expired ${(-left).toFixed(1)} s ago`;
}, 100);
