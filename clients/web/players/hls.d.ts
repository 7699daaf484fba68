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
export function bindHls(Hls: any, video: HTMLMediaElement, options: import("./binding.js").BindingOptions, config?: object): Binding & {
    hls: any;
};
import { Binding } from "./binding.js";
