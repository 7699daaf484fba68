import { Binding, TOKEN_HEADER } from "./binding.js";

/**
 * Binds a player of video.js (8 or later).
 *
 *   const player = bindVideojs(videojs(video), { url, headers, on: { denied, ended } });
 *   const source = { src: "https://…/film.m3u8", type: "application/x-mpegURL" };
 *   await player.play({ streamId: "film-42", deviceId: tabId() }, source);
 *
 * For licences it needs `videojs-contrib-eme`, and `keySystems` in the source.
 *
 * @param {any} videojs The player.
 * @param {import("./binding.js").BindingOptions} options
 * @returns {Binding & { videojs: any }}
 */
export function bindVideojs(videojs, options) {
  const player = {
    load: (source) => videojs.src(withLicenceHeaders(source)),
    unload: () => videojs.reset(),
    destroy: () => videojs.dispose(),
  };
  // The element changes when the player is reset.
  const events = {
    addEventListener: (event, act) => videojs.on(event, act),
    removeEventListener: (event, act) => videojs.off(event, act),
  };
  const binding = new Binding(events, player, options);

  // Each source gets its own set of hooks.
  videojs.on("xhr-hooks-ready", () => {
    const { vhs } = videojs.tech(true);
    vhs.xhr.onRequest((request) => {
      request.headers = { ...request.headers, ...binding.headers(request.uri) };
      return request;
    });
  });

  /** Returns the source with a header for licences that is always the newest token. */
  function withLicenceHeaders(source) {
    if (!source.keySystems) return source;

    const emeHeaders = { ...source.emeHeaders };
    const get = () => binding.headers()[TOKEN_HEADER];
    Object.defineProperty(emeHeaders, TOKEN_HEADER, { get, enumerable: true });
    return { ...source, emeHeaders };
  }
  return Object.assign(binding, { videojs });
}
