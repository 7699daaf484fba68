import { Binding } from "./binding.js";

/**
 * Binds Shaka Player (4.9 or later) to a video element.
 *
 *   const player = bindShaka(shaka, video, { url, headers, on: { denied, ended } });
 *   await player.play({ streamId: "film-42", deviceId: tabId() }, "https://…/film.mpd");
 *
 * @param {any} shaka The package `shaka-player`.
 * @param {HTMLMediaElement} video
 * @param {import("./binding.js").BindingOptions} options
 * @param {object} [configuration] The configuration of Shaka.
 * @returns {Binding & { shaka: any }}
 */
export function bindShaka(shaka, video, options, configuration = {}) {
  const instance = new shaka.Player();
  instance.configure(configuration);
  const attached = instance.attach(video);

  const player = {
    async load(source) {
      await attached;
      await instance.load(source);
    },
    unload: () => instance.unload(),
    destroy: () => instance.destroy(),
  };
  const binding = new Binding(video, player, options);

  // Manifests, segments, keys and licences pass this filter. CMCD's reports do too.
  const { CMCD } = shaka.net.NetworkingEngine.RequestType;
  instance.getNetworkingEngine().registerRequestFilter((type, request) => {
    if (type !== CMCD) Object.assign(request.headers, binding.headers(request.uris[0]));
  });
  return Object.assign(binding, { shaka: instance });
}
