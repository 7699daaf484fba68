import { Binding } from "./binding.js";

/**
 * Binds hls.js (1.5 or later) to a video element.
 *
 *   const player = bindHls(Hls, video, { url, headers, on: { denied, ended } });
 *   await player.play({ streamId: "film-42", deviceId: tabId() }, "https://…/film.m3u8");
 *
 * @param {any} Hls The class, from the package `hls.js`.
 * @param {HTMLMediaElement} video
 * @param {import("./binding.js").BindingOptions} options
 * @param {object} [config] The configuration of hls.js.
 * @returns {Binding & { hls: any }}
 */
export function bindHls(Hls, video, options, config = {}) {
  const hls = new Hls({
    ...config,
    xhrSetup: withToken("GET", config.xhrSetup),
    licenseXhrSetup: withToken("POST", config.licenseXhrSetup),
  });

  const player = {
    load(source) {
      hls.loadSource(source);
      hls.attachMedia(video);
    },
    unload() {
      hls.stopLoad();
      hls.detachMedia();
    },
    destroy: () => hls.destroy(),
  };
  const binding = new Binding(video, player, options);

  /** Returns a set-up of requests that adds the newest token. */
  function withToken(method, setUp) {
    return async (xhr, url, ...more) => {
      const changed = await setUp?.(xhr, url, ...more);
      if (xhr.readyState === XMLHttpRequest.UNSENT) xhr.open(method, url, true);
      for (const [name, value] of Object.entries(binding.headers(url))) {
        xhr.setRequestHeader(name, value);
      }
      return changed;
    };
  }
  return Object.assign(binding, { hls });
}
