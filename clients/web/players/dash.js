import { Binding } from "./binding.js";

/**
 * Binds dash.js (5 or later) to a video element.
 *
 *   const player = bindDash(dashjs, video, { url, headers, on: { denied, ended } });
 *   await player.play({ streamId: "film-42", deviceId: tabId() }, "https://…/film.mpd");
 *
 * @param {any} dashjs The package `dashjs`.
 * @param {HTMLMediaElement} video
 * @param {import("./binding.js").BindingOptions} options
 * @param {object} [settings] The settings of dash.js.
 * @returns {Binding & { dash: any }}
 */
export function bindDash(dashjs, video, options, settings = {}) {
  const dash = dashjs.MediaPlayer().create();
  dash.initialize(video, null, false);
  dash.updateSettings(settings);

  const player = {
    load: (source) => dash.attachSource(source),
    unload: () => dash.attachSource(null),
    destroy: () => dash.destroy(),
  };
  const binding = new Binding(video, player, options);

  const addToken = async (request) => {
    request.headers = { ...request.headers, ...binding.headers(request.url) };
    return request;
  };
  dash.addRequestInterceptor(addToken);
  dash.registerLicenseRequestFilter(addToken);
  return Object.assign(binding, { dash });
}
