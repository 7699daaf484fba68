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
export function bindShaka(shaka: any, video: HTMLMediaElement, options: import("./binding.js").BindingOptions, configuration?: object): Binding & {
    shaka: any;
};
import { Binding } from "./binding.js";
